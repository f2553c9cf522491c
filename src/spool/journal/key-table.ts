/**
 * The keys of a million messages in 40 MB: per message 16 bytes of key, a time, its signer, the next of the same signer;
 * and three open hash tables of slot numbers. Typed arrays throughout: no object per message.
 *
 *   words     signature (8 bytes), content (8 bytes)      pairs       by both: one each
 *   next      from the oldest to the newest of a signer   signatures  the newest of each signature
 *                                                         contents    the newest of each content
 *
 * No signer holds more than a share: beyond it the oldest of *that* signer goes. When all is full, the oldest of all.
 */
import type { MessageKey } from './record.js'

const NONE = 0xffffffff
/** Slots of an index per message. Nearly full tables are slow to miss (about 30 looks), and 40 MB is the budget. */
const SLOTS = 1.15
const FIRST_CAPACITY = 1024
/** Signers have 16 bits; those beyond share the number 0. */
const MAX_SIGNERS = 65_535

/** Open addressing with linear probing; deletion moves what follows back (Knuth, 6.4 R). */
class Index {
  readonly #hash: (entry: number) => number
  readonly #same: (a: number, b: number) => boolean
  #slots = new Uint32Array(0)

  constructor(hash: (entry: number) => number, same: (a: number, b: number) => boolean) {
    this.#hash = hash
    this.#same = same
  }

  get byteLength(): number {
    return this.#slots.byteLength
  }

  /** Forgets everything. */
  resize(entries: number): void {
    this.#slots = new Uint32Array(Math.ceil(entries * SLOTS) + 1)
  }

  #slotOf(entry: number): number {
    const slots = this.#slots
    let slot = this.#hash(entry) % slots.length
    for (let at = slots[slot] ?? 0; at !== 0 && !this.#same(at - 1, entry); at = slots[slot] ?? 0) {
      slot = slot + 1 === slots.length ? 0 : slot + 1
    }
    return slot
  }

  /** The entry that is the same as `entry`, or NONE. */
  find(entry: number): number {
    const at = this.#slots[this.#slotOf(entry)] ?? 0
    return at === 0 ? NONE : at - 1
  }

  /** Takes the place of one that is the same. */
  set(entry: number): void {
    this.#slots[this.#slotOf(entry)] = entry + 1
  }

  /** Removes this very entry, not one that took its place. */
  remove(entry: number): void {
    const slots = this.#slots
    let hole = this.#slotOf(entry)
    if (slots[hole] !== entry + 1) return
    for (let slot = hole; ;) {
      slot = slot + 1 === slots.length ? 0 : slot + 1
      const at = slots[slot] ?? 0
      if (at === 0) break
      const home = this.#hash(at - 1) % slots.length
      // Stays where its home lies between the hole and itself, cyclically.
      if (hole <= slot ? hole < home && home <= slot : hole < home || home <= slot) continue
      slots[hole] = at
      hole = slot
    }
    slots[hole] = 0
  }
}

interface Signer {
  readonly number: number
  count: number
  oldest: number
  newest: number
}

export interface KeyTableLimits {
  /** Messages in all. */
  readonly count: number
  /** Seconds after which a key counts no more. */
  readonly age: number
}

/** When each was stored, seconds since the epoch; undefined: never, or forgotten. */
export interface Found {
  /** The same signature under the same id. */
  readonly pair: number | undefined
  /** The same signature, whatever the id. */
  readonly signature: number | undefined
  /** The same signer, id and content, whatever the signature. */
  readonly content: number | undefined
}

export class KeyTable {
  readonly #limits: KeyTableLimits
  readonly #share: number
  #capacity = 0
  /** One more than the capacity: the last holds what is looked for. */
  #words = new Uint32Array(4)
  #times = new Uint32Array(0)
  #next = new Uint32Array(0)
  #owners = new Uint16Array(0)
  #used = 0
  #free = NONE
  #count = 0
  readonly #signers = new Map<string, Signer>()
  readonly #freeNumbers: number[] = []
  #numbers = 1

  readonly #word = (entry: number, word: number): number => this.#words[entry * 4 + word] ?? 0
  readonly #sameSignature = (a: number, b: number): boolean =>
    this.#word(a, 0) === this.#word(b, 0) && this.#word(a, 1) === this.#word(b, 1)
  readonly #sameContent = (a: number, b: number): boolean =>
    this.#word(a, 2) === this.#word(b, 2) && this.#word(a, 3) === this.#word(b, 3)
  readonly #pairs = new Index(
    (entry) => (this.#word(entry, 1) ^ this.#word(entry, 3)) >>> 0,
    (a, b) => this.#sameSignature(a, b) && this.#sameContent(a, b),
  )
  readonly #signatures = new Index((entry) => this.#word(entry, 0), this.#sameSignature)
  readonly #contents = new Index((entry) => this.#word(entry, 2), this.#sameContent)

  constructor(limits: KeyTableLimits) {
    this.#limits = limits
    this.#share = Math.max(1, Math.floor(limits.count / 4))
    this.#resize(Math.min(FIRST_CAPACITY, limits.count))
  }

  get size(): number {
    return this.#count
  }

