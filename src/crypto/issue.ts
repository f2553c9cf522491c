/**
 * Issues certificates and CRLs (RFC 5280) for throw-away CAs: `ssmctl pki init`, the demonstration, and tests, which also
 * need wrong ones. Nothing here checks what it is asked for: an expired certificate or a CA below pathLen 0 are made as
 * wished. Not for a CA that anybody trusts.
 *
 * The structures are those of pkijs, every key operation is node's. Loading pkijs takes 60 ms: no program that carries
 * messages imports this file.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { SsmError } from '../errors.js'
import type { Dn } from '../message.js'
import { type Certificate, EXTENSION, parseCertificate } from './certificate.js'
import { algorithmOf, type IssueDigest, signWith } from './issue-algorithms.js'
import { bitString, sequence } from './der-write.js'
import { encodeName, parseSlash } from './name.js'

/** Keys by name, so that tests and options read well. */
const KEY_KINDS = {
  rsa1024: () => generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
  rsa2048: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  rsa3072: () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
  p256: () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey,
  p384: () => generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey,
  p521: () => generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).privateKey,
  ed25519: () => generateKeyPairSync('ed25519').privateKey,
} as const

export type KeyKind = keyof typeof KEY_KINDS

/** A new private key. RSA ones take up to a second. */
export function generateKey(kind: KeyKind): KeyObject {
  return KEY_KINDS[kind]()
}

/** The bits of keyUsage (RFC 5280 section 4.2.1.3). */
export const KEY_USAGE = {
  digitalSignature: 1 << 0,
  nonRepudiation: 1 << 1,
  keyEncipherment: 1 << 2,
  dataEncipherment: 1 << 3,
  keyAgreement: 1 << 4,
  keyCertSign: 1 << 5,
  cRLSign: 1 << 6,
} as const

export type KeyUsage = keyof typeof KEY_USAGE

/** Extended key usages by name. */
export const EXTENDED_KEY_USAGE = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
} as const

export type ExtendedKeyUsage = keyof typeof EXTENDED_KEY_USAGE

/** Who signs: a CA's certificate and its private key. */
export interface Issuer {
  readonly certificate: Certificate
  readonly key: KeyObject
}

export interface CertificateRequest {
  /** Slash form (`/C=XX/O=Test/CN=host`), a `Dn`, or a DER Name. */
  readonly subject: string | Dn | Uint8Array
  /** The holder's private or public key; self-signed certificates need the private one. */
  readonly key: KeyObject
  /** None: self-signed. */
  readonly issuer?: Issuer
  /** Overrides the issuer's name, to make broken chains. */
  readonly issuerName?: string | Dn | Uint8Array
  /** ms since the epoch. Default: an hour ago, and a year from now. */
  readonly notBefore?: number
  readonly notAfter?: number
  readonly serial?: bigint | number
  readonly version?: 1 | 3
  /** Absent: no basicConstraints at all. */
  readonly ca?: boolean
  readonly pathLength?: number
  readonly keyUsage?: readonly KeyUsage[]
  readonly extendedKeyUsage?: readonly ExtendedKeyUsage[]
  /** `DNS:host`, `email:a@b`, `URI:…`. */
  readonly san?: readonly string[]
  /** nsComment, shown by OpenSSL: throw-away certificates say so. */
  readonly comment?: string
  /** Subject and authority key identifiers are written unless false. */
  readonly keyIdentifiers?: boolean
  /** Any more extensions. */
  readonly extensions?: readonly { readonly oid: string; readonly critical?: boolean; readonly value: Uint8Array }[]
  readonly digest?: IssueDigest
  /** RSASSA-PSS instead of PKCS#1 v1.5. */
  readonly pss?: boolean
}

const HOUR = 3_600_000
const YEAR = 365 * 24 * HOUR

/** Issues one certificate. Throws SsmError `usage` when the subject cannot be read. */
export function issueCertificate(request: CertificateRequest): Certificate {
  const { issuer, digest = 'sha256', pss = false, version = 3 } = request
  const now = Math.floor(Date.now() / 1000) * 1000
  const spki = spkiOf(request.key)
  const subject = nameDer(request.subject)
  const signer = issuer?.key ?? request.key
  const algorithm = algorithmOf(signer, digest, pss)
  const extensions = requestedExtensions(request, spki)
  const certificate = new pkijs.Certificate({
    version: version - 1,
    serialNumber: asn1js.Integer.fromBigInt(BigInt(request.serial ?? randomSerial())),
    signature: algorithm,
    issuer: nameOf(request.issuerName ?? issuer?.certificate.subjectDer ?? subject),
    notBefore: timeOf(request.notBefore ?? now - HOUR),
    notAfter: timeOf(request.notAfter ?? now + YEAR),
    subject: nameOf(subject),
    subjectPublicKeyInfo: new pkijs.PublicKeyInfo({ schema: schemaOf(spki) }),
    signatureAlgorithm: algorithm,
    ...(version === 3 && extensions.length > 0 ? { extensions } : {}),
  })
  return parseCertificate(signed(certificate, (tbs) => signWith(signer, tbs, digest, pss)))
}

