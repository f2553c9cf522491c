/**
 * Certificates, CRLs and signing policies changed at random: nothing crashes, nothing hangs, and nothing that is not what its
 * CA signed is believed. Some seconds here; longer with `npm run fuzz`. What once failed is kept in test/vectors/hostile and runs
 * every time.
 */
import assert from 'node:assert/strict'
import type { KeyObject } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type Certificate, parseCertificate } from '../../src/crypto/certificate.js'
import { type Crl, parseCrl } from '../../src/crypto/crl.js'
import { DerReader, TAG } from '../../src/crypto/der.js'
import { oid, sequence } from '../../src/crypto/der-write.js'
import { makeDn } from '../../src/crypto/name.js'
import { isSsmError } from '../../src/errors.js'
import type { CaSnapshot } from '../../src/trust/ca-directory.js'
import { factsOf } from '../../src/trust/facts.js'
import { covers, parseNamespaces, parseSigningPolicy } from '../../src/trust/signing-policy.js'
import { createTrustStore } from '../../src/trust/store.js'
import { FUZZ_SECONDS, FUZZ_SEED } from '../fuzz/budget.js'
import { testKey } from '../kit/ca.js'
import { certificateDer, certificateIssuer, crlDer, deltaOf, distributionPoints, flag, freshest, fullName, GENERAL, issuingPoint, name, reasonCode, reasons, signAgain } from './draft.js' // prettier-ignore
import { goodDraft, type Random, seeded } from './good-draft.js'
import { mutate, mutateText } from './mutate.js'

const ROUNDS = 1500
/** Longest time of the processor that one input may take, ms. Far beyond what any takes, so that only a hang exceeds it. */
const LONGEST = 2000
const KEPT = 'test/vectors/hostile'
const AT = Date.UTC(2026, 5, 1)

const settings = { allowSha1: false, allowWeak: false, crlPolicy: 'require' } as const
const options = { at: AT, purpose: 'any', crls: true } as const

/** A chain whose certificates and CRLs have every extension that is read. */
function richChain(n: number): { certs: Buffer[]; crls: Buffer[]; signers: KeyObject[] } {
  const draft = goodDraft(n, AT, seeded(n))
  const policies = sequence(sequence(oid('1.2.3.1')), sequence(oid('2.5.29.32.0')))
  for (const [index, { more }] of draft.certs.entries()) {
    more.push({ id: '2.5.29.32', value: policies })
    more.push({ id: '2.5.29.17', value: sequence(GENERAL.dns('a.example.org'), GENERAL.email('a@example.org'), GENERAL.ip(10, 0, 0, 1), GENERAL.uri('http://a.example.org/')) }) // prettier-ignore
    if (index === 0) continue
    more.push(freshest)
    more.push(distributionPoints(sequence(fullName(GENERAL.uri('http://a/crl')), reasons(1, 1, 2)), sequence(fullName(GENERAL.directory(name(['CN', 'x'])))))) // prettier-ignore
    if (index === draft.certs.length - 1) continue
    more.push({ id: '2.5.29.36', critical: true, value: sequence(Buffer.from([0x80, 1, 0])) })
    more.push({ id: '2.5.29.33', value: sequence(sequence(oid('1.2.3.1'), oid('1.2.3.1'))) })
    more.push({ id: '2.5.29.54', critical: true, value: Buffer.from([2, 1, 3]) })
    more.push({ id: '2.5.29.30', critical: true, value: sequence(Buffer.concat([Buffer.from([0xa0, 0x0f]), sequence(GENERAL.dns('example.org'))])) }) // prettier-ignore
  }
  const last = draft.crls[draft.crls.length - 1]
  const leaf = draft.certs[draft.certs.length - 1]
  if (last !== undefined && leaf !== undefined) {
    last.more.push(freshest)
    last.entries.push({ serial: leaf.serial, extensions: [reasonCode(6)] })
    const entries = [{ serial: Buffer.from([9]), extensions: [certificateIssuer(leaf.issuer)] }]
    draft.crls.push({ ...last, number: 9, more: [deltaOf(2)], entries: [{ serial: leaf.serial, extensions: [reasonCode(8)] }] }) // prettier-ignore
    draft.crls.push({
      ...last,
      entries,
      more: [issuingPoint(fullName(GENERAL.uri('http://a/crl')), reasons(3, 1, 2), flag(4))],
    })
  }
  return {
    certs: draft.certs.map(certificateDer),
    crls: draft.crls.map(crlDer),
    signers: draft.certs.map(({ signer }) => signer),
  }
}

function snapshot(certificates: readonly Certificate[], crls: readonly Crl[]): CaSnapshot {
  return { path: '/ca', certificates, crls, policies: [], stems: new Map(), files: new Map(), warnings: [] }
}

