/**
 * When to try again: 1 s doubling to 60 s with jitter for what stays, 5 s apart and a minute at most for a one-shot run.
 */
import { isSsmError } from '../errors.js'
import type { Clock } from '../os/clock.js'

/** First delay and ceiling of the back-off, ms. */
export interface RetryLimits {
  readonly first: number
  readonly ceiling: number
}

export const RETRY: RetryLimits = { first: 1000, ceiling: 60_000 }

/** Between two tries of a one-shot run, and for how long it may be without a connection, ms. */
export const ONE_SHOT = { pause: 5000, patience: 60_000 } as const

/** Delays that double up to the ceiling; each is between half and all of its step, so that a thousand senders spread. */
export interface Backoff {
  next(): number
  reset(): void
}

export function createBackoff(limits: RetryLimits = RETRY, random: () => number = Math.random): Backoff {
  let step = limits.first
  return {
    next() {
      const delay = step * (0.5 + random() / 2)
      step = Math.min(step * 2, limits.ceiling)
      return delay
    },
    reset() {
      step = limits.first
    },
  }
}

/**
 * Opens a connection for a run that must end: again after 5 s, for at most a minute. What is not temporary (rights,
 * certificates) is thrown at once: waiting does not mend it.
 */
export async function connectWithin<T>(open: () => Promise<T>, clock: Clock, stop: AbortSignal): Promise<T> {
  const start = clock.monotonic()
  for (;;) {
    try {
      return await open()
    } catch (error) {
      const elapsed = clock.monotonic() - start
      if (!isSsmError(error, 'unreachable', 'connection-lost') || elapsed + ONE_SHOT.pause > ONE_SHOT.patience)
        throw error
    }
    await clock.sleep(ONE_SHOT.pause, stop)
  }
}
