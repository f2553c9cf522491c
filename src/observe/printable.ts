/**
 * The one function that makes outside text (ids, DNs, broker texts, file names) safe to print: on a terminal it cannot
 * move the cursor or re-order what is shown, in a log it cannot begin a line of its own.
 */

/** Lengths in UTF-16 units of what comes out. */
export const PRINTABLE_LIMITS = {
  /** A value in a log line. */
  value: 256,
  /** The stored `empaid` of a message. */
  empaid: 1024,
  /** A sentence of ours that may hold several values. */
  sentence: 2048,
} as const

// Nearly every id and DN is plain ASCII and goes through untouched. 3 500 messages/s log four lines each.
const PLAIN = /^[\x20-\x7e]*$/

// C0, DEL, C1; soft hyphen; Arabic letter mark; zero-width and bidi marks (Unicode UAX #9); line and paragraph separator;
// bidi embeddings and overrides; word joiner, invisible operators, bidi isolates; byte order mark, interlinear marks;
// surrogates without a partner (the `u` flag makes this class match only those); tag characters.
const UNSAFE =
  // eslint-disable-next-line no-control-regex -- control characters are what this is about
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e007f}]/u

const SHORT = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

/**
 * `outside` with everything invisible or harmful shown as an escape (`\n`, `\x1b`, `\u202e`), cut to `limit` characters
 * (the last one is then `…`). Bytes are read as UTF-8; those that are not appear as `\xNN`. Never throws.
 */
export function printable(outside: string | Uint8Array, limit: number = PRINTABLE_LIMITS.value): string {
  if (typeof outside !== 'string') return printableBytes(outside, limit)
  if (outside.length <= limit && PLAIN.test(outside)) return outside
  // A character gives at least one: what lies beyond the limit cannot be shown.
  return cut(charactersOf(outside.slice(0, limit + 2)), limit, outside.length > limit + 2)
}

function* charactersOf(text: string): Iterable<string> {
  for (const character of text) yield UNSAFE.test(character) ? escaped(character) : character
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code <= 0xff) return SHORT.get(character) ?? `\\x${code.toString(16).padStart(2, '0')}`
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`
}

/** Joins whole pieces, so that neither an escape nor a surrogate pair is cut in two. */
function cut(pieces: Iterable<string>, limit: number, more: boolean): string {
  let text = ''
  let short = '' // what fits when the mark must fit too
  for (const piece of pieces) {
    if (text.length + piece.length > limit) return `${short}…`
    text += piece
    if (text.length < limit) short = text
  }
  return more ? `${short}…` : text
}

function printableBytes(bytes: Uint8Array, limit: number): string {
  // 4 bytes a character at most, and one whole sequence more.
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 4 * limit + 8))
  const text = head.toString('utf8')
  const more = head.byteLength < bytes.byteLength
  if (!more && Buffer.from(text, 'utf8').equals(head)) return printable(text, limit)
  return cut(charactersOfBytes(head), limit, more)
}

function* charactersOfBytes(bytes: Buffer): Iterable<string> {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at] ?? 0)
    const character = length === 0 ? undefined : decoded(strict, bytes.subarray(at, at + length))
    if (character === undefined) {
      yield `\\x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`
      at += 1
    } else {
      yield* charactersOf(character)
      at += length
    }
  }
}

/** Length of the UTF-8 sequence that this byte begins (RFC 3629 section 3); 0 = it begins none. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1
  if (first < 0xc2) return 0
  if (first < 0xe0) return 2
  if (first < 0xf0) return 3
  return first < 0xf5 ? 4 : 0
}

function decoded(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined // a fatal decoder throws for one reason only: not UTF-8
  }
}
