/**
 * The envelope: seal and open, crypto and trust composed. It never reads a file, never waits for anything but the thread
 * pool, and lets nothing inside a message choose trust or algorithm policy.
 *
 * Sealing throws SsmError `cannot-seal` for what is true of one content, `configuration` for our own key or the
 * recipient's certificate. Opening (open.ts) answers verdicts and throws only for our own trouble.
 */
import { type KeyObject, randomUUID } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { breathe, breatheAfter, digestCanonical, digestIfSurvives, PIECE, toCrlfInPieces } from '../crypto/breath.js'
import type { Certificate } from '../crypto/certificate.js'
import { authenticates } from '../crypto/cipher.js'
import { DIGEST_ENTRIES } from '../crypto/cms-algorithms.js'
import { assertRecipient, type Encryption, envelopedData, narrowlyRead } from '../crypto/cms-enveloped.js'
import { createCmsSigner, type CmsSigner } from '../crypto/cms-sign.js'
import { asBuffer } from '../crypto/der.js'
import { ENCRYPTED_TYPES, encodeQuotedPrintable } from '../crypto/quoted-printable.js'
import {
  clearSigned,
  envelopedTextInPieces,
  QUOTED_BINARY_HEADER,
  QUOTED_HEADER,
  TEXT_HEADER,
} from '../crypto/smime.js'
import { survivesAsText } from '../crypto/text.js'
import { SsmError } from '../errors.js'
import type { Seal, Sealed } from '../message.js'

export interface SealSettings extends Encryption {
  /** Ours, and its private key. That they match is checked where they are loaded. */
  readonly certificate: Certificate
  readonly key: KeyObject
  /** Whom to encrypt for; without any, messages are only signed. */
  readonly recipients?: readonly Certificate[]
  /** May contents that are not UTF-8 be sent? */
  readonly binary: boolean
  /** For the signing time: ms since the epoch. */
  readonly clock: { now(): number }
}

/** What a site should know about its key: a sentence for the log, or undefined when every receiver can read us. */
export function sealWarning({ certificate, key }: Pick<SealSettings, 'certificate' | 'key'>): string | undefined {
  if (createCmsSigner(certificate, key).widelyRead) return undefined
  return `Python receivers cannot read signatures by a key of the type ${key.asymmetricKeyType ?? 'unknown'}: use RSA or EC`
}

/** The same about what is encrypted. */
export function encryptionWarning(recipients: readonly Certificate[], encryption: Encryption): string | undefined {
  const narrow = recipients.length === 0 ? undefined : narrowlyRead(recipients, encryption)
  return narrow === undefined ? undefined : `Python receivers cannot read messages that are encrypted ${narrow}`
}

/** Makes a Seal. Throws SsmError `configuration` when the key cannot sign or a recipient's cannot encrypt. */
export function createSeal(settings: SealSettings): Seal {
  const { recipients = [] } = settings
  const signer = createCmsSigner(settings.certificate, settings.key)
  for (const recipient of recipients) assertRecipient(recipient)
  return async (plain) => {
    const body = asBuffer(plain.body)
    const part = layShortText(body, signer) ?? (await layText(body, signer, settings.binary))
    const signed = await signContent(part, signer, settings.clock.now())
    // The only place where the brand is given: these bytes were just signed.
    if (recipients.length === 0) return signed as Uint8Array as Sealed
    return (await encryptFor(signed, recipients, settings)) as Uint8Array as Sealed
  }
}

/** Encrypts an already signed message. Throws SsmError `cannot-seal` when empty, `configuration`. */
export async function encryptFor(
  signed: Buffer,
  recipients: readonly Certificate[],
  encryption: Encryption,
): Promise<Buffer> {
  if (signed.length === 0) throw new SsmError('cannot-seal', 'there is nothing to encrypt: the signed message is empty')
  // Canonical line ends inside (RFC 8551 section 3.1.1), as openssl smime -encrypt makes them.
  const cms = await envelopedData(await toCrlfInPieces(signed), recipients, encryption)
  await breatheAfter(cms)
  return await envelopedTextInPieces(cms, authenticates(encryption.cipher))
}

