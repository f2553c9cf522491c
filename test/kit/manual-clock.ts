/** A clock that stands still until a test moves it; sleeping moves it at once. */
import type { Clock } from '../../src/os/clock.js'

export interface ManualClock extends Clock {
  /** Both clocks go on by so many ms. */
  advance(ms: number): void
  /** The wall clock alone jumps. */
  step(ms: number): void
}

export function createManualClock(start = Date.now()): ManualClock {
  let wall = start
  let monotonic = 1000
  const advance = (ms: number): void => {
    wall += ms
    monotonic += ms
  }
  return {
    now: () => Math.floor(wall),
    monotonic: () => monotonic,
    sleep(ms) {
      advance(ms)
      return Promise.resolve()
    },
    advance,
    step(ms) {
      wall += ms
    },
  }
}
