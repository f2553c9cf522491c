/**
 * Names of directory queues: `SSSSSSSS/SSSSSSSSMMMMMR`. Seconds and microseconds in hex and one digit chosen per queue object.
 */
import { randomInt } from 'node:crypto'
import type { Clock } from '../os/clock.js'

const INTERMEDIATE = /^[0-9a-f]{8}$/
const ELEMENT = /^[0-9a-f]{14}$/
const ELEMENT_PATH = /^([0-9a-f]{8})\/([0-9a-f]{14})$/

export function isIntermediateName(name: string): boolean {
  return name.length === 8 && INTERMEDIATE.test(name)
}

export function isElementName(name: string): boolean {
  return name.length === 14 && ELEMENT.test(name)
}

/** Splits `8hex/14hex`. undefined for everything else: an id may come from anywhere. */
export function parseElementPath(id: string): { readonly directory: string; readonly name: string } | undefined {
  // The length check is not only cheap: `$` must never let a final line break pass.
  if (id.length !== 23) return undefined
  const match = ELEMENT_PATH.exec(id)
  const directory = match?.[1]
  const name = match?.[2]
  return directory === undefined || name === undefined ? undefined : { directory, name }
}

/** The time an element name stands for, in ms since the epoch. */
export function timeOfName(name: string): number {
  return Number.parseInt(name.slice(0, 8), 16) * 1000
}

/** The same, to the millisecond. */
export function momentOfName(name: string): number {
  return timeOfName(name) + Math.floor(Number.parseInt(name.slice(8, 13), 16) / 1000)
}

/** Makes names that rise, a fresh time each. */
export interface NameMaker {
  element(): string
  intermediate(): string
}

/**
 * Microseconds come from the monotonic clock, anchored to the wall clock and anchored again as soon as the two differ by
 * more than 2 ms (a step, a suspension, drift): the wall clock alone has milliseconds only.
 */
export function createNameMaker(clock: Clock, granularity = 60, digit = randomInt(16)): NameMaker {
  const tail = (digit & 15).toString(16)
  let anchor = Number.NEGATIVE_INFINITY
  let last = 0

  function microseconds(): number {
    const wall = clock.now()
    const monotonic = clock.monotonic()
    if (!(Math.abs(anchor + monotonic - wall) <= 2)) anchor = wall - monotonic
    const now = Math.floor((anchor + monotonic) * 1000)
    // Two names within one microsecond; a real step back of the clock is larger and is followed.
    last = now <= last && last - now < 1000 ? last + 1 : now
    return last
  }

  return {
    element() {
      const now = microseconds()
      const seconds = Math.floor(now / 1e6)
      return seconds.toString(16).padStart(8, '0') + (now - seconds * 1e6).toString(16).padStart(5, '0') + tail
    },
    intermediate() {
      const seconds = Math.floor(clock.now() / 1000)
      return (granularity > 1 ? seconds - (seconds % granularity) : seconds).toString(16).padStart(8, '0')
    },
  }
}

/**
 * Element names, sorted, eight bytes each: a million strings of fourteen characters would take 40 MB, this takes 8.
 * Each name is 56 bits: two 32-bit halves that a 64-bit view sorts as numbers (all platforms of node are little-endian).
 */
export class PackedNames {
  #words = new Uint32Array(128)
  #count = 0

  get length(): number {
    return this.#count
  }

  push(name: string): void {
    if (this.#count * 2 === this.#words.length) {
      const grown = new Uint32Array(this.#words.length * 2)
      grown.set(this.#words)
      this.#words = grown
    }
    this.#words[this.#count * 2] = Number.parseInt(name.slice(6), 16)
    this.#words[this.#count * 2 + 1] = Number.parseInt(name.slice(0, 6), 16)
    this.#count += 1
  }

  sort(): void {
    new BigUint64Array(this.#words.buffer, 0, this.#count).sort()
  }

  at(index: number): string {
    const low = this.#words[index * 2] ?? 0
    const high = this.#words[index * 2 + 1] ?? 0
    return high.toString(16).padStart(6, '0') + low.toString(16).padStart(8, '0')
  }
}
