/**
 * Chains that are good or broken in one respect each, for judging by us and by OpenSSL.
 */
import { element, integer, oid, sequence, setOf } from '../../src/crypto/der-write.js'
import { type Certificate, parseCertificate } from '../../src/crypto/certificate.js'
import { context, constructed } from '../../src/crypto/der.js'
import {
  type CertificateRequest,
  type CrlRequest,
  issueCertificate,
  issueCrl,
  type Issuer,
} from '../../src/crypto/issue.js'
import { encodeName, parseSlash } from '../../src/crypto/name.js'
import { testKey } from '../kit/ca.js'

export const HOUR = 3_600_000
export const now = Math.floor(Date.now() / 1000) * 1000

export interface Chain {
  readonly what: string
  /** In the CA directory; DER of their CRLs beside. */
  readonly directory: readonly Certificate[]
  readonly crls: readonly Buffer[]
  readonly untrusted: readonly Certificate[]
  readonly leaf: Certificate
  /** What we must say, without and with CRLs. */
  readonly plain: string
  readonly withCrls: string
  /** OpenSSL says otherwise, and why we are right. */
  readonly disagrees?: string
  /** What it says depends on its patch level. */
  readonly varies?: true
}

interface Parts {
  readonly root?: Partial<CertificateRequest>
  readonly middle?: Partial<CertificateRequest>
  readonly leaf?: Partial<CertificateRequest>
  readonly rootCrl?: Partial<CrlRequest> | null
  readonly middleCrl?: Partial<CrlRequest> | null
  /** Where the middle CA is. */
  readonly middleSent?: boolean
  /** The middle CA has no basicConstraints. */
  readonly middleIsBare?: boolean
  readonly alter?: (leaf: Certificate) => Certificate
}

const CA = { ca: true, keyUsage: ['keyCertSign', 'cRLSign'] } as const

/** Root, intermediate and leaf; EC keys, because they are quick. */
export function makeChain(what: string, parts: Parts, plain: string, withCrls = plain, disagrees?: string): Chain {
  const rootKey = testKey('p256', 1)
  const root = issueCertificate({ subject: '/C=XX/O=Chains/CN=Root', key: rootKey, ...CA, ...parts.root })
  const top: Issuer = { certificate: root, key: parts.root?.key ?? rootKey }
  const middleKey = testKey('p256', 2)
  const middle = issueCertificate({
    subject: '/C=XX/O=Chains/CN=Middle',
    key: middleKey,
    issuer: top,
    ...(parts.middleIsBare === true ? { keyUsage: CA.keyUsage } : CA),
    ...parts.middle,
  })
  const issuer: Issuer = { certificate: middle, key: parts.middle?.key ?? middleKey }
  const issued = issueCertificate({
    subject: '/C=XX/O=Chains/CN=leaf.example.org',
    key: testKey('p256', 3),
    issuer,
    serial: 0x1234,
    ca: false,
    keyUsage: ['digitalSignature'],
    ...parts.leaf,
  })
  const leaf = parts.alter?.(issued) ?? issued
  return {
    what,
    directory: parts.middleSent === true ? [root] : [root, middle],
    crls: [
      ...(parts.rootCrl === null ? [] : [issueCrl({ issuer: top, ...parts.rootCrl })]),
      ...(parts.middleCrl === null ? [] : [issueCrl({ issuer, ...parts.middleCrl })]),
    ],
    untrusted: parts.middleSent === true ? [middle] : [],
    leaf,
    plain,
    withCrls,
    ...(disagrees === undefined ? {} : { disagrees }),
  }
}

const unknownCritical = { oid: '1.2.3.4', critical: true, value: Buffer.from([5, 0]) }
/** basicConstraints with a pathLenConstraint of 2^63 - 1. */
const endless = {
  oid: '2.5.29.19',
  critical: true,
  value: sequence(element(1, Buffer.from([0xff])), element(2, Buffer.from('7fffffffffffffff', 'hex'))),
}
const ago = (hours: number): number => now - hours * HOUR
const old = { notBefore: ago(48), notAfter: ago(24) }
const early = { notBefore: ago(-24), notAfter: ago(-48) }
const oldCrl = { thisUpdate: ago(48), nextUpdate: ago(24) }
const listed = { revoked: [{ serial: '1234' }] }
const utf8Name = sequence(...['2.5.4.6', '2.5.4.3'].map((id, at) => setOf(sequence(oid(id), element(at === 0 ? 0x13 : 0x0c, Buffer.from(['XX', '  MIDDLE  Ca '][at] ?? '')))))) // prettier-ignore
const printableName = sequence(...['2.5.4.6', '2.5.4.3'].map((id, at) => setOf(sequence(oid(id), element(0x13, Buffer.from(['xx', 'middle CA'][at] ?? '')))))) // prettier-ignore

