/**
 * S/MIME messages (RFC 8551 section 3): where the signed content and the CMS structure are in the text, and the text
 * around them. What kind a message is, the outer header decides alone, never words in the body.
 */
import { isSsmError, SsmError } from '../errors.js'
import { base64LinesLength, decodeBase64InPieces, decodeBase64Lent, writeBase64Lines, type Lent } from './base64.js'
import { breathe, fromCrlfInPieces } from './breath.js'
import {
  contentTypeOf,
  looksLikeHeader,
  parseEntity,
  splitMultipart,
  transferEncodingOf,
  type ContentType,
  type Entity,
} from './mime.js'
import { decodeQuotedPrintableInPieces } from './quoted-printable.js'

/** What a CMS structure is said to be by its `smime-type`. */
export type CmsKind = 'signed' | 'encrypted'

/** A message taken apart. Nothing here has been verified. */
export type Smime =
  /** Clear-signed: the signed part as it came, and the CMS structure of the other part. */
  | { readonly kind: 'detached'; readonly content: Buffer; readonly cms: Buffer; readonly epilogue: Buffer }
  /** One CMS structure; `declared` when the header says which. What is declared to be encrypted is lent. */
  | { readonly kind: 'opaque'; readonly cms: Buffer; readonly declared?: CmsKind; readonly giveBack?: () => void }
  /** Not S/MIME at all, and why. */
  | { readonly kind: 'other'; readonly detail: string }

const WHAT = 'the message'

const SIGNATURE_TYPES: ReadonlySet<string> = new Set(['application/pkcs7-signature', 'application/x-pkcs7-signature'])
const OPAQUE_TYPES: ReadonlySet<string> = new Set(['application/pkcs7-mime', 'application/x-pkcs7-mime'])
const SMIME_TYPES: ReadonlyMap<string, CmsKind> = new Map([
  ['signed-data', 'signed'],
  ['enveloped-data', 'encrypted'],
  ['authenveloped-data', 'encrypted'],
])

/** Takes a message apart, a large one with turns for others. Throws SsmError `malformed` or `limit`. */
export async function parseSmime(wire: Buffer): Promise<Smime> {
  if (!looksLikeHeader(wire)) return { kind: 'other', detail: 'it does not begin with a MIME header' }
  const entity = parseEntity(wire, WHAT)
  const content = contentTypeOf(entity, WHAT)
  if (content.type === 'multipart/signed') return await parseDetached(entity, content)
  if (OPAQUE_TYPES.has(content.type)) return await parseOpaque(entity, content)
  return { kind: 'other', detail: `its Content-Type is ${content.type}` }
}

async function parseDetached(entity: Entity, { parameters }: ContentType): Promise<Smime> {
  const protocol = parameters.get('protocol')?.toLowerCase()
  if (protocol !== undefined && !SIGNATURE_TYPES.has(protocol)) {
    return { kind: 'other', detail: `it is signed with protocol ${protocol}` }
  }
  const boundary = parameters.get('boundary')
  if (boundary === undefined) throw new SsmError('malformed', `${WHAT} is a multipart without a boundary`)
  assertIdentityEncoding(entity, WHAT)
  const { parts, epilogue } = splitMultipart(entity.body, boundary, 2, WHAT)
  const [content, signature] = parts
  if (content === undefined || signature === undefined) {
    throw new SsmError('malformed', `${WHAT} is multipart/signed with ${parts.length} instead of 2 parts`)
  }
  const what = 'the signature part'
  const part = parseEntity(signature, what)
  const { type } = contentTypeOf(part, what)
  if (!SIGNATURE_TYPES.has(type)) throw new SsmError('malformed', `${what} has the Content-Type ${type}`)
  return { kind: 'detached', content, cms: await cmsOf(part, what), epilogue }
}

