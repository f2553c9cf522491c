/** How long to wait before looking again at a subscription that had nothing: short after a message, then longer. */

export interface Polling {
  /** ms. */
  next(): number
  reset(): void
}

const FIRST_MS = 100
const FACTOR = 1.5

export function createPolling(longest: number): Polling {
  let step = FIRST_MS
  return {
    next() {
      const pause = Math.min(step, longest)
      step = Math.min(step * FACTOR, longest)
      return pause
    },
    reset() {
      step = FIRST_MS
    },
  }
}
