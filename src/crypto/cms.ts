/**
 * What all CMS structures share (RFC 5652): object identifiers, ContentInfo, algorithm identifiers, the two ways to
 * point at a certificate. Read strictly; BER is brought into definite form first.
 */
import { isSsmError } from '../errors.js'
import { definiteForm } from './ber.js'
import type { Certificate } from './certificate.js'
import { assertInteger, constructed, context, DerReader, TAG, type Der, enterDer } from './der.js'
import { element, oid, sequence } from './der-write.js'
import { decodeOid } from './oid.js'

/** Object identifiers of RFC 5652 and RFC 8551. */
export const CMS = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  envelopedData: '1.2.840.113549.1.7.3',
  authEnvelopedData: '1.2.840.113549.1.9.16.1.23',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  smimeCapabilities: '1.2.840.113549.1.9.15',
} as const

/** A ContentInfo: the type of the structure, and the structure. */
export interface ContentInfo {
  readonly type: string
  readonly content: Der
}

/** An AlgorithmIdentifier. */
export interface Algorithm {
  /** Its whole DER. */
  readonly bytes: Buffer
  readonly oid: string
  readonly parameters: Der | undefined
}

/** How a message points at a certificate: issuer and serial number, or subject key identifier. Hex as in Certificate. */
export type CertificateId = { readonly issuer: Buffer; readonly serial: string } | { readonly subjectKeyId: string }

/**
 * Parses by `read`; what is not strict DER is read a second time from its definite form. Both passes are linear.
 * Throws SsmError `malformed` or `limit`.
 */
export function parseCms<T>(bytes: Buffer, what: string, read: (info: ContentInfo) => T): T {
  try {
    return read(parseContentInfo(bytes, what))
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    const definite = definiteForm(bytes, what)
    // Nothing changed: it was not BER but damage, and the first error says where.
    if (definite.equals(bytes)) throw error
    return read(parseContentInfo(definite, what))
  }
}

function parseContentInfo(bytes: Buffer, what: string): ContentInfo {
  const reader = enterDer(bytes, TAG.sequence, what)
  const type = decodeOid(reader.next(TAG.oid).value, what)
  const explicit = reader.enter(constructed(0))
  reader.finish()
  const content = explicit.next(TAG.sequence)
  explicit.finish()
  return { type, content }
}

/** An AlgorithmIdentifier (RFC 5280 section 4.1.1.2). */
export function readAlgorithm(outer: DerReader, what: string): Algorithm {
  const { bytes, value } = outer.next(TAG.sequence)
  const reader = new DerReader(value, what)
  const algorithm = decodeOid(reader.next(TAG.oid).value, what)
  const parameters = reader.done ? undefined : reader.any()
  reader.finish()
  return { bytes, oid: algorithm, parameters }
}

/** SignerIdentifier, RecipientIdentifier (RFC 5652 sections 5.3 and 6.2.1). */
export function readCertificateId(reader: DerReader, what: string): CertificateId {
  const keyId = reader.optional(context(0))
  if (keyId !== undefined) return { subjectKeyId: keyId.value.toString('hex') }
  const pair = reader.enter(TAG.sequence)
  const issuer = pair.next(TAG.sequence).bytes
  const serial = pair.next(TAG.integer).value
  pair.finish()
  assertInteger(serial, what)
  return { issuer, serial: serial.toString('hex') }
}

/** issuerAndSerialNumber of a certificate. */
export function issuerAndSerial(certificate: Certificate): Buffer {
  return sequence(certificate.issuerDer, element(TAG.integer, Buffer.from(certificate.serial, 'hex')))
}

/** Does this identifier point at this certificate? */
export function pointsAt(id: CertificateId, certificate: Certificate): boolean {
  if ('subjectKeyId' in id) return id.subjectKeyId === certificate.subjectKeyId
  return id.serial === certificate.serial && id.issuer.equals(certificate.issuerDer)
}

/** A structure as a ContentInfo. */
export function contentInfo(type: string, content: Buffer): Buffer {
  return sequence(oid(type), element(constructed(0), content))
}
