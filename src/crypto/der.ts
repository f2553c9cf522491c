/**
 * A strict DER walker (ITU-T X.690 section 10) over Buffers: definite minimal lengths, one-byte tags, views instead of
 * copies. It never guesses: whatever is not DER is refused with SsmError `malformed`. What is BER (indefinite lengths,
 * constructed strings) goes to asn1js elsewhere.
 *
 * The walker does not recurse by itself; a caller descends by `enter`, at most MAX_DEPTH levels.
 */
import { SsmError } from '../errors.js'

/** Deepest nesting a caller may descend into. A certificate needs about 9. */
export const MAX_DEPTH = 32

/** Identifier octets (X.690 section 8.1.2). */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** Context-specific tags: `context(0)` is primitive [0], `constructed(0)` is constructed [0]. */
export function context(number: number): number {
  return 0x80 | number
}

export function constructed(number: number): number {
  return 0xa0 | number
}

/** One element: its identifier octet, its whole encoding and its contents. Views, not copies, made when they are asked for. */
export interface Der {
  readonly tag: number
  readonly bytes: Buffer
  readonly value: Buffer
}

/** Header of the element at `at`: the offset where its contents begin, and the offset behind it. */
interface Extent {
  readonly start: number
  readonly end: number
}

/** A view costs 0.2 µs and a message has some eighty elements, most of which are only passed by or entered. */
class Element implements Der {
  readonly tag: number
  readonly start: number
  readonly end: number
  readonly #all: Buffer
  readonly #at: number

  constructor(all: Buffer, at: number, { start, end }: Extent) {
    this.tag = all[at] ?? -1
    this.start = start
    this.end = end
    this.#all = all
    this.#at = at
  }

  get bytes(): Buffer {
    return this.#all.subarray(this.#at, this.end)
  }

  get value(): Buffer {
    return this.#all.subarray(this.start, this.end)
  }
}

/** Reads elements one after the other. `what` names the structure in errors. */
export class DerReader {
  readonly #bytes: Buffer
  readonly #what: string
  readonly #depth: number
  /** Where the elements begin and end, in the bytes. */
  readonly #start: number
  readonly #end: number
  #at: number

  /** `window`: the part of the bytes to read; default all. */
  constructor(bytes: Uint8Array, what: string, depth = 0, window: Extent = { start: 0, end: bytes.length }) {
    this.#bytes = asBuffer(bytes)
    this.#what = what
    this.#depth = depth
    this.#at = this.#start = window.start
    this.#end = window.end
    if (depth > MAX_DEPTH) throw malformed(what, `is nested deeper than ${MAX_DEPTH} levels`)
  }

  /** Is everything read? */
  get done(): boolean {
    return this.#at >= this.#end
  }

