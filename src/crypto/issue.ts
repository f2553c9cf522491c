/**
 * Issues certificates and CRLs (RFC 5280) for throw-away CAs: `ssmctl pki init`, the demonstration, and tests, which also
 * need wrong ones. Nothing here checks what it is asked for: an expired certificate or a CA below pathLen 0 are made as
 * wished. Not for a CA that anybody trusts.
 */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { SsmError } from '../errors.js'
import type { Dn } from '../message.js'
import { type Certificate, EXTENSION, parseCertificate } from './certificate.js'
import { constructed, context, TAG } from './der.js'
import {
  bitString,
  boolean,
  derNull,
  element,
  flagBits,
  integer,
  octetString,
  oid,
  sequence,
  time,
} from './der-write.js'
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

export type IssueDigest = 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'md5'

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
  const issuerName = request.issuerName ?? issuer?.certificate.subjectDer ?? subject
  const signer = issuer?.key ?? request.key
  const algorithm = algorithmDer(signer, digest, pss)
  const tbs = sequence(
    ...(version === 3 ? [element(constructed(0), integer(2))] : []),
    integer(request.serial ?? randomSerial()),
    algorithm,
    nameDer(issuerName),
    sequence(time(request.notBefore ?? now - HOUR), time(request.notAfter ?? now + YEAR)),
    subject,
    spki,
    ...(version === 3 ? extensionsDer(requestedExtensions(request, spki), 3) : []),
  )
  return parseCertificate(sequence(tbs, algorithm, bitString(signWith(signer, tbs, digest, pss))))
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
  const algorithm = algorithmDer(issuer.key, digest, false)
  const entries = revoked.map(({ serial, at, reason }) =>
    sequence(
      element(TAG.integer, Buffer.from(serial, 'hex')),
      time(at ?? now - HOUR),
      ...(reason === undefined ? [] : [entryReason(reason)]),
    ),
  )
  const tbs = sequence(
    integer(1),
    algorithm,
    nameDer(request.issuerName ?? issuer.certificate.subjectDer),
    time(request.thisUpdate ?? now - HOUR),
    ...(nextUpdate === null ? [] : [time(nextUpdate ?? now + 30 * 24 * HOUR)]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    ...extensionsDer(
      [
        ...(request.keyIdentifiers === false ? [] : [authorityKeyId(keyIdOf(spkiOf(issuer.key)))]),
        extension(EXTENSION.crlNumber, false, integer(number)),
        ...(request.extensions ?? []).map((more) => extension(more.oid, more.critical ?? false, more.value)),
      ],
      0,
    ),
  )
  return sequence(tbs, algorithm, bitString(signWith(issuer.key, tbs, digest, false)))
}

function entryReason(reason: number): Buffer {
  return sequence(extension(EXTENSION.reasonCode, false, element(TAG.enumerated, Buffer.from([reason]))))
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

function authorityKeyId(keyId: Uint8Array): Buffer {
  return extension(EXTENSION.authorityKeyId, false, sequence(element(context(0), keyId)))
}

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value))
}

function extensionsDer(list: readonly Buffer[], tag: number): Buffer[] {
  return list.length === 0 ? [] : [element(constructed(tag), sequence(...list))]
}

