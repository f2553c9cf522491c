/**
 * Time as an argument: everything that waits or stamps takes a Clock, so that tests can jump and never sleep.
 */
import { setTimeout as after } from 'node:timers/promises'
import { SsmError } from '../errors.js'

/** The wall clock, a monotonic clock, and an abortable sleep. All in milliseconds. */
export interface Clock {
  /** Wall clock: milliseconds since the epoch. May step. */
  now(): number
  /** Monotonic: milliseconds since some start, with a fraction. Never steps. */
  monotonic(): number
  /** Resolves after `ms`; rejects with SsmError `aborted` when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await after(ms, undefined, signal === undefined ? {} : { signal })
    } catch (cause) {
      throw new SsmError('aborted', 'the wait was aborted', { cause })
    }
  },
}
