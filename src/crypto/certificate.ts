/**
 * X.509 certificates as plain snapshots (RFC 5280 section 4). Parsed once, judged elsewhere.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { SsmError } from '../errors.js'
import type { Dn } from '../message.js'
import {
  assertInteger,
  bitStringOctets,
  booleanValue,
  constructed,
  context,
  type Der,
  DerReader,
  enterDer,
  malformed,
  smallInteger,
  TAG,
  timeValue,
} from './der.js'
import { parseName } from './name.js'
import { decodeOid } from './oid.js'

/** Largest certificate we read, in octets of DER. Real ones have 1 to 4 KiB. */
export const MAX_CERTIFICATE = 65_536
/** Most extensions. Real certificates have about 10. */
const MAX_EXTENSIONS = 64
/** Longest serial number, octets. RFC 5280 section 4.1.2.2 allows 20; CAs have exceeded it. */
const MAX_SERIAL = 64

/** An extension as it stands in the certificate. */
export interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** The DER inside the OCTET STRING. */
  readonly value: Uint8Array
}

/** A parsed certificate. Nothing here has been verified. */
export interface Certificate {
  readonly der: Uint8Array
  /** SHA-256 of `der`, hex. */
  readonly fingerprint: string
  readonly version: 1 | 2 | 3
  /** Serial number, lower-case hex of the DER INTEGER's content. */
  readonly serial: string
  readonly subject: Dn
  readonly issuer: Dn
  /** The DER of the names, byte for byte, for CMS issuerAndSerialNumber and OpenSSL hashes. */
  readonly subjectDer: Uint8Array
  readonly issuerDer: Uint8Array
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  /** DER of SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** The public key, made on first use. Throws SsmError `malformed` when node cannot read it. */
  readonly publicKey: KeyObject
  /** To be signed bytes, DER of the AlgorithmIdentifier, signature bits. */
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: Uint8Array
  readonly signature: Uint8Array
  readonly extensions: readonly Extension[]
  /** Subject and authority key identifiers, hex, when present. */
  readonly subjectKeyId?: string
  readonly authorityKeyId?: string
}

const WHAT = 'the certificate'

/** Reads one certificate. Throws SsmError `malformed` for anything that is not strict DER of RFC 5280's shape. */
export function parseCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > MAX_CERTIFICATE) throw malformed(WHAT, `is larger than ${MAX_CERTIFICATE} bytes`)
  // A copy: certificates are cached, and a view would keep the whole message it came in alive.
  const der = Buffer.from(bytes)
  const { tbs, algorithm, signature } = readSigned(der, WHAT)
  const fields = parseTbs(tbs, algorithm)
  return withPublicKey({
    der,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    ...fields,
    ...keyIdentifiers(fields.extensions),
    tbs: tbs.bytes,
    signatureAlgorithm: algorithm.bytes,
    signature,
  })
}

type Fields = Omit<Certificate, 'publicKey'>

function withPublicKey(fields: Fields): Certificate {
  let key: KeyObject | undefined
  return {
    ...fields,
    get publicKey() {
      key ??= readPublicKey(fields.spki)
      return key
    },
  }
}

const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
/** Kinds of keys that are handed to node: RSA, RSA-PSS, EC, Ed25519. */
const KEY_KINDS: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.1',
  '1.2.840.113549.1.1.10',
  EC_PUBLIC_KEY,
  '1.3.101.112',
])

/** Names of kinds that are not. */
const OTHER_KINDS: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10040.4.1', 'DSA'],
  ['1.3.101.113', 'Ed448'],
])

/**
 * Throws for keys that node must not see. It ends the process (20.20; found by chance) when it is asked for details of the EC
 * point at infinity, which is one zero octet, and of DSA keys that are damaged in a way of their own. So: only kinds that are
 * accepted anyway, and EC keys with a named curve and a point of it (RFC 5480 sections 2.1.1 and 2.2).
 */
function assertSafeKey(spki: Uint8Array): void {
  const key = new DerReader(spki, WHAT).enter(TAG.sequence)
  const algorithm = key.enter(TAG.sequence)
  const kind = decodeOid(algorithm.next(TAG.oid).value, WHAT)
  if (!KEY_KINDS.has(kind))
    throw malformed(WHAT, `has a key of the kind ${OTHER_KINDS.get(kind) ?? kind}, which is not accepted`)
  if (kind !== EC_PUBLIC_KEY) return
  if (algorithm.peek() !== TAG.oid) throw malformed(WHAT, 'has an EC key whose curve is not a named one')
  const point = bitStringOctets(key.next(TAG.bitString).value, WHAT)
  if (point.length < 2 || ![2, 3, 4].includes(point[0] ?? 0))
    throw malformed(WHAT, 'has an EC key that is not a point of its curve')
}

function readPublicKey(spki: Uint8Array): KeyObject {
  assertSafeKey(spki)
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new SsmError('malformed', 'the certificate has a public key that cannot be read', { cause })
  }
}