function flipSignature(leaf: Certificate): Certificate {
  const der = Buffer.from(leaf.der)
  der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1
  return parseCertificate(der)
}

/** nameConstraints with directory, DNS and e-mail subtrees. */
function constraints(kind: 'permitted' | 'excluded', ...bases: readonly Uint8Array[]) {
  const list = element(constructed(kind === 'permitted' ? 0 : 1), ...bases.map((base) => sequence(base)))
  return { extensions: [{ oid: '2.5.29.30', critical: true, value: sequence(list) }] }
}
const below = (slash: string): Buffer =>
  element(constructed(4), encodeName(parseSlash(slash) ?? { rdns: [], slash: '', key: '' }))
const dns = (host: string): Buffer => element(context(2), Buffer.from(host))
const net = (addressAndMask: string): Buffer => element(context(7), Buffer.from(addressAndMask, 'hex'))
const mail = (host: string): Buffer => element(context(1), Buffer.from(host))
const scope = (...fields: readonly Buffer[]) => [{ oid: '2.5.29.28', critical: true, value: sequence(...fields) }]
const yes = (number: number): Buffer => element(context(number), Buffer.from([0xff]))

/** All of them. */
export function allChains(): Chain[] {
  const dates = [
    makeChain('good', {}, 'ok'),
    makeChain('good, the intermediate in the message', { middleSent: true }, 'ok'),
    makeChain('leaf expired', { leaf: old }, 'expired'),
    makeChain('leaf not yet valid', { leaf: early }, 'not-yet-valid'),
    makeChain('intermediate expired', { middle: old }, 'expired'),
    makeChain('root expired', { root: old }, 'expired'),
    makeChain(
      'dates before 2000 and after 2050',
      { root: { notBefore: Date.UTC(1970, 0, 1), notAfter: Date.UTC(2060, 0, 1) } },
      'ok',
    ),
  ]
  const cas = [
    makeChain('intermediate is no CA', { middle: { ca: false } }, 'constraints'),
    makeChain('intermediate lacks keyCertSign', { middle: { keyUsage: ['cRLSign'] } }, 'constraints'),
    makeChain('root is no CA', { root: { ca: false } }, 'constraints'),
    makeChain('root allows no intermediate', { root: { pathLength: 0 } }, 'constraints'),
    makeChain('root allows one', { root: { pathLength: 1 }, middle: { pathLength: 0 } }, 'ok'),
    makeChain(
      'intermediate allows more than any number of CAs',
      { middleIsBare: true, middle: { extensions: [endless] } },
      'ok',
    ),
    makeChain('leaf for no use at all', { leaf: { keyUsage: [] } }, 'malformed'),
    makeChain('root of version 1', { root: { version: 1 } }, 'ok'),
    makeChain(
      'leaf is a CA below pathLen 0',
      { middle: { pathLength: 0 }, leaf: { ca: true, keyUsage: ['keyCertSign'] } },
      'ok',
      'ok',
    ),
    makeChain(
      'unknown critical extension in the leaf',
      { leaf: { extensions: [unknownCritical] } },
      'critical-extension',
    ),
    makeChain(
      'unknown critical extension in the intermediate',
      { middle: { extensions: [unknownCritical] } },
      'critical-extension',
    ),
    makeChain(
      'unknown extension that is not critical',
      { leaf: { extensions: [{ ...unknownCritical, critical: false }] } },
      'ok',
    ),
  ]
  const signatures = [
    makeChain('signature of the leaf altered', { alter: flipSignature }, 'untrusted'),
    makeChain('SHA-1 in the leaf', { leaf: { digest: 'sha1' } }, 'algorithm', 'algorithm', 'SHA-1 only by allow_sha1'),
    makeChain('SHA-1 in the root', { root: { digest: 'sha1' } }, 'ok'),
    makeChain('RSA, PSS and SHA-512', { root: { key: testKey('rsa2048', 9) }, middle: { key: testKey('rsa2048', 8), pss: true }, leaf: { digest: 'sha512' } }, 'ok'),
    makeChain('RSA of 1024 bits in the leaf', { leaf: { key: testKey('rsa1024') } }, 'algorithm', 'algorithm', 'RSA from 2048 bits only'),
    makeChain('Ed25519', { middle: { key: testKey('ed25519') } }, 'ok'),
    makeChain('P-521 with SHA-384', { middle: { key: testKey('p521') }, leaf: { digest: 'sha384' } }, 'ok'),
    makeChain('issuer name of somebody else', { leaf: { issuerName: '/C=XX/CN=Nobody' } }, 'untrusted'),
    makeChain('names in another case, spacing and string type', { middle: { subject: utf8Name }, leaf: { issuerName: printableName }, middleCrl: { issuerName: printableName } }, 'ok'),
    makeChain('no key identifiers', { root: { keyIdentifiers: false }, middle: { keyIdentifiers: false }, leaf: { keyIdentifiers: false } }, 'ok'),
    makeChain('intermediate without basicConstraints', { middleIsBare: true }, 'constraints'),
  ] // prettier-ignore
  return [...dates, ...cas, ...signatures, ...nameChains(), ...crlChains()]
}