  /** Bytes of the typed arrays. */
  get byteLength(): number {
    const arrays = [this.#words, this.#times, this.#next, this.#owners]
    const indexes = [this.#pairs, this.#signatures, this.#contents]
    return [...arrays, ...indexes].reduce((sum, each) => sum + each.byteLength, 0)
  }

  /** How many messages of this signer are known. */
  countOf(signer: string): number {
    return this.#signers.get(signer)?.count ?? 0
  }

  /** `now` in seconds. */
  find(key: MessageKey, now: number): Found {
    const signer = this.#signers.get(key.signer)
    const probe = this.#capacity
    this.#write(probe, key)
    const time = (index: Index): number | undefined => {
      const entry = index.find(probe)
      // Another signer's with the same 64 bits would be a collision he made: it never counts.
      if (entry === NONE || signer === undefined || this.#owners[entry] !== signer.number) return undefined
      const stored = this.#times[entry] ?? 0
      return stored + this.#limits.age < now ? undefined : stored
    }
    return { pair: time(this.#pairs), signature: time(this.#signatures), content: time(this.#contents) }
  }

  /** Notes a message that is stored. One that is known already gets nothing. */
  add(key: MessageKey, seconds: number): void {
    const signer = this.#signerOf(key.signer)
    // First of all: what came again when it was forgotten counts anew.
    while (this.#isStale(signer, seconds)) this.#evict(signer)
    this.#write(this.#capacity, key)
    if (this.#pairs.find(this.#capacity) !== NONE) return
    while (signer.count >= this.#share) this.#evict(signer)
    if (this.#count >= this.#limits.count) this.#evictOldest(signer)
    if (this.#free === NONE && this.#used === this.#capacity) {
      this.#resize(Math.min(this.#capacity * 2, this.#limits.count))
    }
    const entry = this.#take()
    this.#write(entry, key)
    this.#times[entry] = Math.max(0, Math.min(seconds, NONE))
    this.#owners[entry] = signer.number
    this.#append(signer, entry)
    for (const index of [this.#pairs, this.#signatures, this.#contents]) index.set(entry)
  }

  #write(entry: number, { signature, content }: MessageKey): void {
    this.#words[entry * 4] = Number.parseInt(signature.slice(0, 8), 16)
    this.#words[entry * 4 + 1] = Number.parseInt(signature.slice(8), 16)
    this.#words[entry * 4 + 2] = Number.parseInt(content.slice(0, 8), 16)
    this.#words[entry * 4 + 3] = Number.parseInt(content.slice(8), 16)
  }

  #signerOf(name: string): Signer {
    const known = this.#signers.get(name)
    if (known !== undefined) return known
    const number = this.#freeNumbers.pop() ?? (this.#numbers < MAX_SIGNERS ? this.#numbers++ : 0)
    const signer = { number, count: 0, oldest: NONE, newest: NONE }
    // A copy: the name may be a piece of a megabyte of journal, which it would keep in memory.
    this.#signers.set(Buffer.from(name, 'latin1').toString('latin1'), signer)
    return signer
  }

  #isStale(signer: Signer, now: number): boolean {
    return signer.count > 0 && (this.#times[signer.oldest] ?? 0) + this.#limits.age < now
  }

  #take(): number {
    if (this.#free === NONE) return this.#used++
    const entry = this.#free
    this.#free = this.#next[entry] ?? NONE
    return entry
  }

  #append(signer: Signer, entry: number): void {
    this.#next[entry] = NONE
    if (signer.count === 0) signer.oldest = entry
    else this.#next[signer.newest] = entry
    signer.newest = entry
    signer.count += 1
    this.#count += 1
  }

  #evict(signer: Signer): void {
    const entry = signer.oldest
    for (const index of [this.#pairs, this.#signatures, this.#contents]) index.remove(entry)
    signer.oldest = this.#next[entry] ?? NONE
    signer.count -= 1
    this.#count -= 1
    this.#next[entry] = this.#free
    this.#free = entry
  }

  /** Of all signers; a walk over the signers, of which there are some thousands. `adding` stays known. */
  #evictOldest(adding: Signer): void {
    let found: { readonly name: string; readonly signer: Signer } | undefined
    let oldest = Number.POSITIVE_INFINITY
    for (const [name, signer] of this.#signers) {
      const time = signer.count === 0 ? Number.POSITIVE_INFINITY : (this.#times[signer.oldest] ?? 0)
      if (time >= oldest) continue
      oldest = time
      found = { name, signer }
    }
    if (found === undefined) return
    this.#evict(found.signer)
    if (found.signer.count > 0 || found.signer === adding) return
    this.#signers.delete(found.name)
    if (found.signer.number !== 0) this.#freeNumbers.push(found.signer.number)
  }

  #resize(capacity: number): void {
    const { length } = this.#times
    this.#words = grown(new Uint32Array((capacity + 1) * 4), this.#words.subarray(0, length * 4))
    this.#times = grown(new Uint32Array(capacity), this.#times)
    this.#next = grown(new Uint32Array(capacity), this.#next)
    this.#owners = grown(new Uint16Array(capacity), this.#owners)
    this.#capacity = capacity
    for (const index of [this.#pairs, this.#signatures, this.#contents]) {
      index.resize(capacity)
      // From old to new within a signer: of the same signature or content, the newest stays.
      for (const { oldest } of this.#signers.values()) {
        for (let entry = oldest; entry !== NONE; entry = this.#next[entry] ?? NONE) index.set(entry)
      }
    }
  }
}

function grown<A extends Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>>(larger: A, old: A): A {
  larger.set(old)
  return larger
}
