/**
 * EnvelopedData (RFC 5652 section 6) and AuthEnvelopedData (RFC 5083), writing and reading. With the default algorithms
 * and one recipient, what is written is what `openssl smime -encrypt` writes.
 *
 * No way to learn from us why a message does not decrypt: a failed unwrap goes on with a random key.
 */
import type { KeyObject } from 'node:crypto'
import { SsmError } from '../errors.js'
import { breatheAfter } from './breath.js'
import type { Certificate } from './certificate.js'
import {
  authenticates,
  contentCipher,
  encryptContent,
  type CipherName,
  type ContentCipher,
  type SealedContent,
} from './cipher.js'
import {
  CMS,
  issuerAndSerial,
  pointsAt,
  readAlgorithm,
  readCertificateId,
  type Algorithm,
  type CertificateId,
  type ContentInfo,
} from './cms.js'
import { constructed, context, DerReader, malformed, smallInteger, TAG } from './der.js'
import { derNull, element, integer, laidOut, octetString, oid, sequence } from './der-write.js'
import {
  agree,
  beginAgreement,
  curveOf,
  deriveKey,
  SCHEMES,
  unwrapKey,
  wrapFor,
  wrapKey,
  WRAPS,
} from './key-agreement.js'
import { OAEP_DIGEST, unwrapHere, wrapOaep, wrapPkcs1, type Unwrap } from './key-transport.js'
import { decodeOid } from './oid.js'

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
const RSAES_OAEP = '1.2.840.113549.1.1.7'

/** Most recipients of a message. */
export const MAX_RECIPIENTS = 32
/** Largest recipient that is read, octets: a key agreement for 32 has 8 KiB. */
const MAX_RECIPIENT = 65_536

const WHAT = 'the encrypted message'

/** How the content key reaches RSA recipients, as the option `key_transport` names it. */
export const KEY_TRANSPORTS = ['pkcs1', 'oaep'] as const
export type KeyTransport = (typeof KEY_TRANSPORTS)[number]

/** With which algorithms to encrypt. */
export interface Encryption {
  readonly cipher: CipherName
  readonly keyTransport: KeyTransport
}

/** A certificate of ours with its private key. */
export interface DecryptionPair {
  readonly certificate: Certificate
  readonly key: KeyObject
}

/** A recipient with a key transported by RSA, or agreed upon; others (passwords, shared keys) are passed over. */
type Recipient =
  | {
      readonly kind: 'transport'
      readonly id: CertificateId
      readonly algorithm: Algorithm
      readonly encryptedKey: Buffer
    }
  | { readonly kind: 'agreement'; readonly bytes: Buffer }

/** An EnvelopedData or AuthEnvelopedData as a snapshot. */
export interface EnvelopedData {
  readonly recipients: readonly Recipient[]
  readonly cipher: ContentCipher
  readonly sealed: SealedContent
}

/** Pkijs is loaded by the first message that needs it. */
const rareStructures = () => import('./recipient-infos.js')

/** Loads what encrypting for these needs: who stays must not find another version's there after an upgrade. */
export async function prepareEncryption(recipients: readonly Certificate[], transport: KeyTransport): Promise<void> {
  const isRare = ({ publicKey }: Certificate): boolean => transport === 'oaep' || curveOf(publicKey) !== undefined
  if (recipients.some(isRare)) await rareStructures()
}

/** Encrypts for these recipients. Throws SsmError `configuration` when the key of one is not RSA or EC. */
export async function envelopedData(
  plain: Buffer,
  recipients: readonly Certificate[],
  { cipher, keyTransport }: Encryption,
): Promise<Buffer> {
  for (const recipient of recipients) assertRecipient(recipient)
  const { key, algorithm, content, mac } = await encryptContent(cipher, plain)
  const infos: Buffer[] = []
  for (const recipient of recipients) infos.push(await recipientInfo(recipient, key, keyTransport))
  const agreed = recipients.some((recipient) => curveOf(recipient.publicKey) !== undefined)
  const encrypted = laidOut(TAG.sequence, oid(CMS.data), algorithm, ...laidOut(context(0), ...content))
  const enveloped = laidOut(
    TAG.sequence,
    // RFC 5652 section 6.1; RFC 5083 section 2.1: always 0.
    integer(agreed && mac === undefined ? 2 : 0),
    element(TAG.set, ...infos),
    ...encrypted,
    ...(mac === undefined ? [] : [octetString(mac)]),
  )
  const type = oid(mac === undefined ? CMS.envelopedData : CMS.authEnvelopedData)
  await breatheAfter(plain)
  return Buffer.concat(laidOut(TAG.sequence, type, ...laidOut(constructed(0), ...enveloped)))
}

