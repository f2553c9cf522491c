/**
 * Chance with a seed: a failure can be repeated. And what a fuzzer does to bytes: small damage, moved and repeated pieces,
 * tokens of the format, random ASN.1.
 */
export interface Chance {
  /** 0 to below 1. */
  next(): number
  /** 0 to below `limit`. */
  below(limit: number): number
  pick<T>(list: readonly T[]): T
}

/** mulberry32. */
export function createChance(seed: number): Chance {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    pick: (list) => {
      const one = list[below(list.length)]
      if (one === undefined) throw new Error('nothing to pick from')
      return one
    },
  }
}

type Mutation = (bytes: Buffer, chance: Chance, others: readonly Buffer[]) => Buffer

const INTERESTING = [
  0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x0a, 0x0d, 0x24, 0x30, 0x31, 0x7f, 0x80, 0x82, 0x84, 0xa0, 0xff,
]

const splice = (bytes: Buffer, at: number, drop: number, put: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(Math.min(bytes.length, at + drop))])

const MUTATIONS: readonly Mutation[] = [
  (bytes, chance) => splice(bytes, chance.below(bytes.length + 1), 1, Buffer.of(chance.below(256))),
  (bytes, chance) => splice(bytes, chance.below(bytes.length + 1), 1, Buffer.of(chance.pick(INTERESTING))),
  (bytes, chance) => splice(bytes, chance.below(bytes.length + 1), 0, Buffer.of(chance.pick(INTERESTING))),
  (bytes, chance) => splice(bytes, chance.below(bytes.length + 1), 1 + chance.below(40), Buffer.alloc(0)),
  (bytes, chance) => bytes.subarray(0, chance.below(bytes.length + 1)),
  (bytes, chance) => {
    const from = chance.below(bytes.length + 1)
    const piece = bytes.subarray(from, from + 1 + chance.below(200))
    return splice(bytes, chance.below(bytes.length + 1), 0, piece)
  },
  (bytes, chance) => {
    const piece = bytes.subarray(chance.below(bytes.length + 1)).subarray(0, 1 + chance.below(20))
    const times = 1 + chance.below(200)
    return splice(bytes, chance.below(bytes.length + 1), 0, Buffer.concat(Array.from({ length: times }, () => piece)))
  },
  (bytes, chance, others) => {
    const other = chance.pick(others)
    const from = chance.below(other.length + 1)
    return splice(
      bytes,
      chance.below(bytes.length + 1),
      chance.below(100),
      other.subarray(from, from + chance.below(400)),
    )
  },
  (bytes, chance) => {
    const at = chance.below(bytes.length + 1)
    const copy = Buffer.from(bytes)
    if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << chance.below(8))
    return copy
  },
]

/** Largest input that a mutation makes, octets. */
const MAX_INPUT = 65_536

/** One to four changes. `tokens` are words of the format, put in or in place of something. */
export function mutate(
  bytes: Buffer,
  chance: Chance,
  others: readonly Buffer[],
  tokens: readonly Buffer[] = [],
): Buffer {
  let changed = bytes
  for (let count = 1 + chance.below(4); count > 0; count--) {
    if (tokens.length > 0 && chance.next() < 0.3) {
      changed = splice(changed, chance.below(changed.length + 1), chance.below(20), chance.pick(tokens))
    } else {
      changed = chance.pick(MUTATIONS)(changed, chance, others)
    }
  }
  return changed.subarray(0, MAX_INPUT)
}

const TAGS = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x17, 0x18, 0x80, 0x81, 0x82]
const NESTED = [0x30, 0x31, 0xa0, 0xa1, 0xa3, 0x24]

/** Random ASN.1, now and then with lengths that lie, indefinite ones, tags that belong nowhere. */
export function randomAsn1(chance: Chance, depth = 0): Buffer {
  const nested = depth < 12 && chance.next() < 0.6
  const tag = chance.next() < 0.02 ? chance.below(256) : chance.pick(nested ? NESTED : TAGS)
  const contents = nested
    ? Buffer.concat(Array.from({ length: chance.below(5) }, () => randomAsn1(chance, depth + 1)))
    : Buffer.from(Array.from({ length: chance.below(12) }, () => chance.below(256)))
  if (nested && chance.next() < 0.2) return Buffer.concat([Buffer.of(tag, 0x80), contents, Buffer.of(0, 0)])
  const length = chance.next() < 0.02 ? chance.below(70_000) : contents.length
  return Buffer.concat([Buffer.of(tag), lengthOctets(length), contents])
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, (length >> 8) & 0xff, length & 0xff)
}