  /** The identifier octet of the next element, or -1 at the end. */
  peek(): number {
    return this.done ? -1 : (this.#bytes[this.#at] ?? -1)
  }

  /** The next element, whatever it is. */
  any(): Der {
    return this.#element()
  }

  /** The next element, which must have this tag. */
  next(tag: number): Der {
    return this.#expected(tag)
  }

  /** The next element when it has this tag. */
  optional(tag: number): Der | undefined {
    return this.peek() === tag ? this.#element() : undefined
  }

  /** A reader on the contents of the next element, which must have this tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.#bytes, this.#what, this.#depth + 1, this.#expected(tag))
  }

  /** A reader on the contents of the next element when it has this tag. */
  enterOptional(tag: number): DerReader | undefined {
    return this.peek() === tag ? this.enter(tag) : undefined
  }

  /** Throws when something is left. */
  finish(): void {
    if (!this.done) throw malformed(this.#what, `has ${this.#end - this.#at} bytes too many`)
  }

  #element(): Element {
    const at = this.#at
    const extent = extentAt(this.#bytes, at, this.#what, this.#start, this.#end)
    this.#at = extent.end
    return new Element(this.#bytes, at, extent)
  }

  #expected(tag: number): Element {
    if (this.peek() !== tag) {
      const offset = this.#at - this.#start
      throw malformed(this.#what, `has ${nameOf(this.peek())} at offset ${offset} where ${nameOf(tag)} belongs`)
    }
    return this.#element()
  }
}

/** The one element that `bytes` are: nothing may follow it. */
export function parseDer(bytes: Uint8Array, tag: number, what: string): Der {
  const reader = new DerReader(bytes, what)
  const element = reader.next(tag)
  reader.finish()
  return element
}

/** A reader on the contents of the one element that `bytes` are: nothing may follow it. */
export function enterDer(bytes: Uint8Array, tag: number, what: string): DerReader {
  const outer = new DerReader(bytes, what)
  const reader = outer.enter(tag)
  outer.finish()
  return reader
}

/** A view of the same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Contents of a DER INTEGER that must be small and not negative. */
export function smallInteger(value: Buffer, what: string): number {
  assertInteger(value, what)
  if (value.length > 4 || (value[0] ?? 0x80) >= 0x80) throw malformed(what, 'has a number out of range')
  return value.readUIntBE(0, value.length)
}

/**
 * The same for INTEGER (0..MAX): a larger one is as good as the largest, where what is counted is never so many (a root of
 * OpenSSL's tests has a pathLenConstraint of 2^63 - 1).
 */
export function countInteger(value: Buffer, what: string): number {
  assertInteger(value, what)
  return value.length > 4 && (value[0] ?? 0x80) < 0x80 ? 0x7fff_ffff : smallInteger(value, what)
}

/** Throws unless `value` is the shortest form of an INTEGER (X.690 section 8.3.2). */
export function assertInteger(value: Buffer, what: string): void {
  const [first, second] = value
  if (first === undefined) throw malformed(what, 'has an empty number')
  if (second === undefined) return
  if ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80)) {
    throw malformed(what, 'has a number that is not in shortest form')
  }
}

/** Contents of a DER BOOLEAN. */
export function booleanValue(value: Buffer, what: string): boolean {
  if (value.length !== 1 || (value[0] !== 0x00 && value[0] !== 0xff)) throw malformed(what, 'has a damaged BOOLEAN')
  return value[0] === 0xff
}

/** The octets of a BIT STRING that has no unused bits (keys, signatures). */
export function bitStringOctets(value: Buffer, what: string): Buffer {
  if (value[0] !== 0) throw malformed(what, 'has a BIT STRING that does not end at an octet')
  return value.subarray(1)
}

/**
 * The bits of a BIT STRING of named flags as a number, bit 0 of the standard being 1 << 0. Up to 16 bits are kept.
 * Trailing zero bits, which DER forbids, are accepted: CAs in the field write them.
 */
export function bitStringFlags(value: Buffer, what: string): number {
  const unused = value[0]
  if (unused === undefined || unused > 7 || (value.length === 1 && unused !== 0)) {
    throw malformed(what, 'has a damaged BIT STRING')
  }
  let flags = 0
  for (let bit = 0; bit < 16; bit++) {
    const octet = value[1 + (bit >> 3)]
    if (octet !== undefined && (octet & (0x80 >> (bit & 7))) !== 0) flags |= 1 << bit
  }
  return flags
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime in the one form RFC 5280 section 4.1.2.5 allows. */
export function timeValue(element: Der, what: string): number {
  const generalized = element.tag === TAG.generalizedTime
  if (!generalized && element.tag !== TAG.utcTime) throw malformed(what, `has ${nameOf(element.tag)} for a time`)
  const { value } = element
  const digits = generalized ? 14 : 12
  if (value.length !== digits + 1 || value[digits] !== 0x5a) throw malformed(what, 'has a time not of the form …SSZ')
  for (let at = 0; at < digits; at++) {
    const octet = value[at] ?? 0
    if (octet < 0x30 || octet > 0x39) throw malformed(what, 'has a time with other characters than digits')
  }
  const two = (at: number): number => ((value[at] ?? 0) - 0x30) * 10 + ((value[at + 1] ?? 0) - 0x30)
  const short = two(0)
  const year = generalized ? short * 100 + two(2) : short >= 50 ? 1900 + short : 2000 + short
  const at = generalized ? 4 : 2
  return civilTime([year, two(at), two(at + 2), two(at + 4), two(at + 6), two(at + 8)], what)
}

function civilTime(
  [year, month, day, hour, minute, second]: readonly [number, number, number, number, number, number],
  what: string,
): number {
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const same = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  if (!same || hour > 23 || minute > 59 || second > 59) throw malformed(what, 'has a time that does not exist')
  return date.getTime()
}

/** The error for bytes that are not what they should be. `what` is a noun with its article, `trouble` a verb phrase. */
export function malformed(what: string, trouble: string): SsmError {
  return new SsmError('malformed', `${what} ${trouble}`)
}

/**
 * Where the element at `at` has its contents, which must end before `limit`. Shared with the CRL scanner, which makes no
 * objects per entry. `origin`: from where offsets in errors count.
 */
export function extentAt(bytes: Buffer, at: number, what: string, origin = 0, limit = bytes.length): Extent {
  const offset = at - origin
  if (at + 2 > limit) throw malformed(what, `ends at offset ${limit - origin} in the middle`)
  const tag = bytes[at] ?? 0
  const first = bytes[at + 1] ?? 0
  if ((tag & 0x1f) === 0x1f) throw malformed(what, `has a tag number over 30 at offset ${offset}`)
  let start = at + 2
  let length = first
  if (first >= 0x80) {
    const octets = first & 0x7f
    if (octets === 0 || octets > 4) throw malformed(what, `has a length at offset ${offset} that DER does not allow`)
    length = 0
    for (let i = 0; i < octets; i++) length = length * 256 + (start + i < limit ? (bytes[start + i] ?? 0) : 0)
    start += octets
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) {
      throw malformed(what, `has a length at offset ${offset} that is not in shortest form`)
    }
  }
  const end = start + length
  if (end > limit) throw malformed(what, `is cut off: an element at offset ${offset} needs ${end - limit} more bytes`)
  return { start, end }
}

const TAG_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(TAG).map(([name, tag]) => [tag, name]))

function nameOf(tag: number): string {
  if (tag === -1) return 'nothing'
  return TAG_NAMES.get(tag) ?? `tag 0x${tag.toString(16).padStart(2, '0')}`
}
