/**
 * SignedData, reading (RFC 5652 section 5): walks the few elements that are needed and takes a plain snapshot of them.
 * It decides nothing about who signed; certificates stay unparsed, CRLs inside a message are never looked at.
 */
import { SsmError } from '../errors.js'
import { CMS, readAlgorithm, readCertificateId, type Algorithm, type CertificateId, type ContentInfo } from './cms.js'
import { constructed, DerReader, malformed, smallInteger, TAG, timeValue, type Der } from './der.js'
import { decodeOid } from './oid.js'

/** Most certificates in a message; a path has seldom more than four. */
const MAX_CERTIFICATES = 16
/** Most signed attributes; openssl writes four, others up to ten. */
const MAX_ATTRIBUTES = 64

const WHAT = 'the signature'

/** The signed attributes of a signer info. */
export interface SignedAttributes {
  /** What is signed: their encoding as a SET (RFC 5652 section 5.4). */
  readonly set: Buffer
  readonly contentType: string
  readonly messageDigest: Buffer
  /** Milliseconds since the epoch; a claim of the signer. */
  readonly signingTime?: number
}

export interface SignerInfo {
  readonly id: CertificateId
  readonly digestAlgorithm: Algorithm
  readonly signatureAlgorithm: Algorithm
  readonly signature: Buffer
  readonly attributes?: SignedAttributes
}

/** A SignedData as a snapshot; nothing is verified. */
export interface SignedData {
  /** The content inside, when there is one. */
  readonly embedded?: Buffer
  /** DER of each X.509 certificate, in the order of the message. */
  readonly certificates: readonly Buffer[]
  /** How many signer infos there are; `signer` is the first. */
  readonly signers: number
  readonly signer?: SignerInfo
}

/** Reads the SignedData of a ContentInfo. Throws SsmError `malformed` or `limit`. */
export function parseSignedData({ type, content }: ContentInfo): SignedData {
  if (type !== CMS.signedData) throw malformed(WHAT, `is a structure of the type ${type}, not SignedData`)
  const reader = new DerReader(content.value, WHAT)
  version(reader)
  reader.next(TAG.set)
  const embedded = parseEncapsulated(reader)
  const certificates = parseCertificates(reader)
  reader.optional(constructed(1))
  const infos = reader.enter(TAG.set)
  reader.finish()
  let signers = 0
  let signer: SignerInfo | undefined
  while (!infos.done) {
    // Only the first is read: with more than one the message is refused anyway.
    if (++signers === 1) signer = parseSignerInfo(infos.enter(TAG.sequence))
    else infos.next(TAG.sequence)
  }
  return {
    certificates,
    signers,
    ...(embedded === undefined ? {} : { embedded }),
    ...(signer === undefined ? {} : { signer }),
  }
}

/** Versions say which fields may occur (RFC 5652 section 5.1); the fields themselves are checked. */
function version(reader: DerReader): void {
  const number = smallInteger(reader.next(TAG.integer).value, WHAT)
  if (number < 1 || number > 5) throw malformed(WHAT, `is of the unknown version ${number}`)
}

function parseEncapsulated(outer: DerReader): Buffer | undefined {
  const reader = outer.enter(TAG.sequence)
  const type = decodeOid(reader.next(TAG.oid).value, WHAT)
  if (type !== CMS.data) throw malformed(WHAT, `signs content of the type ${type} instead of data`)
  const explicit = reader.enterOptional(constructed(0))
  reader.finish()
  if (explicit === undefined) return undefined
  const { value } = explicit.next(TAG.octetString)
  explicit.finish()
  return value
}

/** Other kinds of certificates (attribute certificates: context tags) are passed over. */
function parseCertificates(outer: DerReader): readonly Buffer[] {
  const reader = outer.enterOptional(constructed(0))
  const certificates: Buffer[] = []
  let count = 0
  while (reader?.done === false) {
    const { tag, bytes } = reader.any()
    if (++count > MAX_CERTIFICATES)
      throw new SsmError('limit', `${WHAT} has more than ${MAX_CERTIFICATES} certificates`)
    if (tag === TAG.sequence) certificates.push(bytes)
  }
  return certificates
}

function parseSignerInfo(reader: DerReader): SignerInfo {
  version(reader)
  const id = readCertificateId(reader, WHAT)
  const digestAlgorithm = readAlgorithm(reader, WHAT)
  const signed = reader.optional(constructed(0))
  const signatureAlgorithm = readAlgorithm(reader, WHAT)
  const signature = reader.next(TAG.octetString).value
  reader.optional(constructed(1))
  reader.finish()
  return {
    id,
    digestAlgorithm,
    signatureAlgorithm,
    signature,
    ...(signed === undefined ? {} : { attributes: parseAttributes(signed) }),
  }
}

/**
 * The attributes that decide must be there once with one value (RFC 5652 sections 11.1 to 11.3).
 * The order is taken as received, as OpenSSL does: some writers do not sort, and sign what they sent.
 */
function parseAttributes(tagged: Der): SignedAttributes {
  const reader = new DerReader(tagged.value, WHAT)
  const found = new Map<string, Der>()
  for (let count = 1; !reader.done; count++) {
    if (count > MAX_ATTRIBUTES) throw new SsmError('limit', `${WHAT} has more than ${MAX_ATTRIBUTES} signed attributes`)
    const attribute = reader.enter(TAG.sequence)
    const type = decodeOid(attribute.next(TAG.oid).value, WHAT)
    const values = attribute.enter(TAG.set)
    attribute.finish()
    if (!DECIDING.has(type)) continue
    if (found.has(type)) throw malformed(WHAT, `has the attribute ${type} twice`)
    found.set(type, values.any())
    values.finish()
  }
  const contentType = needed(found, CMS.contentType, TAG.oid)
  const messageDigest = needed(found, CMS.messageDigest, TAG.octetString)
  const signingTime = found.get(CMS.signingTime)
  const set = Buffer.from(tagged.bytes)
  set[0] = TAG.set
  return {
    set,
    contentType: decodeOid(contentType.value, WHAT),
    messageDigest: messageDigest.value,
    ...(signingTime === undefined ? {} : { signingTime: timeValue(signingTime, WHAT) }),
  }
}

const DECIDING: ReadonlySet<string> = new Set([CMS.contentType, CMS.messageDigest, CMS.signingTime])

function needed(found: ReadonlyMap<string, Der>, type: string, tag: number): Der {
  const value = found.get(type)
  if (value === undefined) throw malformed(WHAT, `lacks the signed attribute ${type}`)
  if (value.tag !== tag) throw malformed(WHAT, `has a damaged signed attribute ${type}`)
  return value
}
