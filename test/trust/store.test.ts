import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { after, describe, it } from 'node:test'
import { issueCertificate, issueCrl } from '../../src/crypto/issue.js'
import { opensslHash } from '../../src/crypto/name.js'
import { toPem } from '../../src/crypto/pem.js'
import { isSsmError } from '../../src/errors.js'
import { createAuthorizePeer } from '../../src/trust/authorize-peer.js'
import { loadCaDirectory } from '../../src/trust/ca-directory.js'
import { parseDnList } from '../../src/trust/dn-list.js'
import { createTrustStore } from '../../src/trust/store.js'
import { createTrust } from '../../src/trust/trust-holder.js'
import { createTestCa, createTestPki, testKey, writeCaDirectory } from '../kit/ca.js'

const dir = mkdtempSync(join(tmpdir(), 'ssm-store-'))
after(() => {
  rmSync(dir, { recursive: true })
})
const pki = createTestPki(dir)
const HOUR = 3_600_000
const now = Math.floor(Date.now() / 1000) * 1000
const settings = { allowSha1: false, allowWeak: false, crlPolicy: 'hold' } as const
const signer = { at: now, purpose: 'signer', crls: true } as const

async function store(crlPolicy: 'hold' | 'require' = 'hold') {
  return createTrustStore(await loadCaDirectory(pki.capath), { ...settings, crlPolicy })
}

describe('the trust store', () => {
  it('gives the path and until when the verdict holds', async () => {
    const trust = await store()
    const verdict = trust.judge(pki.host.certificate, signer)
    assert.ok(verdict.verdict === 'ok')
    assert.deepEqual(verdict.path.map(({ subject }) => subject.slash), [pki.host.dn, pki.ca.dn]) // prettier-ignore
    assert.equal(verdict.until, now + 600_000)
    const late = trust.judge(pki.host.certificate, { ...signer, at: pki.ca.certificate.notAfter - 1000, crls: false })
    // The CA was made before the host, perhaps in the second before.
    const end = Math.min(pki.ca.certificate.notAfter, pki.host.certificate.notAfter)
    assert.ok(late.verdict === 'ok' && late.until === end)
    assert.equal(trust.judge(pki.host.certificate, signer), verdict, 'the same object: from the cache')
    const after = trust.judge(pki.host.certificate, { ...signer, at: verdict.until })
    assert.notEqual(after, verdict)
  })

  it('holds or refuses when the CRL is outdated or missing', async () => {
    for (const [request, reason] of [
      [{ thisUpdate: now - 48 * HOUR, nextUpdate: now - HOUR }, 'crl-outdated'],
      [null, 'crl-missing'],
    ] as const) {
      // prettier-ignore
      if (request === null) for (const name of readdirSync(pki.capath)) if (name.includes('.r')) rmSync(join(pki.capath, name))
      if (request !== null) pki.writeCrl(request)
      const held = (await store()).judge(pki.host.certificate, signer)
      assert.deepEqual([held.verdict, held.verdict === 'ok' || held.reason], ['hold', reason])
      assert.ok(held.verdict === 'hold' && held.ca === pki.ca.dn)
      assert.equal((await store('require')).judge(pki.host.certificate, signer).verdict, 'no')
      assert.equal((await store()).judge(pki.unknown.certificate, signer).verdict, 'no', 'no CRL would help this one')
    }
    pki.writeCrl()
  })

  it('lets any good CRL of the CA count that lists the certificate', async () => {
    const capath = join(dir, 'two-lists')
    const listing = issueCrl({ issuer: pki.ca.issuer, thisUpdate: now - 9 * HOUR, revoked: [{ serial: pki.host.certificate.serial }] }) // prettier-ignore
    const newer = issueCrl({ issuer: pki.ca.issuer })
    writeCaDirectory(
      capath,
      [listing, newer].map((crl) => ({ certificate: pki.ca.certificate, crl })),
    )
    const trust = createTrustStore(await loadCaDirectory(capath), settings)
    const verdict = trust.judge(pki.host.certificate, signer)
    assert.equal(verdict.verdict === 'no' && verdict.reason, 'revoked')
    assert.equal(trust.judge(pki.other.certificate, signer).verdict, 'ok')
  })

  it('judges what a signer must be', async () => {
    const trust = await store()
    const reason = (certificate: Parameters<typeof trust.judge>[0]): string => {
      const verdict = trust.judge(certificate, signer)
      return verdict.verdict === 'ok' ? 'ok' : verdict.reason
    }
    assert.equal(reason(pki.add('cipher', { keyUsage: ['keyEncipherment'] }).certificate), 'purpose')
    assert.equal(reason(pki.add('repudiate', { keyUsage: ['nonRepudiation'] }).certificate), 'ok')
    assert.equal(reason(pki.add('subca', { ca: true }).certificate), 'purpose')
    assert.equal(reason(pki.add('stamp', { extendedKeyUsage: ['timeStamping'] }).certificate), 'purpose')
    for (const usage of ['serverAuth', 'clientAuth', 'emailProtection', 'any'] as const) {
      assert.equal(reason(pki.add(usage, { extendedKeyUsage: [usage] }).certificate), 'ok')
    }
    assert.equal(reason(pki.ca.certificate), 'purpose', 'keyUsage of a CA')
    assert.equal(reason(pki.expired.certificate), 'expired')
    assert.equal(reason(pki.revoked.certificate), 'revoked')
    assert.equal(reason(pki.unknown.certificate), 'untrusted')
  })

  it('keeps verdicts apart by their candidates', async () => {
    const trust = await store()
    const key = testKey('p256', 4)
    const certificate = issueCertificate({ subject: '/CN=Sub', key, issuer: pki.ca.issuer, ca: true })
    const leaf = issueCertificate({ subject: '/CN=leaf', key: testKey('p256', 5), issuer: { certificate, key } })
    const options = { at: now, purpose: 'any', crls: false } as const
    assert.equal(trust.judge(leaf, options).verdict, 'no')
    assert.equal(trust.judge(leaf, { ...options, candidates: [certificate] }).verdict, 'ok')
    const forged = issueCertificate({ subject: pki.ca.certificate.subjectDer, key, ca: true })
    const byForged = issueCertificate({ subject: '/CN=evil', key, issuer: { certificate: forged, key } })
    assert.equal(trust.judge(byForged, { ...options, candidates: [forged] }).verdict, 'no', 'a candidate is no anchor')
  })

  it('finds a renewed CA beside the expired one of the same name and key', async () => {
    const capath = join(dir, 'renewed')
    const old = createTestCa(pki.ca.dn, { notBefore: now - 9 * HOUR, notAfter: now - HOUR })
    writeCaDirectory(capath, [old, pki.ca])
    const trust = createTrustStore(await loadCaDirectory(capath), settings)
    assert.equal(trust.judge(pki.host.certificate, { ...signer, crls: false }).verdict, 'ok')
  })

  it('gives up among many possible issuers instead of searching for ever', async () => {
    const trust = await store()
    const subject = '/CN=Loop'
    const cas = [...Array(16).keys()].map((n) => {
      const key = testKey('p256', 20 + n)
      return { key, certificate: issueCertificate({ subject, key, ca: true, keyIdentifiers: false }) }
    })
    const crossed = cas.map((ca, n) => {
      const issuer = cas[(n + 1) % cas.length]
      return issueCertificate({ subject, key: ca.key, ca: true, keyIdentifiers: false, ...(issuer && { issuer }) })
    })
    const [first] = cas
    const leaf = issueCertificate({
      subject: '/CN=x',
      key: testKey('p256'),
      keyIdentifiers: false,
      ...(first && { issuer: first }),
    })
    const started = performance.now()
    assert.equal(trust.judge(leaf, { ...signer, candidates: crossed }).verdict, 'no')
    assert.ok(performance.now() - started < 1000)
  })
})

