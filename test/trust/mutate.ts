/**
 * Mutations of bytes: of any, and of DER by its elements. The same for the same random numbers.
 */
import type { Random } from './good-draft.js'

interface Place {
  readonly at: number
  readonly start: number
  readonly end: number
}

/** Offsets of all elements, as far as they can be followed. */
function elements(bytes: Buffer, from = 0, to = bytes.length, found: Place[] = []): Place[] {
  for (let at = from; at + 2 <= to && found.length < 2000;) {
    const first = bytes[at + 1] ?? 0
    const octets = first < 0x80 ? 0 : first & 0x7f
    if (octets > 4 || at + 2 + octets > to) return found
    const length = octets === 0 ? first : bytes.readUIntBE(at + 2, octets)
    const start = at + 2 + octets
    const end = start + length
    if (end > to) return found
    found.push({ at, start, end })
    const tag = bytes[at] ?? 0
    // OCTET STRINGs of extensions hold DER.
    if ((tag & 0x20) !== 0 || tag === 0x04) elements(bytes, start, end, found)
    at = end
  }
  return found
}

const NASTY = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x30, 0x31, 0xa0, 0x06, 0x1f] as const

function octet(random: Random): number {
  return random(2) === 0 ? (NASTY[random(NASTY.length)] ?? 0) : random(256)
}

type Change = (bytes: Buffer, random: Random, other: Buffer) => Buffer

/** The first three keep the length. */
const ANYWHERE: readonly Change[] = [
  (bytes, random) => {
    const at = random(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8))
    return bytes
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = octet(random)
    return bytes
  },
  (bytes, random) => {
    const at = random(bytes.length)
    bytes.copy(bytes, random(bytes.length), at, at + random(16))
    return bytes
  },
  (bytes, random) => bytes.subarray(0, random(bytes.length)),
  (bytes, random) => {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(8))])
  },
  (bytes, random) => {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), Buffer.from([octet(random), octet(random)]), bytes.subarray(at)])
  },
]

/** Puts other contents into an element and mends the lengths around it: what comes out is DER again. */
function replace(bytes: Buffer, path: readonly Place[], contents: Buffer, tag?: number): Buffer {
  let result = contents
  for (const [depth, { at, start, end }] of [...path].reverse().entries()) {
    const inner = depth === 0 ? undefined : path[path.length - depth]
    const whole = inner === undefined ? result : Buffer.concat([bytes.subarray(start, inner.at), result, bytes.subarray(inner.end, end)]) // prettier-ignore
    result = Buffer.concat([header(depth === 0 && tag !== undefined ? tag : (bytes[at] ?? 0), whole.length), whole])
  }
  return result
}

function header(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length])
  const octets: number[] = []
  for (let left = length; left > 0; left >>>= 8) octets.unshift(left & 0xff)
  return Buffer.from([tag, 0x80 | octets.length, ...octets])
}

function byElements(bytes: Buffer, random: Random, other: Buffer): Buffer {
  const all = elements(bytes)
  const chosen = all[random(all.length)]
  if (chosen === undefined) return bytes
  const around = all.filter(({ at, start, end }) => at <= chosen.at && end >= chosen.end && (at === chosen.at || start <= chosen.at)) // prettier-ignore
  const own = bytes.subarray(chosen.start, chosen.end)
  switch (random(6)) {
    case 0:
      return replace(bytes, around, Buffer.alloc(0))
    case 1:
      return replace(bytes, around, Buffer.concat([own, own]))
    case 2: {
      const foreign = elements(other)
      const taken = foreign[random(foreign.length)]
      return taken === undefined ? bytes : replace(bytes, around, other.subarray(taken.at, taken.end))
    }
    case 3:
      return replace(bytes, around, own, octet(random))
    case 4:
      return replace(bytes, around, Buffer.concat([own, bytes.subarray(chosen.at, chosen.end)]))
    default:
      return replace(bytes, around, Buffer.from(Array.from({ length: random(20) }, () => octet(random))))
  }
}

/** One to three changes. */
export function mutate(seed: Buffer, random: Random, other: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(seed)
  for (let count = 1 + random(3); count > 0 && bytes.length > 0; count--) {
    const change = random(2) === 0 ? byElements : ANYWHERE[random(ANYWHERE.length)]
    bytes = Buffer.from(change?.(bytes, random, other) ?? bytes)
  }
  return bytes
}

/** The same for text: pieces doubled, dropped, exchanged, and characters that mean something put in. */
export function mutateText(seed: string, random: Random): string {
  let text = seed
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(text.length + 1)
    const to = Math.min(text.length, at + random(30))
    const sign = ['"', "'", '\\', '\n', '*', '.*', '#', '/', ' ', '\t', '\0', '/CN=', 'ü', '('][random(14)] ?? ''
    const pieces = [text.slice(0, at) + text.slice(to), text.slice(0, to) + text.slice(at), text.slice(0, at) + sign + text.slice(at), text.slice(0, at) + sign.repeat(random(300)) + text.slice(to)] // prettier-ignore
    text = pieces[random(pieces.length)] ?? text
  }
  return text
}
