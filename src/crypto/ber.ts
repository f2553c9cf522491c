/**
 * BER as CMS writers in the field use it (ITU-T X.690 section 8), turned into DER-like bytes for the strict walker:
 * indefinite lengths become definite ones, constructed octet strings primitive ones; elements that need no change keep
 * their bytes. `openssl smime -stream` and Java write so.
 *
 * Own code of a hundred lines rather than asn1js: one linear pass over the bytes instead of an object per element, and
 * limits of ours. It is tested against asn1js.
 */
import { SsmError } from '../errors.js'

/** Deepest nesting; a signed message needs about 12. */
const MAX_DEPTH = 24
/**
 * Most elements: so many, and one more for every 64 octets. A signed message with a chain has 500; a streamed one has a piece
 * for each KiB or more. Each costs 300 octets of memory here, which must not be hundred times what came.
 */
const MIN_ELEMENTS = 20_000
const OCTETS_AN_ELEMENT = 64

const OCTET_STRING = 0x04
const CONSTRUCTED = 0x20

/** Bytes in pieces, so that nothing is copied before the end. */
interface Pieces {
  readonly list: readonly Buffer[]
  readonly length: number
}

interface Walk {
  readonly bytes: Buffer
  readonly what: string
  readonly maxElements: number
  at: number
  elements: number
}

/** The definite-length form of one element. Throws SsmError `malformed` or `limit`. */
export function definiteForm(bytes: Buffer, what: string): Buffer {
  const maxElements = MIN_ELEMENTS + Math.floor(bytes.length / OCTETS_AN_ELEMENT)
  const walk: Walk = { bytes, what, maxElements, at: 0, elements: 0 }
  const pieces = element(walk, bytes.length, 0)
  if (walk.at !== bytes.length) throw new SsmError('malformed', `${what} has ${bytes.length - walk.at} bytes too many`)
  return Buffer.concat(pieces.list, pieces.length)
}

/** Reads one element that ends at `limit` at the latest. */
function element(walk: Walk, limit: number, depth: number): Pieces {
  if (++walk.elements > walk.maxElements) {
    throw new SsmError('limit', `${walk.what} has more than ${walk.maxElements} elements`)
  }
  if (depth > MAX_DEPTH) throw new SsmError('limit', `${walk.what} is nested deeper than ${MAX_DEPTH} levels`)
  const start = walk.at
  const tag = walk.bytes[walk.at++] ?? 0
  const length = readLength(walk, limit)
  if ((tag & CONSTRUCTED) === 0) {
    if (length === undefined) throw damaged(walk, 'has a primitive element without a length', start)
    walk.at += length
    return whole(walk.bytes.subarray(start, walk.at))
  }
  const children = childrenOf(walk, length === undefined ? limit : walk.at + length, length === undefined, depth)
  if (tag === (OCTET_STRING | CONSTRUCTED)) return octetString(walk, children)
  const inner = joined(children)
  return joined([whole(header(tag, inner.length)), inner])
}

/** Undefined for the indefinite form. */
function readLength(walk: Walk, limit: number): number | undefined {
  const start = walk.at
  const tag = walk.bytes[start - 1] ?? 0
  const first = walk.bytes[walk.at++]
  if (first === undefined || walk.at > limit) throw damaged(walk, 'is cut off', start)
  if ((tag & 0x1f) === 0x1f) throw damaged(walk, 'has a tag number over 30', start)
  if (first === 0x80) return undefined
  let length = first
  if (first > 0x80) {
    const octets = first & 0x7f
    if (octets > 6 || walk.at + octets > limit) throw damaged(walk, 'has a damaged length', start)
    length = walk.bytes.readUIntBE(walk.at, octets)
    walk.at += octets
  }
  if (walk.at + length > limit) throw damaged(walk, 'is cut off', start)
  return length
}

function childrenOf(walk: Walk, end: number, indefinite: boolean, depth: number): readonly Pieces[] {
  const children: Pieces[] = []
  for (;;) {
    if (indefinite) {
      if (walk.at + 2 > end) throw damaged(walk, 'is cut off', walk.at)
      if (walk.bytes[walk.at] === 0 && walk.bytes[walk.at + 1] === 0) {
        walk.at += 2
        return children
      }
    } else if (walk.at === end) {
      return children
    }
    children.push(element(walk, end, depth + 1))
  }
}

/** A constructed octet string is the concatenation of its parts, which are octet strings too (X.690 section 8.7). */
function octetString(walk: Walk, children: readonly Pieces[]): Pieces {
  const contents = children.map((child) => stripHeader(walk, child))
  const inner = joined(contents)
  return joined([whole(header(OCTET_STRING, inner.length)), inner])
}

/** Contents of an octet string in pieces: its header is at the beginning of the first one. */
function stripHeader(walk: Walk, pieces: Pieces): Pieces {
  const [first, ...rest] = pieces.list
  if (first?.[0] !== OCTET_STRING) throw damaged(walk, 'has an octet string made of other things', walk.at)
  const lengthOctet = first[1] ?? 0
  const skip = 2 + (lengthOctet > 0x80 ? lengthOctet & 0x7f : 0)
  return { list: [first.subarray(skip), ...rest], length: pieces.length - skip }
}

function joined(parts: readonly Pieces[]): Pieces {
  return { list: parts.flatMap((part) => part.list), length: parts.reduce((sum, part) => sum + part.length, 0) }
}

function whole(bytes: Buffer): Pieces {
  return { list: [bytes], length: bytes.length }
}

function header(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length])
  const octets: number[] = []
  for (let left = length; left > 0; left = Math.floor(left / 256)) octets.unshift(left & 0xff)
  return Buffer.from([tag, 0x80 | octets.length, ...octets])
}

function damaged(walk: Walk, trouble: string, at: number): SsmError {
  return new SsmError('malformed', `${walk.what} ${trouble} at offset ${at}`)
}