describe('the CA directory', () => {
  const load = (path: string) => loadCaDirectory(path)

  it('is read by hash names, and wholly when there are none', async () => {
    const plain = join(dir, 'plain')
    mkdirSync(plain)
    writeFileSync(join(plain, 'all.pem'), toPem('CERTIFICATE', pki.ca.certificate.der) + toPem('CERTIFICATE', pki.unknownCa.certificate.der)) // prettier-ignore
    writeFileSync(join(plain, 'ca.crl'), issueCrl({ issuer: pki.ca.issuer }))
    writeFileSync(join(plain, 'ca.info'), 'not ours')
    const { certificates, crls, warnings } = await load(plain)
    assert.deepEqual([certificates.length, crls.length, warnings], [2, 1, []])
    const linked = join(dir, 'linked')
    mkdirSync(linked)
    symlinkSync(join(plain, 'all.pem'), join(linked, '0a1b2c3d.0'))
    symlinkSync(join(plain, 'all.pem'), join(linked, '0a1b2c3e.0'))
    writeFileSync(join(linked, 'other.pem'), 'ignored: it has no hash name')
    assert.deepEqual([(await load(linked)).certificates.length, (await load(linked)).warnings], [2, []])
  })

  it('names and skips what is broken, as long as others suffice', async () => {
    const broken = join(dir, 'broken')
    cpSync(pki.capath, broken, { recursive: true })
    const pem = toPem('CERTIFICATE', pki.unknownCa.certificate.der)
    writeFileSync(join(broken, '00000001.0'), pem.slice(0, 300))
    writeFileSync(join(broken, '00000002.0'), toPem('CERTIFICATE', Buffer.from('nonsense')))
    writeFileSync(join(broken, '00000003.0'), '')
    symlinkSync('nowhere', join(broken, '00000004.0'))
    mkdirSync(join(broken, '00000005.0'))
    writeFileSync(join(broken, '00000006.r0'), toPem('X509 CRL', Buffer.from([0x30, 0x80])))
    execFileSync('mkfifo', [join(broken, '00000007.0')])
    const { certificates, warnings } = await load(broken)
    assert.equal(certificates.length, 1)
    assert.deepEqual(warnings.map((line) => /0000000\d/.exec(line)?.[0]).sort(), [1, 2, 3, 4, 5, 6, 7].map((n) => `0000000${n}`)) // prettier-ignore
  })

  it('is our trouble when nothing of it can be used', async () => {
    const empty = join(dir, 'empty')
    mkdirSync(empty)
    await assert.rejects(load(empty), (error) => isSsmError(error, 'no-trust'))
    await assert.rejects(load(join(dir, 'none')), (error) => isSsmError(error, 'configuration'))
    await assert.rejects(load(pki.host.keyFile), (error) => isSsmError(error, 'configuration'))
  })

  it('of 200 CAs, CRLs and signing policies loads in less than 300 ms', async () => {
    const many = join(dir, 'many')
    const cas = [...Array(200).keys()].map((n) => {
      const ca = createTestCa(`/C=XX/O=Many/CN=CA ${n}`)
      return { certificate: ca.certificate, crl: issueCrl({ issuer: ca.issuer }) }
    })
    writeCaDirectory(many, cas)
    for (const { certificate } of cas) {
      const policy = `access_id_CA X509 '${certificate.subject.slash}'\npos_rights globus CA:sign\ncond_subjects globus '"/C=XX/*"'\n`
      writeFileSync(join(many, `${opensslHash(certificate.subject)}.signing_policy`), policy)
    }
    const before = process.cpuUsage()
    const trust = createTrustStore(await load(many), settings)
    const { user, system } = process.cpuUsage(before)
    assert.equal(trust.judge(pki.host.certificate, signer).verdict, 'no')
    // Time of the processor, not of the clock.
    assert.ok(user + system < 300_000, `${(user + system) / 1000} ms`)
  })
})

