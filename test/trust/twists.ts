/**
 * Good chains, each changed in one respect. `good`: what the RFC says of the changed one; undefined: only compared with
 * OpenSSL, because the change is a matter of chance.
 */
import type { KeyObject } from 'node:crypto'
import { constructed, context, TAG } from '../../src/crypto/der.js'
import { derNull, element, integer, oid, sequence } from '../../src/crypto/der-write.js'
import { testKey } from '../kit/ca.js'
import { CRL_TWISTS } from './crl-twists.js'
import { type Extension, GENERAL, keyIdOf, name, USAGE } from './draft.js' // prettier-ignore
import { HOUR, type Random, type Draft, type Twist, CA_USAGE, nameOf, leafOf, rootOf, middleOf, below, anyOf, anyCa, anyMiddle, strange, good, goodCrl, bad } from './good-draft.js' // prettier-ignore

const dates: readonly Twist[] = [
  good('nothing', () => undefined),
  bad('expired', (draft) => Object.assign(anyOf(draft), { notBefore: draft.at - 9 * HOUR, notAfter: draft.at - HOUR })),
  bad('not yet valid', (draft) => Object.assign(anyOf(draft), { notBefore: draft.at + HOUR })),
  good('the last second', (draft) => Object.assign(anyOf(draft), { notAfter: draft.at }), 'The last second'),
  bad('the second after', (draft) => Object.assign(anyOf(draft), { notAfter: draft.at - 1000 })),
  good('dates of another century', (draft) => Object.assign(anyOf(draft), { notBefore: Date.UTC(1951, 0, 1), notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) })), // prettier-ignore
]

const signatures: readonly Twist[] = [
  bad('a signature flipped', (draft) => Object.assign(below(draft), { flip: true })),
  bad(
    'the signature of the root flipped',
    (draft) => Object.assign(rootOf(draft), { flip: true }),
    'Roots that did not sign themselves',
  ),
  bad('signed by another key', (draft) => Object.assign(below(draft), { signer: testKey('p256', 39) })),
  good('SHA-384 or SHA-512', (draft) => Object.assign(anyOf(draft), { digest: draft.random(2) === 0 ? 'sha384' : 'sha512' })), // prettier-ignore
  good('SHA-1 in the root', (draft) => Object.assign(rootOf(draft), { key: testKey('p256', 38), signer: testKey('p256', 38), digest: 'sha1', ...resign(draft, testKey('p256', 38)) })), // prettier-ignore
  good('the key of an RSA certificate', (draft) => Object.assign(leafOf(draft), { key: testKey('rsa2048', 0) })),
  good(
    'an authority key identifier with another serial number',
    (draft) => {
      const leaf = leafOf(draft)
      leaf.keyIds = false
      const issuer = element(constructed(1), element(constructed(4), nameOf(draft.n, 'nobody')))
      const list = [element(context(0), keyIdOf(leaf.signer)), issuer, element(context(2), Buffer.from([0x77]))]
      leaf.more.push({ id: '2.5.29.35', value: sequence(...list) })
    },
    'Key identifiers that name another issuer',
  ),
  good('key identifiers missing', (draft) => Object.assign(anyOf(draft), { keyIds: false })),
]

/** Gives the root's children another signer. */
function resign({ certs, crls }: Draft, signer: KeyObject): object {
  Object.assign(certs[1] ?? {}, { signer })
  Object.assign(crls[0] ?? {}, { signer })
  return {}
}