export interface CrlRequest {
  readonly issuer: Issuer
  /** Serial numbers as in `Certificate.serial` (hex), each with the time of revocation (default: an hour ago). */
  readonly revoked?: readonly { readonly serial: string; readonly at?: number; readonly reason?: number }[]
  /** ms since the epoch. Default: an hour ago, and 30 days from now; null: no nextUpdate. */
  readonly thisUpdate?: number
  readonly nextUpdate?: number | null
  readonly number?: number
  readonly issuerName?: string | Dn | Uint8Array
  readonly keyIdentifiers?: boolean
  readonly extensions?: readonly { readonly oid: string; readonly critical?: boolean; readonly value: Uint8Array }[]
  readonly digest?: IssueDigest
}

/** Issues one CRL (DER). */
export function issueCrl(request: CrlRequest): Buffer {
  const { issuer, digest = 'sha256', revoked = [], nextUpdate, number = 1 } = request
  const now = Math.floor(Date.now() / 1000) * 1000
  const algorithm = algorithmOf(issuer.key, digest, false)
  const crl = new pkijs.CertificateRevocationList({
    version: 1,
    signature: algorithm,
    issuer: nameOf(request.issuerName ?? issuer.certificate.subjectDer),
    thisUpdate: timeOf(request.thisUpdate ?? now - HOUR),
    signatureAlgorithm: algorithm,
    crlExtensions: new pkijs.Extensions({
      extensions: [
        ...(request.keyIdentifiers === false ? [] : [authorityKeyId(keyIdOf(spkiOf(issuer.key)))]),
        extension(EXTENSION.crlNumber, false, new asn1js.Integer({ value: number })),
        ...moreExtensions(request.extensions),
      ],
    }),
  })
  if (nextUpdate !== null) crl.nextUpdate = timeOf(nextUpdate ?? now + 30 * 24 * HOUR)
  if (revoked.length > 0) crl.revokedCertificates = revoked.map((entry) => revokedEntry(entry, now - HOUR))
  return signed(crl, (tbs) => signWith(issuer.key, tbs, digest, false))
}

/** The DER of a certificate or CRL with its signature. Encoded once: a CRL may have 50 000 entries. */
function signed(
  structure: pkijs.Certificate | pkijs.CertificateRevocationList,
  sign: (tbs: Uint8Array) => Buffer,
): Buffer {
  const schema: unknown = structure.toSchema(true)
  const [tbs, algorithm] = schema instanceof asn1js.Sequence ? schema.valueBlock.value : []
  if (tbs === undefined || algorithm === undefined) throw new SsmError('internal', 'internal error: an empty structure')
  const bytes = Buffer.from(tbs.toBER())
  return sequence(bytes, Buffer.from(algorithm.toBER()), bitString(sign(bytes)))
}

function revokedEntry(
  { serial, at, reason }: NonNullable<CrlRequest['revoked']>[number],
  when: number,
): pkijs.RevokedCertificate {
  const entry = new pkijs.RevokedCertificate({
    userCertificate: new asn1js.Integer({ valueHex: copyOf(Buffer.from(serial, 'hex')) }),
    revocationDate: timeOf(at ?? when),
  })
  if (reason === undefined) return entry
  const why = extension(EXTENSION.reasonCode, false, new asn1js.Enumerated({ value: reason }))
  entry.crlEntryExtensions = new pkijs.Extensions({ extensions: [why] })
  return entry
}

function nameDer(name: string | Dn | Uint8Array): Uint8Array {
  if (name instanceof Uint8Array) return name
  if (typeof name !== 'string') return encodeName(name)
  const dn = parseSlash(name)
  if (dn === undefined) throw new SsmError('usage', `not a DN in slash form: ${name}`)
  return encodeName(dn)
}

/** Positive, 64 bits. */
function randomSerial(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n
}

function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return publicKey.export({ format: 'der', type: 'spki' })
}

/** Method 1 of RFC 5280 section 4.2.1.2 over the whole SubjectPublicKeyInfo: any unique value will do. */
function keyIdOf(spki: Uint8Array): Buffer {
  return createHash('sha1').update(spki).digest()
}

/** The bytes alone: a Buffer is a view of a larger piece of memory, which asn1js would take whole. */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}

/** Our own DER as asn1js sees it. */
function schemaOf(der: Uint8Array): asn1js.AsnType {
  const { result, offset } = asn1js.fromBER(copyOf(der), { parseEmbedded: false })
  if (offset === -1) throw new SsmError('usage', `not DER: ${result.error}`)
  return result
}

function nameOf(name: string | Dn | Uint8Array): pkijs.RelativeDistinguishedNames {
  return new pkijs.RelativeDistinguishedNames({ schema: schemaOf(nameDer(name)) })
}