async function parseOpaque(entity: Entity, { parameters }: ContentType): Promise<Smime> {
  const smimeType = parameters.get('smime-type')?.toLowerCase()
  const declared = smimeType === undefined ? undefined : SMIME_TYPES.get(smimeType)
  if (smimeType !== undefined && declared === undefined)
    return { kind: 'other', detail: `its smime-type is ${smimeType}` }
  if (declared === 'encrypted') {
    const { octets, giveBack } = await envelopeOf(entity)
    return { kind: 'opaque', cms: octets, declared, giveBack }
  }
  return { kind: 'opaque', cms: await cmsOf(entity, WHAT), ...(declared === undefined ? {} : { declared }) }
}

/** An envelope that is damaged already here is empty: whoever decrypts has one answer for all that does not open. */
async function envelopeOf(entity: Entity): Promise<Lent> {
  try {
    if (isBase64(entity, WHAT)) return await decodeBase64Lent(entity.body, WHAT)
    return { octets: await cmsOf(entity, WHAT), giveBack: () => undefined }
  } catch (error) {
    if (isSsmError(error, 'malformed', 'limit')) return { octets: Buffer.alloc(0), giveBack: () => undefined }
    throw error
  }
}

/** Without a transfer encoding it is taken for base64, as openssl does: DER is not 7bit text. */
function isBase64(part: Entity, what: string): boolean {
  return (transferEncodingOf(part, what) ?? 'base64') === 'base64'
}

/** The octets of a CMS part. */
async function cmsOf(entity: Entity, what: string): Promise<Buffer> {
  if (isBase64(entity, what)) return await decodeBase64InPieces(entity.body, what)
  const encoding = transferEncodingOf(entity, what)
  if (encoding === 'binary') return entity.body
  throw new SsmError('malformed', `${what} has the transfer encoding ${encoding} around a CMS structure`)
}

/** A multipart has no encoding of its own (RFC 2045 section 6.4). */
function assertIdentityEncoding(entity: Entity, what: string): void {
  const encoding = transferEncodingOf(entity, what)
  if (encoding !== undefined && !IDENTITY_ENCODINGS.has(encoding)) {
    throw new SsmError('malformed', `${what} is a multipart with the transfer encoding ${encoding}`)
  }
}

const IDENTITY_ENCODINGS: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary'])

/** How a transfer encoding is undone. `binary` means the octets as they are; text without an encoding ends lines by LF. */
const DECODERS: ReadonlyMap<string, (body: Buffer, what: string, inPlace: boolean) => Promise<Buffer>> = new Map([
  ['7bit', asLines],
  ['8bit', asLines],
  ['binary', (body: Buffer) => Promise.resolve(body)],
  ['quoted-printable', decodeQuotedPrintableInPieces],
  ['base64', decodeBase64InPieces],
])

function asLines(body: Buffer, _what: string, inPlace: boolean): Promise<Buffer> {
  return fromCrlfInPieces(body, inPlace)
}

/**
 * The content of a signed entity, its transfer encoding undone exactly as its header says; nothing is stripped.
 * What has no MIME header (`openssl smime -sign` without `-text` signs the bare text) is content as a whole: header
 * fields are only taken for a header when they say something about MIME, because records look like header fields.
 * `inPlace`: the memory is the caller's alone, and may be written over.
 */
export async function contentOf(signed: Buffer, inPlace = false): Promise<Buffer> {
  const what = 'the content part'
  const entity = mimeEntity(signed, what)
  if (entity === undefined) return await fromCrlfInPieces(signed, inPlace)
  const { type } = contentTypeOf(entity, what)
  if (/^(?:multipart|message)\//.test(type) || OPAQUE_TYPES.has(type)) {
    throw new SsmError('malformed', `${what} is ${type}: only one text is read`)
  }
  const encoding = transferEncodingOf(entity, what) ?? '7bit'
  const decode = DECODERS.get(encoding)
  if (decode === undefined) throw new SsmError('malformed', `${what} has the unknown transfer encoding ${encoding}`)
  return await decode(entity.body, what, inPlace)
}

function mimeEntity(signed: Buffer, what: string): Entity | undefined {
  if (!looksLikeHeader(signed)) return undefined
  const start = signed.toString('latin1', 0, 8).toLowerCase()
  // The common case begins with it: then a damaged header is damage, not content.
  if (start === 'content-') return parseEntity(signed, what)
  const entity = tryEntity(signed, what)
  if (entity === undefined || entity.fields.size === 0) return entity
  return [...entity.fields.keys()].some((name) => name === 'mime-version' || name.startsWith('content-'))
    ? entity
    : undefined
}

