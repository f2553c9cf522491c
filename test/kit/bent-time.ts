/**
 * Time in the hands of a test, for programs that run in this process: both clocks may jump, waits pass faster. What the
 * kernel stamps on files stays true, as it does when only one machine of two has a wrong clock.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'

export interface BentTime extends Disposable {
  /** The wall clock jumps by so many ms. */
  step(ms: number): void
  /** The machine slept so long: both clocks go on. */
  suspend(ms: number): void
}

type Timers = Record<'setTimeout', (ms: number, value?: unknown, options?: object) => Promise<unknown>>

/** Pauses between attempts nearly vanish; what limits an attempt stays long enough for a busy machine. */
function hurried(ms: number): number {
  if (ms < 100) return ms
  return ms === 10_000 ? 1000 : ms / 1000
}

/** Bends time until it is disposed. */
export function bendTime(): BentTime {
  const timers = createRequire(import.meta.url)('node:timers/promises') as Timers
  const real = { sleep: timers.setTimeout, now: Date.now, monotonic: performance.now.bind(performance) }
  let wall = 0
  let monotonic = 0
  timers.setTimeout = (ms, value, options) => real.sleep(hurried(ms), value, options)
  syncBuiltinESMExports()
  Date.now = () => real.now() + wall
  performance.now = () => real.monotonic() + monotonic
  return {
    step(ms) {
      wall += ms
    },
    suspend(ms) {
      wall += ms
      monotonic += ms
    },
    [Symbol.dispose]() {
      timers.setTimeout = real.sleep
      syncBuiltinESMExports()
      Date.now = real.now
      performance.now = real.monotonic
    },
  }
}
