/**
 * EnvelopedData (RFC 5652 section 6): written for one RSA recipient as `openssl smime -encrypt` does, read for our own
 * certificates. No way to learn from us why a message does not decrypt: a failed unwrap goes on with a random key.
 */
import { constants, type KeyObject, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto'
import { SsmError, systemCode } from '../errors.js'
import type { Certificate } from './certificate.js'
import { contentCipher, encryptContent, type CipherName, type ContentCipher } from './cipher.js'
import {
  CMS,
  contentInfo,
  issuerAndSerial,
  pointsAt,
  readAlgorithm,
  readCertificateId,
  type Algorithm,
  type CertificateId,
  type ContentInfo,
} from './cms.js'
import { constructed, context, DerReader, malformed, smallInteger, TAG } from './der.js'
import { derNull, element, integer, octetString, oid, sequence } from './der-write.js'
import { decodeOid } from './oid.js'

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'

/** Most recipients of a message. */
const MAX_RECIPIENTS = 32

const WHAT = 'the encrypted message'

/** A certificate of ours with its private key. */
export interface DecryptionPair {
  readonly certificate: Certificate
  readonly key: KeyObject
}

/** A recipient with a key transported by its public key; others (agreement, passwords) are passed over. */
interface Recipient {
  readonly id: CertificateId
  readonly algorithm: Algorithm
  readonly encryptedKey: Buffer
}

/** An EnvelopedData as a snapshot. */
export interface EnvelopedData {
  readonly recipients: readonly Recipient[]
  readonly cipher: ContentCipher
  readonly content: Buffer
}

/** Encrypts for one recipient. Throws SsmError `configuration` when its key is not RSA. */
export function envelopedData(plain: Buffer, recipient: Certificate, cipher: CipherName): Buffer {
  assertRecipient(recipient)
  const { key, algorithm, content } = encryptContent(cipher, plain)
  const encryptedKey = publicEncrypt({ key: recipient.publicKey, padding: constants.RSA_PKCS1_PADDING }, key)
  const recipientInfo = sequence(
    integer(0),
    issuerAndSerial(recipient),
    sequence(oid(RSA_ENCRYPTION), derNull),
    octetString(encryptedKey),
  )
  return contentInfo(
    CMS.envelopedData,
    sequence(
      integer(0),
      element(TAG.set, recipientInfo),
      sequence(oid(CMS.data), algorithm, element(context(0), content)),
    ),
  )
}

/** Throws SsmError `configuration` for a certificate that we cannot encrypt for. */
export function assertRecipient(recipient: Certificate): void {
  const type = recipient.publicKey.asymmetricKeyType ?? 'unknown'
  if (type === 'rsa') return
  throw new SsmError(
    'configuration',
    `cannot encrypt for ${recipient.subject.slash}: its key is of the type ${type}, give a server_cert with an RSA key`,
  )
}

/** Reads the EnvelopedData of a ContentInfo. Throws SsmError `malformed` or `limit`. */
export function parseEnvelopedData({ type, content }: ContentInfo): EnvelopedData {
  if (type !== CMS.envelopedData) throw malformed(WHAT, `is a structure of the type ${type}, not EnvelopedData`)
  const reader = new DerReader(content.value, WHAT)
  smallInteger(reader.next(TAG.integer).value, WHAT)
  reader.optional(constructed(0))
  const recipients = parseRecipients(reader.enter(TAG.set))
  const encrypted = reader.enter(TAG.sequence)
  reader.optional(constructed(1))
  reader.finish()
  decodeOid(encrypted.next(TAG.oid).value, WHAT)
  const cipher = contentCipher(readAlgorithm(encrypted, WHAT), WHAT)
  const octets = encryptedContent(encrypted)
  encrypted.finish()
  return { recipients, cipher, content: octets }
}

function parseRecipients(set: DerReader): readonly Recipient[] {
  const recipients: Recipient[] = []
  for (let count = 1; !set.done; count++) {
    if (count > MAX_RECIPIENTS) throw new SsmError('limit', `${WHAT} has more than ${MAX_RECIPIENTS} recipients`)
    if (set.peek() !== TAG.sequence) {
      set.any()
      continue
    }
    const info = set.enter(TAG.sequence)
    smallInteger(info.next(TAG.integer).value, WHAT)
    const id = readCertificateId(info, WHAT)
    const algorithm = readAlgorithm(info, WHAT)
    const encryptedKey = info.next(TAG.octetString).value
    info.finish()
    recipients.push({ id, algorithm, encryptedKey })
  }
  return recipients
}

/** [0] IMPLICIT OCTET STRING: in one piece, or (streamed) constructed of octet strings. */
function encryptedContent(reader: DerReader): Buffer {
  if (reader.peek() === context(0)) return reader.next(context(0)).value
  const pieces = reader.enter(constructed(0))
  const list: Buffer[] = []
  while (!pieces.done) list.push(pieces.next(TAG.octetString).value)
  return Buffer.concat(list)
}

/** What decrypting gave: `intact` false means damage or a wrong key, to be told only after `plain` was looked at. */
export interface Decrypted {
  readonly plain: Buffer
  readonly intact: boolean
}

/**
 * Decrypts with the first of our pairs that is a recipient; at most one private key operation. Undefined when none is:
 * whom a message is for is not a secret.
 */
export function decryptEnveloped(message: EnvelopedData, pairs: readonly DecryptionPair[]): Decrypted | undefined {
  for (const recipient of message.recipients) {
    const unwrap = UNWRAPS.get(recipient.algorithm.oid)
    const pair = pairs.find((each) => pointsAt(recipient.id, each.certificate))
    if (unwrap === undefined || pair?.key.asymmetricKeyType !== 'rsa') continue
    const key = unwrap(pair.key, recipient.encryptedKey, message.cipher.keyLength)
    return message.cipher.decrypt(key, message.content)
  }
  return undefined
}

type Unwrap = (key: KeyObject, wrapped: Buffer, length: number) => Buffer

/** Key transport algorithms. */
const UNWRAPS: ReadonlyMap<string, Unwrap> = new Map([[RSA_ENCRYPTION, unwrapPkcs1]])

/**
 * RSA PKCS#1 v1.5 (RFC 8017 section 7.2.2) without an oracle: the raw operation (Node 20 refuses this padding in
 * privateDecrypt), then the padding looked at without branches on its octets, and a random key when it is wrong
 * (RFC 3218 section 2.3.2).
 */
function unwrapPkcs1(key: KeyObject, wrapped: Buffer, length: number): Buffer {
  const random = randomBytes(length)
  const size = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8
  const block = rawDecrypt(key, wrapped, Math.ceil(size))
  const separator = block.length - length - 1
  if (separator < 10) return random
  let wrong = (block[0] ?? 0) | ((block[1] ?? 0) ^ 2) | (block[separator] ?? 1)
  for (let at = 2; at < separator; at++) wrong |= Number(block[at] === 0)
  // 0x00 when right, 0xff when wrong.
  const mask = -Number(wrong !== 0) & 0xff
  const unwrapped = Buffer.alloc(length)
  for (let at = 0; at < length; at++) {
    unwrapped[at] = ((block[separator + 1 + at] ?? 0) & ~mask) | ((random[at] ?? 0) & mask)
  }
  return unwrapped
}

/** c^d mod n; zeros, which are wrong padding, when the number is not one modulo n. */
function rawDecrypt(key: KeyObject, wrapped: Buffer, size: number): Buffer {
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped)
  } catch (error) {
    if (systemCode(error)?.startsWith('ERR_OSSL_RSA_') === true) return Buffer.alloc(size)
    throw error
  }
}