function tryEntity(signed: Buffer, what: string): Entity | undefined {
  try {
    return parseEntity(signed, what)
  } catch (error) {
    // Text that only looks like a header at first is content.
    if (error instanceof SsmError && (error.code === 'malformed' || error.code === 'limit')) return undefined
    throw error
  }
}

/** The header of the signed content: plain text, and text that travels as quoted-printable. LF form. */
export const TEXT_HEADER = Buffer.from('Content-Type: text/plain\n\n', 'latin1')
export const QUOTED_HEADER = Buffer.from(
  'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n',
  'latin1',
)
/** Octets of no known character set, as quoted-printable. */
export const QUOTED_BINARY_HEADER = Buffer.from(
  'Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n',
  'latin1',
)

const SIGNATURE_HEADER =
  'Content-Type: application/x-pkcs7-signature; name="smime.p7s"\n' +
  'Content-Transfer-Encoding: base64\n' +
  'Content-Disposition: attachment; filename="smime.p7s"\n\n'

/**
 * A clear-signed message, word for word as `openssl smime -sign` writes it, with LF line ends. `signature` is the CMS
 * structure as base64 lines. The boundary must not occur in the content.
 */
export function clearSigned(
  content: readonly Buffer[],
  { boundary, micalg, signature }: { readonly boundary: string; readonly micalg: string; readonly signature: Buffer },
): Buffer {
  const head =
    `MIME-Version: 1.0\nContent-Type: multipart/signed; protocol="application/x-pkcs7-signature"; ` +
    `micalg="${micalg}"; boundary="${boundary}"\n\nThis is an S/MIME signed message\n\n--${boundary}\n`
  const middle = `\n--${boundary}\n${SIGNATURE_HEADER}`
  const tail = `\n--${boundary}--\n\n`
  return Buffer.concat([latin1(head), ...content, latin1(middle), signature, latin1(tail)])
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function envelopedHeader(smimeType: string): Buffer {
  return latin1(
    'MIME-Version: 1.0\n' +
      'Content-Disposition: attachment; filename="smime.p7m"\n' +
      `Content-Type: application/x-pkcs7-mime; smime-type=${smimeType}; name="smime.p7m"\n` +
      'Content-Transfer-Encoding: base64\n\n',
  )
}

const ENVELOPED_HEADER = envelopedHeader('enveloped-data')
/** RFC 8551 section 3.2.2. */
const AUTH_ENVELOPED_HEADER = envelopedHeader('authEnveloped-data')

/** An EnvelopedData as a message, word for word as `openssl smime -encrypt` writes it; or an AuthEnvelopedData. */
export function envelopedText(cms: Buffer, authenticated = false): Buffer {
  const { target, at } = envelopedRoom(cms, authenticated)
  target[writeBase64Lines(cms, target, at)] = LF
  return target
}

/** Octets that are encoded at a stretch: whole lines. */
const ENCODED_PIECE = 48 * 16 * 1024

/** The same with breaths between pieces: 10 MB in one go are 55 ms in a program that has just started. */
export async function envelopedTextInPieces(cms: Buffer, authenticated: boolean): Promise<Buffer> {
  const room = envelopedRoom(cms, authenticated)
  const { target } = room
  let { at } = room
  for (let from = 0; from < cms.length; from += ENCODED_PIECE) {
    if (from > 0) await breathe()
    at = writeBase64Lines(cms.subarray(from, from + ENCODED_PIECE), target, at)
  }
  target[at] = LF
  return target
}

const LF = 0x0a

/** The header, and room from `at` on for the lines and one more line end. */
function envelopedRoom(cms: Buffer, authenticated: boolean): { readonly target: Buffer; readonly at: number } {
  const header = authenticated ? AUTH_ENVELOPED_HEADER : ENVELOPED_HEADER
  const target = Buffer.allocUnsafe(header.length + base64LinesLength(cms.length) + 1)
  return { target, at: header.copy(target, 0) }
}