/** The signed part in transit form (LF): a header and the text, as it is or in quoted-printable; and the digest of both. */
interface TextPart {
  readonly header: Buffer
  readonly text: Buffer
  readonly digest: Buffer
}

/** What nearly all messages are: no turn of the event loop, and one pass over the text. */
function layShortText(text: Buffer, { digest: name }: CmsSigner): TextPart | undefined {
  if (text.length === 0 || namesEncryption(text)) return undefined
  const digest = digestIfSurvives(name, TEXT_HEADER, text)
  return digest && { header: TEXT_HEADER, text, digest }
}

async function layText(body: Buffer, { digest: name }: CmsSigner, binary: boolean): Promise<TextPart> {
  const header = await headerFor(body, binary)
  const text = header === TEXT_HEADER ? body : await quoteInPieces(body)
  return { header, text, digest: await digestCanonical(name, [header, text]) }
}

async function headerFor(body: Buffer, binary: boolean): Promise<Buffer> {
  if (body.length === 0) throw new SsmError('cannot-seal', 'an empty message is never sent')
  if ((await survivesInPieces(body)) && !namesEncryption(body)) return TEXT_HEADER
  await breatheAfter(body)
  if (isUtf8(body)) return QUOTED_HEADER
  if (binary) return QUOTED_BINARY_HEADER
  throw new SsmError(
    'cannot-seal',
    'not-utf8: the content is not UTF-8, which Python receivers cannot take; set binary = true when the receiver is this program too',
  )
}

/** Cut behind line ends: a line decides for itself. */
async function survivesInPieces(body: Buffer): Promise<boolean> {
  for (let at = 0; at < body.length;) {
    if (at > 0) await breathe()
    const end = endOfPiece(body, at)
    if (!survivesAsText(body.subarray(at, end))) return false
    at = end
  }
  return true
}

/** Behind the first line end after so many octets. */
function endOfPiece(body: Buffer, at: number): number {
  if (body.length - at <= PIECE) return body.length
  const lineEnd = body.indexOf(0x0a, at + PIECE)
  return lineEnd < 0 ? body.length : lineEnd + 1
}

/** Cut behind line ends, where a soft line end follows anyway: the same text as in one go. */
async function quoteInPieces(body: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length;) {
    if (at > 0) {
      await breathe()
      pieces.push(SOFT_LINE_END)
    }
    const end = endOfPiece(body, at)
    pieces.push(encodeQuotedPrintable(body.subarray(at, end)))
    at = end
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
}

const SOFT_LINE_END = Buffer.from('=\n', 'latin1')

/** Receivers that search the whole message for these words would take it for encrypted: the encoding breaks them up. */
function namesEncryption(body: Buffer): boolean {
  // What they have in common is found in 0.7 us for 10 KB, both of them in 3.5 us.
  return body.includes('pkcs7-', 0, 'latin1') && ENCRYPTED_TYPES.some((type) => body.includes(type, 0, 'latin1'))
}

async function signContent({ header, text, digest }: TextPart, signer: CmsSigner, at: number): Promise<Buffer> {
  const signature = await signer.sign(digest, at)
  return clearSigned([header, text], {
    boundary: boundaryFor(text),
    micalg: DIGEST_ENTRIES[signer.digest].micalg,
    signature,
  })
}

/** A boundary as openssl writes them. That it does not occur in the text is nearly certain, and looked at all the same. */
function boundaryFor(text: Buffer): string {
  for (;;) {
    // Random octets that node draws many at a time: 2 us less than a draw for each message.
    const boundary = `----${randomUUID().replaceAll('-', '').toUpperCase()}`
    if (!text.includes(boundary, 0, 'latin1')) return boundary
  }
}