const names: readonly Twist[] = [
  bad('the issuer has another name', (draft) => Object.assign(below(draft), { issuer: nameOf(draft.n, 'nobody') })),
  bad('one attribute more', (draft) => {
    below(draft).issuer = name(['C', 'XX'], ['O', `Case ${draft.n}`], ['OU', 'x'], ['CN', 'CA 0'])
  }),
  good('another case, spacing and string type', (draft) => {
    const at = 1 + draft.random(draft.certs.length - 1)
    const issuer = name(['C', 'xx', TAG.printableString], ['O', ` CASE  ${draft.n} `], ['CN', `ca ${at - 1}`, TAG.printableString]) // prettier-ignore
    Object.assign(draft.certs[at] ?? {}, { issuer })
  }),
  bad('attributes in another order', (draft) => {
    const at = 1 + draft.random(draft.certs.length - 1)
    const issuer = name(['CN', `CA ${at - 1}`], ['O', `Case ${draft.n}`], ['C', 'XX'])
    Object.assign(draft.certs[at] ?? {}, { issuer })
  }),
]

const cas: readonly Twist[] = [
  bad('a CA without basicConstraints', (draft) => Object.assign(anyMiddle(draft), { basic: null })),
  bad('a CA that is none', (draft) => Object.assign(anyCa(draft), { basic: { ca: false, critical: true } })),
  good('a root of version 1', (draft) => Object.assign(rootOf(draft), { version: 1 })),
  bad('an intermediate of version 1', (draft) => Object.assign(anyMiddle(draft), { version: 1 })),
  good('basicConstraints not critical', (draft) =>
    Object.assign(anyCa(draft), { basic: { ca: true, critical: false } }),
  ),
  good('pathLen as it must be', (draft) => {
    for (const [index, cert] of draft.certs.slice(0, -1).entries()) {
      cert.basic = { ca: true, critical: true, pathLength: draft.certs.length - 2 - index }
    }
  }),
  bad('pathLen too short', (draft) => {
    const index = draft.random(draft.certs.length - 2)
    Object.assign(draft.certs[index] ?? {}, { basic: { ca: true, critical: true, pathLength: draft.certs.length - 3 - index } }) // prettier-ignore
  }),
  bad('keyCertSign missing', (draft) => Object.assign(anyCa(draft), { usage: USAGE.cRLSign })),
  good('keyUsage missing', (draft) => Object.assign(anyOf(draft), { usage: null })),
  bad('keyUsage without any', (draft) => Object.assign(anyOf(draft), { usage: 0 })),
  bad('keyCertSign in a leaf that is no CA', (draft) => Object.assign(leafOf(draft), { basic: { ca: false, critical: true }, usage: CA_USAGE }), 'What only a CA may carry'), // prettier-ignore
  bad('critical extension not understood', (draft) => anyOf(draft).more.push(strange(true))),
  bad(
    'a critical id-pkix-ocsp-nocheck',
    (draft) => leafOf(draft).more.push({ id: '1.3.6.1.5.5.7.48.1.5', critical: true, value: derNull }),
    'A critical id-pkix-ocsp-nocheck',
  ),
  good('extension not understood', (draft) => anyOf(draft).more.push(strange(false))),
  bad(
    'an extension twice',
    (draft) => below(draft).more.push(strange(false), strange(false)),
    'What only a CA may carry',
  ),
  bad('subject alternative name damaged', (draft) => below(draft).more.push({ id: '2.5.29.17', value: Buffer.from('x') })), // prettier-ignore
  bad('no extended key usage in the list', (draft) => leafOf(draft).more.push({ id: '2.5.29.37', value: sequence() }), 'What only a CA may carry'), // prettier-ignore
  good('two keys of one CA', (draft) => {
    const ca = middleOf(draft)
    draft.extra.push({ ...ca, key: testKey('p256', 37), serial: Buffer.from([0x33]), keyIds: false })
  }),
  good('an expired certificate of a CA beside the valid one', (draft) => {
    const ca = anyCa(draft)
    draft.extra.push({ ...ca, serial: Buffer.from([0x34]), notBefore: draft.at - 9 * HOUR, notAfter: draft.at - HOUR })
  }),
]

const constraints = (kind: 0 | 1, ...bases: readonly Uint8Array[]): Extension => ({
  id: '2.5.29.30',
  critical: true,
  value: sequence(element(0xa0 | kind, ...bases.map((base) => sequence(base)))),
})
const altNames = (...list: readonly Uint8Array[]): Extension => ({ id: '2.5.29.17', value: sequence(...list) })

