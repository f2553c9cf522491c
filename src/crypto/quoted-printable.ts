/**
 * Quoted-printable (RFC 2045 section 6.7). Written so that every octet survives any reader: line feeds of the content
 * are `=0A`, the only line ends are soft ones. Read strictly: what is neither printable nor a correct escape is refused.
 */
import { SsmError } from '../errors.js'
import { eachPiece } from './breath.js'

const CR = 0x0d
const LF = 0x0a
const TAB = 0x09
const SPACE = 0x20
const EQUALS = 0x3d
const SLASH = 0x2f

/** Columns of a line, the soft line end included (RFC 2045 section 6.7 rule 5). */
const MAX_COLUMNS = 76
/** Longest encoding of one octet. */
const ESCAPE = 3

const HEX = Buffer.from('0123456789ABCDEF', 'latin1')

/**
 * Octets as quoted-printable text with LF line ends, not ended by one. A line of the content is a line of the text, for
 * people who look at it; blanks before a line end are escaped (rule 3).
 */
export function encodeQuotedPrintable(bytes: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(mostEncoded(bytes))
  let offset = 0
  let column = 0
  for (let at = 0; at < bytes.length; at++) {
    const octet = bytes[at] ?? 0
    const plain = isPlain(bytes, at)
    if (column + (plain ? 1 : ESCAPE) > MAX_COLUMNS - 1) {
      target[offset++] = EQUALS
      target[offset++] = LF
      column = 0
    }
    if (plain) {
      target[offset++] = octet
      column += 1
      continue
    }
    target[offset++] = EQUALS
    target[offset++] = HEX[octet >> 4] ?? 0
    target[offset++] = HEX[octet & 15] ?? 0
    // Forces a soft line end before the next octet.
    column = octet === LF ? MAX_COLUMNS : column + ESCAPE
  }
  return target.subarray(0, offset)
}

/** At most so many octets does the encoding have. A writer beyond the end of a Buffer would not be told. */
function mostEncoded(bytes: Uint8Array): number {
  let columns = 0
  let lines = 1
  for (let at = 0; at < bytes.length; at++) {
    const octet = bytes[at] ?? 0
    columns += isPlain(bytes, at) ? 1 : ESCAPE
    if (octet === LF) lines++
  }
  // A line is left before its last column by less than an escape; each ends with `=` and LF.
  lines += Math.ceil(columns / (MAX_COLUMNS - ESCAPE))
  return columns + 2 * lines
}

/**
 * May it stand for itself? Blanks may, except before a line feed, at the end, and before a CR; the slash of a media type
 * of encrypted content may not, so that no reader finds the type in the text.
 */
function isPlain(bytes: Uint8Array, at: number): boolean {
  const octet = bytes[at] ?? 0
  if (octet === SPACE || octet === TAB) {
    const next = bytes[at + 1]
    return next !== undefined && next !== LF && next !== CR
  }
  if (octet === SLASH && isSlashOfType(bytes, at)) return false
  return octet > SPACE && octet < 0x7f && octet !== EQUALS
}

/** The media types of encrypted S/MIME content (RFC 8551 section 3.5.1, and the name before it was registered). */
export const ENCRYPTED_TYPES = ['application/pkcs7-mime', 'application/x-pkcs7-mime'] as const
const SUBTYPES = ENCRYPTED_TYPES.map((type) => Buffer.from(type.slice(type.indexOf('/')), 'latin1'))

function isSlashOfType(bytes: Uint8Array, at: number): boolean {
  return SUBTYPES.some((subtype) => subtype.every((octet, offset) => bytes[at + offset] === octet))
}

/**
 * The octets that quoted-printable text stands for. A hard line end (LF or CRLF) is a line feed of the text, as for text
 * without an encoding; escaped octets stay what they are. Blanks before a line end were added on the way (rule 3).
 * Throws SsmError `malformed`.
 */
export function decodeQuotedPrintable(text: Uint8Array, what: string): Buffer {
  const decoding = beginDecoding(text, what)
  decodeUpTo(decoding, text.length)
  return decoding.target.subarray(0, decoding.solid)
}

/** The same, large texts in pieces: 20 MB of it held up the event loop for 85 ms. */
export async function decodeQuotedPrintableInPieces(text: Uint8Array, what: string): Promise<Buffer> {
  const decoding = beginDecoding(text, what)
  await eachPiece(text.length, (_start, end) => {
    decodeUpTo(decoding, end)
  })
  return decoding.target.subarray(0, decoding.solid)
}

interface Decoding {
  readonly text: Uint8Array
  readonly what: string
  readonly target: Buffer
  at: number
  offset: number
  /** Behind the last octet of the current line that is not a blank written as itself. */
  solid: number
}

function beginDecoding(text: Uint8Array, what: string): Decoding {
  return { text, what, target: Buffer.allocUnsafe(text.length), at: 0, offset: 0, solid: 0 }
}

/** What begins before `end` is decoded, also where it reaches beyond. */
function decodeUpTo(decoding: Decoding, end: number): void {
  const { text, what, target } = decoding
  let { at, offset, solid } = decoding
  for (; at < end; at++) {
    const octet = text[at] ?? 0
    if (octet === LF || (octet === CR && text[at + 1] === LF)) {
      if (octet === CR) at++
      target[solid] = LF
      offset = solid = solid + 1
    } else if (octet === EQUALS) {
      const after = softLineEnd(text, at + 1)
      if (after === undefined) {
        target[offset++] = escaped(text, at, what)
        at += 2
      } else {
        at = after - 1
      }
      solid = offset
    } else if (octet === SPACE || octet === TAB) {
      target[offset++] = octet
    } else if (octet > SPACE && octet < 0x7f) {
      target[offset++] = octet
      solid = offset
    } else {
      throw new SsmError('malformed', `${what} is not quoted-printable at offset ${at}`)
    }
  }
  Object.assign(decoding, { at, offset, solid })
}

/** The offset behind `blanks LF` or `blanks CRLF` or `blanks END` at `from`, or undefined when that is not there. */
function softLineEnd(text: Uint8Array, from: number): number | undefined {
  let at = from
  while (text[at] === SPACE || text[at] === TAB) at++
  if (at === text.length) return at
  if (text[at] === CR && text[at + 1] === LF) return at + 2
  return text[at] === LF ? at + 1 : undefined
}

function escaped(text: Uint8Array, at: number, what: string): number {
  const high = hexDigit(text[at + 1])
  const low = hexDigit(text[at + 2])
  if (high < 0 || low < 0)
    throw new SsmError('malformed', `${what} has a broken quoted-printable escape at offset ${at}`)
  return high * 16 + low
}

/** Value of a hex digit of either case (lower case is not correct, but RFC 2045 asks readers to be kind), or -1. */
function hexDigit(octet: number | undefined): number {
  if (octet === undefined) return -1
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30
  const letter = octet | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
