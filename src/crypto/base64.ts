/**
 * Base64 as MIME carries it (RFC 2045 section 6.8): lines of 64 columns out, any white space in, nothing else tolerated.
 */
import { SsmError } from '../errors.js'
import { eachPiece, PIECE } from './breath.js'
import { CR, LF } from './text.js'

/** Octets of one line of 64 columns. */
const LINE_OCTETS = 48
const LINE_COLUMNS = 64

const DASH = 0x2d
const EQUALS = 0x3d
const UNDERSCORE = 0x5f

/** Octets that `encodeBase64Lines` makes of `length` octets. */
export function base64LinesLength(length: number): number {
  return Math.ceil(length / 3) * 4 + Math.ceil(length / LINE_OCTETS)
}

/** Octets that are encoded by one native call. */
const STRETCH = 256 * LINE_OCTETS
/** The text of a stretch without line ends. Made once: 20 KB of garbage less for an encrypted message of 10 KB. */
let room: Buffer | undefined

/** Base64 in lines of 64 columns, each ended by LF, written into `target` from `at`. Returns the offset behind it. */
export function writeBase64Lines(bytes: Buffer, target: Buffer, at: number): number {
  room ??= Buffer.allocUnsafe((STRETCH / LINE_OCTETS) * LINE_COLUMNS)
  let offset = at
  for (let start = 0; start < bytes.length; start += STRETCH) {
    const length = room.write(bytes.toString('base64', start, Math.min(start + STRETCH, bytes.length)), 'latin1')
    offset = breakLines(room, length, target, offset)
  }
  return offset
}

/** Whole lines go into place word by word: 10 KB take a third of the time of a write each. */
function breakLines(text: Buffer, length: number, target: Buffer, at: number): number {
  const from = new DataView(text.buffer, text.byteOffset, length)
  const to = new DataView(target.buffer, target.byteOffset, target.length)
  let offset = at
  let line = 0
  for (; line + LINE_COLUMNS <= length; line += LINE_COLUMNS) {
    for (let column = 0; column < LINE_COLUMNS; column += 4) {
      to.setInt32(offset, from.getInt32(line + column, true), true)
      offset += 4
    }
    target[offset++] = LF
  }
  if (line === length) return offset
  offset += text.copy(target, offset, line, length)
  target[offset++] = LF
  return offset
}

/** Base64 in lines of 64 columns, each ended by LF. */
export function encodeBase64Lines(bytes: Buffer): Buffer {
  const target = Buffer.allocUnsafe(base64LinesLength(bytes.length))
  writeBase64Lines(bytes, target, 0)
  return target
}

/**
 * The octets that base64 text stands for. White space may be anywhere; padding is required and ends the data.
 * Throws SsmError `malformed` for any other octet: node's own decoder skips what it does not know, and what is skipped
 * by one reader and not by another is a way to show two readers different things. What it skipped, the length tells:
 * four characters make three octets, always.
 */
export function decodeBase64(text: Buffer, what: string): Buffer {
  const even = evenLines(text)
  const octets = even === undefined ? undefined : Buffer.from(even.text, 'base64')
  if (even !== undefined && octets?.length === even.octets) return octets
  return lastOctets(withoutBlanks(text.toString('latin1')), what)
}

/** Octets in memory that others get when they are given back. */
export interface Lent {
  readonly octets: Buffer
  /** From then on nobody may look at them. Forgetting it costs memory, nothing else. */
  readonly giveBack: () => void
}

/**
 * The same for who needs the octets for a while only: 13 KB take 6 us in a room that is used again, 15 in new memory, which
 * the collector has to be told of besides.
 */
export async function decodeBase64Lent(text: Buffer, what: string): Promise<Lent> {
  const even = text.length <= LENT ? evenLines(text) : undefined
  if (even !== undefined) {
    const lent = lend()
    if (lent.octets.write(even.text, 'base64') === even.octets) {
      return { ...lent, octets: lent.octets.subarray(0, even.octets) }
    }
    lent.giveBack()
  }
  return { octets: await decodeBase64InPieces(text, what), giveBack: () => undefined }
}