const HOSTS = ['a.example.org', 'example.org', 'b.a.example.org', 'xexample.org', 'example.com', 'EXAMPLE.org'] as const

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)] as T // never empty
}

/** A name, or the base of a subtree, of a random kind. */
function someName({ random, n }: Draft, base: boolean): Buffer {
  const host = pick(random, HOSTS)
  const dot = base && random(3) === 0 ? '.' : ''
  switch (random(5)) {
    case 0:
      return GENERAL.dns(host)
    case 1:
      return GENERAL.email(base ? `${pick(random, ['', 'a@'])}${host}`.replace(/^e/, `${dot}e`) : `${pick(random, ['a', 'b', 'A'])}@${host}`) // prettier-ignore
    case 2:
      return GENERAL.uri(base ? `${dot}${host}` : `http://${host}${pick(random, ['', '/', ':80/x'])}`)
    case 3:
      return base ? GENERAL.ip(10, random(3), 0, 0, 255, 255, 0, 0) : GENERAL.ip(10, random(3), 1, 1)
    default:
      return GENERAL.directory(pick(random, [name(['C', 'XX']), name(['C', 'XX'], ['O', `case ${n}`]), name(['C', 'YY']), nameOf(n, 'the leaf')])) // prettier-ignore
  }
}

const nameConstraints: readonly Twist[] = [
  ...[0, 1, 2, 3, 4, 5].map((round): Twist => ({
    what: `name constraints by chance ${round}`,
    apply: (draft) => {
      const { random } = draft
      leafOf(draft).more.push(altNames(...Array.from({ length: 1 + random(3) }, () => someName(draft, false))))
      const bases = Array.from({ length: 1 + random(4) }, () => someName(draft, true))
      anyCa(draft).more.push(constraints(random(2) === 0 ? 0 : 1, ...bases))
    },
  })),
  bad('name constraints in a leaf that is no CA', (draft) => Object.assign(leafOf(draft), { basic: null, more: [constraints(0, GENERAL.dns('a.b'))] }), 'What only a CA may carry'), // prettier-ignore
  bad('e-mail address of the subject excluded', (draft) => {
    leafOf(draft).subject = name(['C', 'XX'], ['CN', 'x'], ['email', 'a@example.org'])
    anyCa(draft).more.push(constraints(1, GENERAL.email('example.org')))
  }),
  good('host name of the subject outside', (draft) => {
    leafOf(draft).subject = name(['C', 'XX'], ['CN', 'host.example.org'])
    anyMiddle(draft).more.push(constraints(0, GENERAL.dns('example.com')))
  }, 'Host names in the subject'),
  bad('a dNSName base with a dot before it', (draft) => {
    leafOf(draft).more.push(altNames(GENERAL.dns('a.example.org')))
    anyMiddle(draft).more.push(constraints(0, GENERAL.dns('.example.org')))
  }, 'A dot before a dNSName base'),
  bad('an empty list of subtrees', (draft) => anyMiddle(draft).more.push({ id: '2.5.29.30', critical: true, value: sequence() }), 'What only a CA may carry'), // prettier-ignore
] // prettier-ignore

const policy = (id: string): Buffer => sequence(oid(id))
const POLICIES = ['1.2.3.1', '1.2.3.2', '1.2.3.3', '2.5.29.32.0'] as const

function somePolicies(random: Random): string[] {
  return [...new Set(Array.from({ length: 1 + random(2) }, () => pick(random, POLICIES)))]
}

const mapAny = (draft: Draft): void => {
  anyMiddle(draft).more.push({ id: '2.5.29.33', value: sequence(sequence(oid('1.2.3.1'), oid('2.5.29.32.0'))) })
}

