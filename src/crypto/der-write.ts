/**
 * Writes DER: just what certificates, CRLs and signed messages need.
 */
import { TAG } from './der.js'
import { encodeOid } from './oid.js'

/** An element with this identifier octet and these contents. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of contents) length += part.length
  return Buffer.concat([header(tag, length), ...contents])
}

/**
 * The same, not yet put together: nested around large contents it copies them once and not once a level (10 MB in five levels are
 * 50 ms, 14 KB 8 us).
 */
export function laidOut(tag: number, ...contents: readonly Uint8Array[]): readonly Uint8Array[] {
  let length = 0
  for (const part of contents) length += part.length
  return [header(tag, length), ...contents]
}

function header(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length])
  const octets: number[] = []
  for (let left = length; left > 0; left = Math.floor(left / 256)) octets.unshift(left & 0xff)
  return Buffer.from([tag, 0x80 | octets.length, ...octets])
}

export function sequence(...contents: readonly Uint8Array[]): Buffer {
  return element(TAG.sequence, ...contents)
}

/** SET OF: elements in ascending order of their encodings (X.690 section 11.6). */
export function setOf(...contents: readonly Uint8Array[]): Buffer {
  return element(TAG.set, ...[...contents].sort((a, b) => Buffer.compare(a, b)))
}

/** Ours are a few dozen, written again and again (2 us each). Bounded, should somebody issue with many. */
const written = new Map<string, Buffer>()
const MAX_WRITTEN = 1000

/** To be put into something: not to be changed. */
export function oid(dotted: string): Buffer {
  const known = written.get(dotted)
  if (known !== undefined) return known
  const made = element(TAG.oid, encodeOid(dotted))
  if (written.size >= MAX_WRITTEN) written.clear()
  written.set(dotted, made)
  return made
}

/** INTEGER in shortest form. */
export function integer(value: bigint | number): Buffer {
  let left = BigInt(value)
  const octets: number[] = []
  for (;;) {
    octets.unshift(Number(left & 0xffn))
    left >>= 8n
    const negative = ((octets[0] ?? 0) & 0x80) !== 0
    if ((left === 0n && !negative) || (left === -1n && negative)) break
  }
  return element(TAG.integer, Buffer.from(octets))
}

export function octetString(contents: Uint8Array): Buffer {
  return element(TAG.octetString, contents)
}

/** BIT STRING of whole octets. */
export function bitString(contents: Uint8Array): Buffer {
  return element(TAG.bitString, Buffer.from([0]), contents)
}

export const derNull: Buffer = Buffer.from([TAG.null, 0])

/** UTCTime through 2049, GeneralizedTime otherwise (RFC 5280 section 4.1.2.5). `at` in ms since the epoch. */
export function time(at: number): Buffer {
  const text = `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  const year = Number(text.slice(0, 4))
  if (year < 1950 || year > 2049) return element(TAG.generalizedTime, Buffer.from(text, 'latin1'))
  return element(TAG.utcTime, Buffer.from(text.slice(2), 'latin1'))
}