async function recipientInfo(recipient: Certificate, key: Buffer, transport: KeyTransport): Promise<Buffer> {
  const curve = curveOf(recipient.publicKey)
  if (curve !== undefined) return await agreedInfo(recipient, curve.scheme, key)
  const oaep = transport === 'oaep'
  return sequence(
    integer(0),
    issuerAndSerial(recipient),
    oaep ? (await rareStructures()).oaepAlgorithm(OAEP_DIGEST) : sequence(oid(RSA_ENCRYPTION), derNull),
    octetString((oaep ? wrapOaep : wrapPkcs1)(recipient.publicKey, key)),
  )
}

async function agreedInfo(recipient: Certificate, scheme: string, key: Buffer): Promise<Buffer> {
  const { keyAgreementInfo, newSharedInfo } = await rareStructures()
  const { point, secret } = beginAgreement(recipient.publicKey)
  const { id: wrap, entry } = wrapFor(key.length)
  const digest = SCHEMES.get(scheme) ?? 'sha256'
  const wrapping = deriveKey(digest, secret, newSharedInfo(wrap, entry.keyLength), entry.keyLength)
  return keyAgreementInfo({ recipient, point, scheme, wrap }, wrapKey(entry, wrapping, key))
}

/** Throws SsmError `configuration` for a certificate that we cannot encrypt for. */
export function assertRecipient(recipient: Certificate): void {
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: details } = recipient.publicKey
  if (type === 'rsa' || curveOf(recipient.publicKey) !== undefined) return
  const kind = type === 'ec' ? `on the curve ${details?.namedCurve ?? 'of explicit parameters'}` : `of the type ${type}`
  throw new SsmError(
    'configuration',
    `cannot encrypt for ${recipient.subject.slash}: its key is ${kind}, give a server_cert with a key of RSA or on P-256, P-384 or P-521`,
  )
}

/**
 * Can `openssl smime`, and with it the Python SSM, read what is encrypted so? undefined: yes; else what it cannot read, as
 * `encrypted …`.
 */
export function narrowlyRead(
  recipients: readonly Certificate[],
  { cipher, keyTransport }: Encryption,
): string | undefined {
  if (authenticates(cipher)) return `with the cipher ${cipher}`
  const agreed = recipients.filter((recipient) => curveOf(recipient.publicKey) !== undefined)
  if (agreed.length > 0) return 'for a server_cert with an EC key'
  return keyTransport === 'oaep' ? 'with key_transport = oaep' : undefined
}

/** Reads the EnvelopedData or AuthEnvelopedData of a ContentInfo. Throws SsmError `malformed` or `limit`. */
export function parseEnvelopedData({ type, content }: ContentInfo): EnvelopedData {
  const authenticated = type === CMS.authEnvelopedData
  if (!authenticated && type !== CMS.envelopedData) {
    throw malformed(WHAT, `is a structure of the type ${type}, not EnvelopedData`)
  }
  const reader = new DerReader(content.value, WHAT)
  smallInteger(reader.next(TAG.integer).value, WHAT)
  reader.optional(constructed(0))
  const recipients = parseRecipients(reader.enter(TAG.set))
  const encrypted = reader.enter(TAG.sequence)
  const attributes = reader.optional(constructed(1))
  const mac = authenticated ? reader.next(TAG.octetString).value : undefined
  if (authenticated) reader.optional(constructed(2))
  reader.finish()
  decodeOid(encrypted.next(TAG.oid).value, WHAT)
  const cipher = contentCipher(readAlgorithm(encrypted, WHAT), authenticated, WHAT)
  const octets = encryptedContent(encrypted)
  encrypted.finish()
  const vouched =
    mac === undefined ? {} : { mac, ...(attributes === undefined ? {} : { attributes: asSet(attributes.bytes) }) }
  return { recipients, cipher, sealed: { content: octets, ...vouched } }
}