/** Two intermediates with a policy each; the upper one asks for one, the lower one maps it, the leaf has the mapped one. */
function mapped(draft: Draft, ...constraint: readonly Buffer[]): void {
  const { certs, crls, n } = draft
  const [root, first] = certs
  if (root === undefined || first === undefined) return
  const subject = nameOf(n, 'upper')
  const key = testKey('p256', 34)
  certs.splice(1, 0, { ...root, subject, key, issuer: root.subject, signer: root.key, serial: Buffer.from([0x37]), more: [] }) // prettier-ignore
  Object.assign(first, { issuer: subject, signer: key })
  crls.splice(1, 0, goodCrl(subject, key, draft.at))
  const explicit = element(0x80, Buffer.from([0]))
  const last = certs.length - 1
  for (const [index, { more }] of certs.entries()) {
    more.push({ id: '2.5.29.32', value: sequence(policy(index > 2 ? '1.2.3.2' : '1.2.3.1')) })
    if (index === 1) more.push({ id: '2.5.29.36', critical: true, value: sequence(explicit, ...constraint) })
    if (index === 2 && index < last) more.push({ id: '2.5.29.33', value: sequence(sequence(oid('1.2.3.1'), oid('1.2.3.2'))) }) // prettier-ignore
  }
}

const mappings: readonly Twist[] = [
  good('a policy that is mapped', (draft) => { mapped(draft) }),
  good('a mapping that is inhibited further down', (draft) => { mapped(draft, element(0x81, Buffer.from([1]))) }),
  bad('a mapping that is inhibited', (draft) => { mapped(draft, element(0x81, Buffer.from([0]))) }),
] // prettier-ignore

const policies: readonly Twist[] = [0, 1, 2, 3, 4, 5, 6, 7].map((round): Twist => ({
  what: `policies by chance ${round}`,
  apply: ({ certs, random }) => {
    for (const [index, { more }] of certs.entries()) {
      const asserts = random(8) > 0
      if (asserts) more.push({ id: '2.5.29.32', value: sequence(...somePolicies(random).map(policy)) })
      if (index === 0 || index === certs.length - 1) continue
      const explicit = random(3) === 0 ? [element(0x80, Buffer.from([random(3)]))] : []
      const mapping = random(4) === 0 ? [element(0x81, Buffer.from([random(3)]))] : []
      if (explicit.length + mapping.length > 0) more.push({ id: '2.5.29.36', critical: true, value: sequence(...explicit, ...mapping) }) // prettier-ignore
      if (random(4) === 0) more.push({ id: '2.5.29.54', critical: true, value: integer(random(3)) })
      if (asserts && random(3) === 0) {
        const pairs = Array.from({ length: 1 + random(2) }, () => sequence(oid(pick(random, POLICIES.slice(0, random(12) === 0 ? 4 : 3))), oid(pick(random, POLICIES.slice(0, 3))))) // prettier-ignore
        more.push({ id: '2.5.29.33', value: sequence(...pairs) })
      }
    }
    // A CA that certifies its own new key.
    if (random(3) === 0) insertSelfIssued({ certs, random })
  },
}))

/** Puts a self-issued certificate below an intermediate: same name, new key. */
function insertSelfIssued({ certs, random }: Pick<Draft, 'certs' | 'random'>): void {
  const index = 1 + random(certs.length - 2)
  const old = certs[index]
  const next = certs[index + 1]
  if (old === undefined || next === undefined) return
  const key = testKey('p256', 36)
  // OpenSSL tries one candidate only: tell it which.
  for (const each of [old, next]) each.keyIds = true
  certs.splice(index + 1, 0, { ...old, key, signer: old.key, issuer: old.subject, serial: Buffer.from([0x35]), more: old.more.slice(0, random(2) === 0 ? 0 : 1) }) // prettier-ignore
  next.signer = key
}

export const TWISTS: readonly Twist[] = [
  bad('a mapping of anyPolicy by a CA without policies', mapAny, 'Mappings of anyPolicy'),
  ...dates,
  ...signatures,
  ...names,
  ...cas,
  ...nameConstraints,
  ...mappings,
  ...policies,
  ...CRL_TWISTS,
]