function parseTbs(
  tbs: Der,
  algorithm: Der,
): Omit<Fields, 'der' | 'fingerprint' | 'tbs' | 'signatureAlgorithm' | 'signature'> {
  const reader = new DerReader(tbs.value, WHAT, 2)
  const version = parseVersion(reader)
  const serial = reader.next(TAG.integer).value
  assertInteger(serial, WHAT)
  if (serial.length > MAX_SERIAL) throw malformed(WHAT, `has a serial number of more than ${MAX_SERIAL} octets`)
  // RFC 5280 section 4.1.1.2: the signed field and the one outside must be the same.
  if (!reader.next(TAG.sequence).bytes.equals(algorithm.bytes)) {
    throw malformed(WHAT, 'names two different signature algorithms')
  }
  const issuer = reader.next(TAG.sequence).bytes
  const validity = reader.enter(TAG.sequence)
  const notBefore = timeValue(validity.any(), WHAT)
  const notAfter = timeValue(validity.any(), WHAT)
  validity.finish()
  const subject = reader.next(TAG.sequence).bytes
  const spki = reader.next(TAG.sequence).bytes
  if (version > 1) for (const id of [1, 2]) reader.optional(context(id))
  const extensions = version === 3 ? parseExtensions(reader.enterOptional(constructed(3)), WHAT) : []
  reader.finish()
  return {
    version,
    serial: serial.toString('hex'),
    issuer: parseName(issuer, WHAT),
    issuerDer: issuer,
    subject: parseName(subject, WHAT),
    subjectDer: subject,
    notBefore,
    notAfter,
    spki,
    extensions,
  }
}

function parseVersion(reader: DerReader): 1 | 2 | 3 {
  const explicit = reader.enterOptional(constructed(0))
  if (explicit === undefined) return 1
  const version = smallInteger(explicit.next(TAG.integer).value, WHAT) + 1
  explicit.finish()
  if (version !== 1 && version !== 2 && version !== 3) throw malformed(WHAT, `is of the unknown version ${version}`)
  return version
}

/** Extensions behind their context tag; also those of CRLs. An OID twice is malformed (RFC 5280 section 4.2). */
export function parseExtensions(tagged: DerReader | undefined, what: string): Extension[] {
  if (tagged === undefined) return []
  const list = tagged.enter(TAG.sequence)
  tagged.finish()
  const extensions: Extension[] = []
  const oids = new Set<string>()
  while (!list.done) {
    const reader = list.enter(TAG.sequence)
    const oid = decodeOid(reader.next(TAG.oid).value, what)
    // `critical FALSE` is not DER when written out, but CAs in the field do so.
    const flag = reader.optional(TAG.boolean)
    const critical = flag !== undefined && booleanValue(flag.value, what)
    const { value } = reader.next(TAG.octetString)
    reader.finish()
    if (oids.has(oid)) throw malformed(what, `has the extension ${oid} twice`)
    if (oids.size >= MAX_EXTENSIONS) throw malformed(what, `has more than ${MAX_EXTENSIONS} extensions`)
    oids.add(oid)
    extensions.push({ oid, critical, value })
  }
  return extensions
}

/** The extension with this OID. */
export function findExtension(extensions: readonly Extension[], oid: string): Extension | undefined {
  return extensions.find((extension) => extension.oid === oid)
}

/** A reader on the contents of an extension that is a SEQUENCE; undefined when it is absent. Throws SsmError `malformed`. */
export function enterExtension(extensions: readonly Extension[], oid: string, what: string): DerReader | undefined {
  const extension = findExtension(extensions, oid)
  return extension === undefined ? undefined : enterDer(extension.value, TAG.sequence, what)
}

/** A structure and its signature: certificates (RFC 5280 section 4.1) and CRLs (section 5.1) look alike. */
export function readSigned(
  der: Buffer,
  what: string,
): { readonly tbs: Der; readonly algorithm: Der; readonly signature: Buffer } {
  const reader = enterDer(der, TAG.sequence, what)
  const tbs = reader.next(TAG.sequence)
  const algorithm = reader.next(TAG.sequence)
  const signature = bitStringOctets(reader.next(TAG.bitString).value, what)
  reader.finish()
  return { tbs, algorithm, signature }
}

/** Extension OIDs that the rooms look at. */
export const EXTENSION = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyId: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCrl: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
} as const

/** Key identifiers of a certificate or CRL, hex. */
export function keyIdentifiers(extensions: readonly Extension[]): { subjectKeyId?: string; authorityKeyId?: string } {
  const result: { subjectKeyId?: string; authorityKeyId?: string } = {}
  const own = findExtension(extensions, EXTENSION.subjectKeyId)
  if (own !== undefined) {
    const reader = new DerReader(own.value, WHAT)
    result.subjectKeyId = reader.next(TAG.octetString).value.toString('hex')
    reader.finish()
  }
  const authority = findExtension(extensions, EXTENSION.authorityKeyId)
  if (authority !== undefined) {
    const reader = new DerReader(authority.value, WHAT)
    const keyId = reader.enter(TAG.sequence).optional(context(0))
    reader.finish()
    if (keyId !== undefined) result.authorityKeyId = keyId.value.toString('hex')
  }
  return result
}