function nameChains(): Chain[] {
  const inside = { san: ['DNS:host.example.org', 'email:a@example.org'] }
  const make = (what: string, middle: Partial<CertificateRequest>, leaf: Partial<CertificateRequest>, plain: string) =>
    makeChain(`name constraints: ${what}`, { middle, leaf }, plain)
  return [
    make('permitted directory', constraints('permitted', below('/C=XX/O=Chains')), {}, 'ok'),
    make('permitted directory, other case', constraints('permitted', below('/C=xx/O=CHAINS')), {}, 'ok'),
    make('other directory', constraints('permitted', below('/C=XX/O=Others')), {}, 'constraints'),
    make('excluded directory', constraints('excluded', below('/C=XX/O=Chains')), {}, 'constraints'),
    make('permitted host', constraints('permitted', dns('example.org')), inside, 'ok'),
    make('other host', constraints('permitted', dns('example.com')), inside, 'constraints'),
    make('host that only ends alike', constraints('permitted', dns('ample.org')), inside, 'constraints'),
    make('excluded host', constraints('excluded', dns('host.example.org')), inside, 'constraints'),
    make('permitted mail host', constraints('permitted', mail('example.org')), inside, 'ok'),
    make('permitted address', constraints('permitted', net('0a000000ff000000')), { san: ['IP:10.1.2.3'] }, 'ok'),
    make('other address', constraints('permitted', net('0a000000ff000000')), { san: ['IP:11.1.2.3'] }, 'constraints'),
    make('other mail host', constraints('permitted', mail('.example.org')), inside, 'constraints'),
  ]
}

function crlChains(): Chain[] {
  const make = (what: string, parts: Parts, withCrls: string, disagrees?: string) =>
    makeChain(`CRL: ${what}`, parts, 'ok', withCrls, disagrees)
  const foreign: Issuer = {
    certificate: issueCertificate({ subject: '/CN=Foreign', key: testKey('p256', 5), ...CA }),
    key: testKey('p256', 5),
  }
  return [
    make('leaf revoked', { middleCrl: listed }, 'revoked'),
    make('leaf on hold', { middleCrl: { revoked: [{ serial: '1234', reason: 6 }] } }, 'revoked'),
    make('another revoked', { middleCrl: { revoked: [{ serial: '1235' }] } }, 'ok'),
    make('intermediate revoked', { middle: { serial: 0x77 }, rootCrl: { revoked: [{ serial: '77' }] } }, 'revoked'),
    make('root lists itself', { root: { serial: 0x55 }, rootCrl: { revoked: [{ serial: '55' }] } }, 'revoked'),
    make('none of the intermediate', { middleCrl: null }, 'crl-missing'),
    make('none of the root', { rootCrl: null }, 'crl-missing'),
    make('outdated', { middleCrl: oldCrl }, 'crl-outdated'),
    make('outdated and listed', { middleCrl: { ...oldCrl, ...listed } }, 'revoked'),
    make('dated in the future', { middleCrl: { thisUpdate: ago(-2), nextUpdate: ago(-4) } }, 'crl-invalid'),
    make('signed by another key', { middleCrl: { issuer: foreign, issuerName: '/C=XX/O=Chains/CN=Middle' } }, 'crl-invalid'),
    make('issuer may not sign CRLs', { middle: { keyUsage: ['keyCertSign'] } }, 'crl-invalid'),
    make('unknown critical extension', { middleCrl: { extensions: [unknownCritical] } }, 'critical-extension'),
    // OpenSSL 3.0.19 takes a lone delta CRL for a complete one, later patches do not; RFC 5280 section 5.2.4 asks for its base.
    { ...make('delta only', { middleCrl: { extensions: [{ oid: '2.5.29.27', critical: true, value: integer(1) }] } }, 'crl-invalid'), varies: true },
    make('for users only', { middleCrl: { extensions: scope(yes(1)) } }, 'ok'),
    make('for CAs only', { middleCrl: { extensions: scope(yes(2)) } }, 'crl-invalid'),
    make('for attribute certificates only', { middleCrl: { extensions: scope(yes(5)) } }, 'crl-invalid'),
    make('for some reasons only', { middleCrl: { extensions: scope(element(context(3), Buffer.from([1, 0x40]))) } }, 'crl-missing'),
    make('without nextUpdate', { middleCrl: { nextUpdate: null } }, 'crl-invalid', 'RFC 5280 section 5.1.2.5: nextUpdate is required; such a list would be good for ever'),
  ] // prettier-ignore
}