function requestedExtensions(request: CertificateRequest, spki: Buffer): Buffer[] {
  const { issuer, ca, pathLength, keyUsage, extendedKeyUsage, san, comment } = request
  const list: Buffer[] = []
  if (request.keyIdentifiers !== false) {
    list.push(extension(EXTENSION.subjectKeyId, false, octetString(keyIdOf(spki))))
    const issuerSpki = issuer === undefined ? spki : spkiOf(issuer.key)
    list.push(authorityKeyId(keyIdOf(issuerSpki)))
  }
  if (ca !== undefined) {
    const fields = [...(ca ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])]
    list.push(extension(EXTENSION.basicConstraints, true, sequence(...fields)))
  }
  if (keyUsage !== undefined) {
    const bits = keyUsage.reduce((flags, name) => flags | KEY_USAGE[name], 0)
    list.push(extension(EXTENSION.keyUsage, true, flagBits(bits)))
  }
  if (extendedKeyUsage !== undefined) {
    const usages = extendedKeyUsage.map((name) => oid(EXTENDED_KEY_USAGE[name]))
    list.push(extension(EXTENSION.extendedKeyUsage, false, sequence(...usages)))
  }
  if (san !== undefined) list.push(extension(EXTENSION.subjectAltName, false, sequence(...san.map(generalName))))
  if (comment !== undefined) list.push(extension(NETSCAPE_COMMENT, false, element(TAG.ia5String, Buffer.from(comment))))
  for (const more of request.extensions ?? []) list.push(extension(more.oid, more.critical ?? false, more.value))
  return list
}

const NETSCAPE_COMMENT = '2.16.840.1.113730.1.13'

/** GeneralName (RFC 5280 section 4.2.1.6) from `DNS:…`, `email:…`, `URI:…`, `IP:a.b.c.d`. */
function generalName(text: string): Buffer {
  const colon = text.indexOf(':')
  const kind = text.slice(0, colon)
  const value = text.slice(colon + 1)
  if (kind === 'IP') return element(context(7), Buffer.from(value.split('.').map(Number)))
  const tags: ReadonlyMap<string, number> = new Map([
    ['email', 1],
    ['DNS', 2],
    ['URI', 6],
  ])
  const tag = tags.get(kind)
  if (tag === undefined) throw new SsmError('usage', `not a subject alternative name: ${text}`)
  return element(context(tag), Buffer.from(value, 'latin1'))
}

/** Signature algorithm OIDs: RSA PKCS#1 v1.5 and ECDSA by digest. */
const RSA_OIDS: Readonly<Record<IssueDigest, string>> = {
  md5: '1.2.840.113549.1.1.4',
  sha1: '1.2.840.113549.1.1.5',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
}
const ECDSA_OIDS: Readonly<Record<Exclude<IssueDigest, 'md5'>, string>> = {
  sha1: '1.2.840.10045.4.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
}
const SALT_LENGTH = { md5: 16, sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const
const DIGEST_OIDS: Readonly<Record<IssueDigest, string>> = {
  md5: '1.2.840.113549.2.5',
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}

function algorithmDer(key: KeyObject, digest: IssueDigest, pss: boolean): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sequence(oid('1.3.101.112'))
  if (key.asymmetricKeyType === 'ec') {
    if (digest === 'md5') throw new SsmError('usage', 'there is no ECDSA with MD5')
    return sequence(oid(ECDSA_OIDS[digest]))
  }
  return pss ? pssAlgorithm(digest) : sequence(oid(RSA_OIDS[digest]), derNull)
}

/** RSASSA-PSS-params (RFC 4055 section 3.1) with MGF1 of the same digest and a salt of its length. */
function pssAlgorithm(digest: IssueDigest): Buffer {
  const hash = sequence(oid(DIGEST_OIDS[digest]), derNull)
  const mask = sequence(oid('1.2.840.113549.1.1.8'), hash)
  const parameters = sequence(
    element(constructed(0), hash),
    element(constructed(1), mask),
    element(constructed(2), integer(SALT_LENGTH[digest])),
  )
  return sequence(oid('1.2.840.113549.1.1.10'), parameters)
}

function signWith(key: KeyObject, data: Uint8Array, digest: IssueDigest, pss: boolean): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sign(null, data, key)
  if (pss) return sign(digest, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: SALT_LENGTH[digest] })
  return sign(digest, data, key)
}

/** A private key as PKCS#8 PEM. The text is the secret: write it with mode 0600. */
export function keyToPem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** A private key from PEM text. */
export function keyFromPem(pem: string): KeyObject {
  return createPrivateKey(pem)
}