describe('the trust of a running program', () => {
  it('swaps snapshots, keeps the old one for an hour, then says no-trust', async () => {
    const capath = join(dir, 'live')
    cpSync(pki.capath, capath, { recursive: true })
    let time = 0
    const trust = await createTrust({ capath, clock: { monotonic: () => time } })
    const judge = () => trust.judge(pki.host.certificate, signer).verdict
    assert.equal(judge(), 'ok')
    renameSync(capath, `${capath}.away`)
    assert.equal((await trust.reload()).failed?.code, 'configuration')
    assert.equal(judge(), 'ok')
    time += HOUR + 1
    assert.throws(judge, (error) => isSsmError(error, 'no-trust'))
    renameSync(`${capath}.away`, capath)
    assert.equal((await trust.reload()).failed, undefined)
    assert.equal(judge(), 'ok')
    writeCaDirectory(capath, [{ certificate: pki.ca.certificate, crl: issueCrl({ issuer: pki.ca.issuer, revoked: [{ serial: pki.host.certificate.serial }] }) }]) // prettier-ignore
    await trust.reload()
    assert.equal(judge(), 'no')
  })
})

describe('authorizing a TLS peer', () => {
  it('wants a good chain and a listed DN', async () => {
    const dns = parseDnList(`${pki.host.dn}\n${pki.revoked.dn}\n${pki.unknown.dn}\n`).list
    const authorize = createAuthorizePeer({ trust: await store(), dns, crls: true, now: () => now })
    const judge = (...chain: Uint8Array[]) => {
      const judgement = authorize(chain)
      return judgement.ok ? judgement.dn.slash : judgement.detail
    }
    assert.equal(judge(pki.host.certificate.der, pki.ca.certificate.der), pki.host.dn)
    assert.match(judge(pki.other.certificate.der), /not in the list/)
    assert.match(judge(pki.revoked.certificate.der), /revoked/)
    assert.match(judge(pki.unknown.certificate.der, pki.unknownCa.certificate.der), /not in the CA directory/)
    assert.match(judge(), /no certificate/)
    assert.match(judge(Buffer.from('garbage')), /certificate/)
  })
})