/** What the tag covers: the attributes encoded as a SET (RFC 5083 section 2.2). */
function asSet(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[0] = TAG.set
  return copy
}

function parseRecipients(set: DerReader): readonly Recipient[] {
  const recipients: Recipient[] = []
  for (let count = 1; !set.done; count++) {
    if (count > MAX_RECIPIENTS) throw new SsmError('limit', `${WHAT} has more than ${MAX_RECIPIENTS} recipients`)
    const tag = set.peek()
    const { bytes, value } = set.any()
    if (bytes.length > MAX_RECIPIENT)
      throw new SsmError('limit', `${WHAT} has a recipient of more than ${MAX_RECIPIENT} bytes`)
    if (tag === constructed(1)) recipients.push({ kind: 'agreement', bytes })
    else if (tag === TAG.sequence) recipients.push(parseTransport(new DerReader(value, WHAT)))
  }
  return recipients
}

function parseTransport(info: DerReader): Recipient {
  smallInteger(info.next(TAG.integer).value, WHAT)
  const id = readCertificateId(info, WHAT)
  const algorithm = readAlgorithm(info, WHAT)
  const encryptedKey = info.next(TAG.octetString).value
  info.finish()
  return { kind: 'transport', id, algorithm, encryptedKey }
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
 * whom a message is for is not a secret. Throws SsmError `malformed` for a recipient of ours that is damaged.
 * `unwrap`: where RSA is done.
 */
export async function decryptEnveloped(
  message: EnvelopedData,
  pairs: readonly DecryptionPair[],
  unwrap: Unwrap = unwrapHere,
): Promise<Decrypted | undefined> {
  for (const recipient of message.recipients) {
    const key =
      recipient.kind === 'transport'
        ? await transportedKey(recipient, pairs, message.cipher.keyLength, unwrap)
        : await agreedKey(recipient.bytes, pairs, message.cipher.keyLength)
    if (key !== undefined) return await message.cipher.decrypt(key, message.sealed)
  }
  return undefined
}

async function transportedKey(
  { id, algorithm, encryptedKey }: Extract<Recipient, { kind: 'transport' }>,
  pairs: readonly DecryptionPair[],
  length: number,
  unwrap: Unwrap,
): Promise<Buffer | undefined> {
  const pair = pairs.find((each) => each.key.asymmetricKeyType === 'rsa' && pointsAt(id, each.certificate))
  if (pair === undefined) return undefined
  if (algorithm.oid === RSA_ENCRYPTION) return await unwrap(pair.key, { wrapped: encryptedKey, length })
  if (algorithm.oid !== RSAES_OAEP) return undefined
  const { parseOaep } = await rareStructures()
  const oaep = parseOaep(algorithm.parameters?.bytes)
  return await unwrap(pair.key, { wrapped: encryptedKey, length, oaep })
}

async function agreedKey(bytes: Buffer, pairs: readonly DecryptionPair[], length: number): Promise<Buffer | undefined> {
  const ours = pairs.filter((each) => curveOf(each.key) !== undefined)
  if (ours.length === 0) return undefined
  const { parseKeyAgreement } = await rareStructures()
  const { point, scheme, wrap, sharedInfo, keys } = parseKeyAgreement(bytes)
  const digest = SCHEMES.get(scheme)
  const entry = WRAPS.get(wrap)
  if (digest === undefined || entry === undefined) return undefined
  for (const { id, encryptedKey } of keys) {
    const pair = ours.find((each) => pointsAt(id, each.certificate))
    const secret = pair === undefined ? undefined : agree(pair.key, point)
    if (secret === undefined) continue
    const wrapping = deriveKey(digest, secret, sharedInfo(entry.keyLength), entry.keyLength)
    return unwrapKey(entry, wrapping, encryptedKey, length)
  }
  return undefined
}
