/**
 * How many in the last minute, and in each minute of the last hour: a ring of small counters. Adding costs one look at a
 * clock; the memory is the same for ever.
 */
import type { Clock } from '../os/clock.js'

/** A counter covers so many ms: "the last minute" means 55 to 60 s. */
const STEP = 5000
const STEPS_PER_MINUTE = 60_000 / STEP
export const MINUTES = 60
const SLOTS = MINUTES * STEPS_PER_MINUTE

export interface Rates {
  add(count: number): void
  /** Oldest first, `MINUTES` of them; the last one is the minute that ends now. */
  minutes(): readonly number[]
}

export function createRates(clock: Pick<Clock, 'monotonic'>): Rates {
  const slots = new Uint32Array(SLOTS)
  let at = Math.floor(clock.monotonic() / STEP)

  /** Empties what the time that went by leaves behind. */
  function advance(): void {
    const now = Math.floor(clock.monotonic() / STEP)
    if (now - at >= SLOTS) slots.fill(0)
    else for (let step = at + 1; step <= now; step++) slots[step % SLOTS] = 0
    at = Math.max(at, now)
  }

  return {
    add(count) {
      advance()
      const slot = at % SLOTS
      slots[slot] = (slots[slot] ?? 0) + count
    },
    minutes() {
      advance()
      return Array.from({ length: MINUTES }, (_, minute) => {
        let sum = 0
        const newest = at - (MINUTES - 1 - minute) * STEPS_PER_MINUTE
        for (let step = newest; step > newest - STEPS_PER_MINUTE; step--) sum += slots[(step + SLOTS) % SLOTS] ?? 0
        return sum
      })
    },
  }
}