/** UTCTime through 2049, GeneralizedTime otherwise (RFC 5280 section 4.1.2.5). `at` in ms since the epoch. */
function timeOf(at: number): pkijs.Time {
  // Whole seconds: asn1js writes what is left of one, which DER of RFC 5280 has not.
  const value = new Date(Math.floor(at / 1000) * 1000)
  const year = value.getUTCFullYear()
  return new pkijs.Time({
    type: year < 1950 || year > 2049 ? pkijs.TimeType.GeneralizedTime : pkijs.TimeType.UTCTime,
    value,
  })
}

function extension(id: string, critical: boolean, value: asn1js.BaseBlock | Uint8Array): pkijs.Extension {
  const der = value instanceof Uint8Array ? copyOf(value) : value.toBER()
  return new pkijs.Extension({ extnID: id, critical, extnValue: der })
}

function moreExtensions(list: CertificateRequest['extensions']): pkijs.Extension[] {
  return (list ?? []).map(({ oid, critical, value }) => extension(oid, critical ?? false, value))
}

function authorityKeyId(keyId: Uint8Array): pkijs.Extension {
  const keyIdentifier = new asn1js.OctetString({ valueHex: copyOf(keyId) })
  return extension(EXTENSION.authorityKeyId, false, new pkijs.AuthorityKeyIdentifier({ keyIdentifier }).toSchema())
}

function requestedExtensions(request: CertificateRequest, spki: Buffer): pkijs.Extension[] {
  const { issuer, ca, pathLength, keyUsage, extendedKeyUsage, san, comment } = request
  const list: pkijs.Extension[] = []
  const add = (id: string, critical: boolean, value: asn1js.BaseBlock): void => {
    list.push(extension(id, critical, value))
  }
  if (request.keyIdentifiers !== false) {
    add(EXTENSION.subjectKeyId, false, new asn1js.OctetString({ valueHex: copyOf(keyIdOf(spki)) }))
    list.push(authorityKeyId(keyIdOf(issuer === undefined ? spki : spkiOf(issuer.key))))
  }
  if (ca !== undefined) {
    const limit = pathLength === undefined ? {} : { pathLenConstraint: pathLength }
    add(EXTENSION.basicConstraints, true, new pkijs.BasicConstraints({ cA: ca, ...limit }).toSchema())
  }
  if (keyUsage !== undefined) add(EXTENSION.keyUsage, true, flagsOf(keyUsage))
  if (extendedKeyUsage !== undefined) {
    const keyPurposes = extendedKeyUsage.map((name) => EXTENDED_KEY_USAGE[name])
    add(EXTENSION.extendedKeyUsage, false, new pkijs.ExtKeyUsage({ keyPurposes }).toSchema())
  }
  if (san !== undefined) {
    add(EXTENSION.subjectAltName, false, new pkijs.GeneralNames({ names: san.map(generalName) }).toSchema())
  }
  if (comment !== undefined) add(NETSCAPE_COMMENT, false, new asn1js.IA5String({ value: comment }))
  return [...list, ...moreExtensions(request.extensions)]
}

const NETSCAPE_COMMENT = '2.16.840.1.113730.1.13'

/** BIT STRING of named flags without trailing zero bits (X.690 section 11.2.2). All of ours fit an octet. */
function flagsOf(names: readonly KeyUsage[]): asn1js.BitString {
  const bits = names.reduce((flags, name) => flags | KEY_USAGE[name], 0)
  if (bits === 0) return new asn1js.BitString({ valueHex: new ArrayBuffer(0), unusedBits: 0 })
  let octet = 0
  for (let bit = 0; bit < 8; bit++) if ((bits & (1 << bit)) !== 0) octet |= 0x80 >> bit
  return new asn1js.BitString({ valueHex: Uint8Array.of(octet).buffer, unusedBits: 7 - (31 - Math.clz32(bits)) })
}

/** The choices of GeneralName (RFC 5280 section 4.2.1.6) by how they are asked for. */
const GENERAL_NAMES: ReadonlyMap<string, 1 | 2 | 6> = new Map([
  ['email', 1],
  ['DNS', 2],
  ['URI', 6],
])

/** GeneralName from `DNS:…`, `email:…`, `URI:…`, `IP:a.b.c.d`. */
function generalName(text: string): pkijs.GeneralName {
  const colon = text.indexOf(':')
  const kind = text.slice(0, colon)
  const value = text.slice(colon + 1)
  if (kind === 'IP') {
    const octets = Uint8Array.from(value.split('.').map(Number))
    return new pkijs.GeneralName({ type: 7, value: new asn1js.OctetString({ valueHex: octets.buffer }) })
  }
  const type = GENERAL_NAMES.get(kind)
  if (type === undefined) throw new SsmError('usage', `not a subject alternative name: ${text}`)
  return new pkijs.GeneralName({ type, value })
}

/** A private key as PKCS#8 PEM. The text is the secret: write it with mode 0600. */
export function keyToPem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** A private key from PEM text. */
export function keyFromPem(pem: string): KeyObject {
  return createPrivateKey(pem)
}