/** Octets of a room, and of the longest text that gets one: three of its octets need four characters. */
const LENT = 32 * 1024
/** Rooms that are kept: as many as a window has messages. */
const MOST_FREE = 64
const free: Buffer[] = []

function lend(): Lent {
  const octets = free.pop() ?? Buffer.allocUnsafeSlow(LENT)
  let lent = true
  const giveBack = (): void => {
    if (lent && free.length < MOST_FREE) free.push(octets)
    lent = false
  }
  return { octets, giveBack }
}

interface EvenLines {
  readonly text: string
  /** So many octets it has when node's decoder skips nothing but the line ends. */
  readonly octets: number
}

/**
 * Text in lines of one length, as nearly all is; undefined for any other. The decoder passes line ends by itself, so nothing has to
 * be searched and cut out: a third of the time, and 36 KB of garbage less for 13 KB.
 */
function evenLines(bytes: Buffer): EvenLines | undefined {
  let { length: end } = bytes
  while (end > 0 && (bytes[end - 1] === LF || bytes[end - 1] === CR)) end--
  const line = bytes.indexOf(LF) + 1
  const lineEnd = bytes[line - 2] === CR ? 2 : 1
  let characters = end
  for (let at = line - 1; line > 0 && at < end; at += line) {
    if (bytes[at] !== LF || (lineEnd === 2 && bytes[at - 1] !== CR)) return undefined
    characters -= lineEnd
  }
  // The decoder also knows the alphabet of RFC 4648 section 5, which MIME does not have.
  if (characters % 4 !== 0 || bytes.includes(DASH) || bytes.includes(UNDERSCORE)) return undefined
  const padding = bytes[end - 1] !== EQUALS ? 0 : bytes[end - 2] === EQUALS ? 2 : 1
  return { text: bytes.toString('latin1', 0, end), octets: (characters / 4) * 3 - padding }
}

/** The same, large texts in pieces: an encrypted message of 10 MB held up the event loop for 25 ms. */
export async function decodeBase64InPieces(text: Buffer, what: string): Promise<Buffer> {
  if (text.length <= PIECE) return decodeBase64(text, what)
  const done: Buffer[] = []
  let rest = ''
  await eachPiece(text.length, (start, end) => {
    const compact = rest + withoutBlanks(text.toString('latin1', start, end))
    // Whole groups, but the last one: it may be the end, where padding belongs.
    const whole = Math.max(compact.length - 1, 0) & ~3
    done.push(octetsOf(compact.slice(0, whole), 0, what))
    rest = compact.slice(whole)
  })
  done.push(lastOctets(rest, what))
  return Buffer.concat(done)
}

function lastOctets(compact: string, what: string): Buffer {
  return octetsOf(compact, compact.endsWith('==') ? 2 : compact.endsWith('=') ? 1 : 0, what)
}

function octetsOf(compact: string, padding: number, what: string): Buffer {
  const octets = Buffer.from(compact, 'base64')
  const whole = compact.length % 4 === 0 && octets.length === (compact.length / 4) * 3 - padding
  // The decoder also knows the alphabet of RFC 4648 section 5, which MIME does not have.
  if (!whole || compact.includes('-') || compact.includes('_')) {
    throw new SsmError('malformed', `${what} is not base64, or is cut off`)
  }
  return octets
}

const BLANKS = [' ', '\t', '\r'] as const

function withoutBlanks(text: string): string {
  const lines = text.replaceAll('\n', '')
  // Looking for each of them takes 1 us for 18 KB, one search for all of them by a pattern 5 us.
  return BLANKS.some((blank) => lines.includes(blank)) ? lines.replace(/[ \t\r]+/g, '') : lines
}