/** Runs one input; a failure keeps it and says where. `malformed` is the only error there may be. */
function withstand<T>(kind: string, input: Buffer, run: () => T): T | undefined {
  const before = process.cpuUsage()
  let trouble: unknown
  let result: T | undefined
  try {
    result = run()
  } catch (error) {
    if (!isSsmError(error, 'malformed')) trouble = error
  }
  const { user, system } = process.cpuUsage(before)
  if (trouble === undefined && user + system < LONGEST * 1000) return result
  const folder = join(tmpdir(), 'ssm-hostile')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${kind}-${Date.now()}`)
  writeFileSync(file, input)
  const why = trouble instanceof Error ? (trouble.stack ?? trouble.message) : `took ${(user + system) / 1000} ms`
  throw new assert.AssertionError({ message: `seed ${FUZZ_SEED}: ${file}, to be kept in ${KEPT}: ${why}` })
}

function rounds(run: (random: Random) => void): void {
  const random = seeded(FUZZ_SEED)
  const end = performance.now() + FUZZ_SECONDS * 1000
  for (let round = 0; FUZZ_SECONDS === 0 ? round < ROUNDS : performance.now() < end; round++) run(random)
}

function readAll(bytes: Buffer): void {
  const certificate = parseCertificate(bytes)
  factsOf(certificate)
}

describe('hostile certificates', () => {
  const chains = [1, 2, 3, 4].map(richChain)
  const seeds = chains.flatMap(({ certs }) => certs)

  it('are refused or read, and never believed', () => {
    const directory = chains.flatMap(({ certs }) => certs.slice(0, -1)).map(parseCertificate)
    const originals = new Set(seeds.map((der) => der.toString('hex')))
    const plain = { ...options, crls: false }
    const store = createTrustStore(snapshot(directory, []), settings)
    for (const { certs } of chains) {
      const leaf = parseCertificate(certs[certs.length - 1] ?? Buffer.alloc(0))
      assert.equal(store.judge(leaf, plain).verdict, 'ok', 'before it is changed')
    }
    rounds((random) => {
      const bytes = mutate(seeds[random(seeds.length)] ?? Buffer.alloc(0), random, seeds[random(seeds.length)] ?? Buffer.alloc(0)) // prettier-ignore
      const verdict = withstand('certificate', bytes, () => {
        readAll(bytes)
        const certificate = parseCertificate(bytes)
        store.judge(certificate, { ...plain, purpose: 'signer', candidates: [certificate] })
        return store.judge(certificate, plain)
      })
      if (verdict?.verdict !== 'ok' || originals.has(bytes.toString('hex'))) return
      assert.fail(`seed ${FUZZ_SEED}, believed: ${bytes.toString('hex')}`)
    })
  })

  it('do no harm in the directory or as candidates', () => {
    const [chain] = chains
    const certs = (chain?.certs ?? []).map((der) => parseCertificate(der))
    const leaf = certs[certs.length - 1]
    assert.ok(leaf !== undefined)
    rounds((random) => {
      const at = random(certs.length - 1)
      const bytes = mutate(Buffer.from(certs[at]?.der ?? []), random, seeds[random(seeds.length)] ?? Buffer.alloc(0))
      withstand('candidate', bytes, () => {
        const changed = parseCertificate(bytes)
        // The root stays: a changed one would be another anchor, which only the operator can put there.
        const others = certs.filter((_, index) => index === 0 || index !== at)
        const store = createTrustStore(snapshot([...others, changed], []), settings)
        store.judge(leaf, { ...options, crls: false, candidates: [changed] })
      })
    })
  })
})

describe('hostile CRLs', () => {
  it('are refused or read, and never make a certificate good', () => {
    const { certs, crls } = richChain(3)
    const certificates = certs.map((der) => parseCertificate(der))
    const leaf = certificates.pop()
    assert.ok(leaf !== undefined)
    const originals = new Set(crls.map((der) => der.toString('hex')))
    const all = crls.map((der) => parseCrl(der))
    const good = createTrustStore(snapshot(certificates, all), settings).judge(leaf, options)
    assert.equal(good.verdict, 'ok', good.verdict === 'ok' ? '' : good.detail)
    // The base lists the leaf: without its delta nothing may make it good.
    const lone = all.filter(({ deltaBase }) => deltaBase === undefined)
    rounds((random) => {
      const at = random(crls.length)
      const bytes = mutate(crls[at] ?? Buffer.alloc(0), random, crls[random(crls.length)] ?? Buffer.alloc(0))
      const verdict = withstand('crl', bytes, () => {
        const changed = parseCrl(bytes)
        for (const serial of [leaf.serial, '01', '09', '7071']) changed.find(serial)
        return createTrustStore(snapshot(certificates, [...lone, changed]), settings).judge(leaf, options)
      })
      if (verdict?.verdict !== 'ok' || originals.has(bytes.toString('hex'))) return
      assert.fail(`made a revoked certificate good: ${bytes.toString('hex')}`)
    })
  })
})

/** What is signed of a certificate or CRL. */
function signedPart(der: Buffer): Buffer {
  return new DerReader(der, 'a seed').enter(TAG.sequence).next(TAG.sequence).bytes
}

describe('what a CA of bad will signs', () => {
  const { certs, crls, signers } = richChain(3)
  const certificates = certs.map((der) => parseCertificate(der))
  const lists = crls.map((der) => parseCrl(der))

  it('neither crashes nor stops the judgement of certificates', () => {
    let judged = 0
    rounds((random) => {
      const at = 1 + random(certs.length - 1)
      const tbs = mutate(signedPart(certs[at] ?? Buffer.alloc(0)), random, signedPart(certs[random(certs.length)] ?? Buffer.alloc(0))) // prettier-ignore
      const bytes = signAgain(tbs, signers[at] ?? testKey('p256'))
      withstand('certificate-signed', bytes, () => {
        const changed = parseCertificate(bytes)
        judged++
        const path = certificates.map((each, index) => (index === at ? changed : each))
        const store = createTrustStore(snapshot(path.slice(0, -1), lists), settings)
        store.judge(path[path.length - 1] ?? changed, { ...options, purpose: 'signer', candidates: [changed] })
      })
    })
    assert.ok(judged > 100, `only ${judged} could be read`)
  })

  it('neither crashes nor stops the judgement of CRLs', () => {
    const leaf = certificates[certificates.length - 1]
    const signer = signers[signers.length - 1]
    assert.ok(leaf !== undefined && signer !== undefined)
    let judged = 0
    rounds((random) => {
      const seed = crls[certs.length - 2 + random(crls.length - certs.length + 2)] ?? Buffer.alloc(0)
      const bytes = signAgain(mutate(signedPart(seed), random, signedPart(crls[random(crls.length)] ?? seed)), signer)
      withstand('crl-signed', bytes, () => {
        const changed = parseCrl(bytes)
        judged++
        createTrustStore(snapshot(certificates.slice(0, -1), [...lists, changed]), settings).judge(leaf, options)
        createTrustStore(snapshot(certificates.slice(0, -1), [changed]), settings).judge(leaf, options)
      })
    })
    assert.ok(judged > 100, `only ${judged} could be read`)
  })
})

describe('hostile signing policies', () => {
  const seeds = [
    `# x\naccess_id_CA X509 '/C=UK/O=CA/CN=CA 1'\npos_rights globus CA:sign\ncond_subjects globus '"/C=UK/O=a/*" "/DC=b/*"'\n`,
    `TO Issuer "/C=UK/O=CA/CN=CA 1" \\\n  PERMIT Subject "/C=UK/.*"\nTO Issuer SELF DENY Subject "/C=DE/.*/CN=.*x"\n`,
  ]
  const subject = makeDn([[{ oid: '2.5.4.6', value: 'UK' }], [{ oid: '2.5.4.3', value: 'x'.repeat(300) }]])

  it('are refused or read', () => {
    rounds((random) => {
      const text = mutateText(seeds[random(2)] ?? '', random)
      for (const parse of [parseSigningPolicy, parseNamespaces]) {
        withstand('policy', Buffer.from(text), () => {
          for (const { patterns } of parse(text)) covers(patterns, subject)
        })
      }
    })
  })

  it('of the largest size take no longer', () => {
    for (const filler of [' ', '\t', '"', "'", '\\\n', '* ', 'TO Issuer ', '#\n', 'access_id_CA X509 a\n', '\r']) {
      const text = (seeds[0] ?? '') + filler.repeat(200_000 / filler.length) + (seeds[1] ?? '')
      for (const parse of [parseSigningPolicy, parseNamespaces]) {
        withstand('large-policy', Buffer.from(text), () => {
          parse(text)
        })
      }
    }
  })
})

describe('what failed once', () => {
  const files = readdirSync(KEPT).filter((file) => file !== 'README.md')
  it(`stays mended (${files.length})`, () => {
    for (const file of files) {
      const bytes = readFileSync(join(KEPT, file))
      withstand(file, bytes, () => {
        if (file.includes('policy')) {
          parseSigningPolicy(bytes.toString())
          parseNamespaces(bytes.toString())
        } else if (file.includes('crl')) parseCrl(bytes).find('01')
        else readAll(bytes)
      })
    }
  })
})
