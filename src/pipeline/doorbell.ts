/**
 * Waiting for something to do: until somebody rings, or the time is over. A ring while nobody waits is kept.
 */
import { isSsmError } from '../errors.js'
import type { Clock } from '../os/clock.js'

export interface Doorbell {
  readonly ring: () => void
  /** Resolves at a ring (one that came before counts), after `ms`, or when one of the signals fires. Was it a ring? */
  wait(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<boolean>
}

export function createDoorbell(clock: Clock): Doorbell {
  let rung = false
  let wake: () => void = () => undefined
  return {
    ring() {
      rung = true
      wake()
    },
    async wait(ms, ...signals) {
      const ending = new AbortController()
      const end = (): void => {
        ending.abort()
      }
      wake = end
      // Not `AbortSignal.any`: its dependents of a signal that lives as long as the process are kept as long.
      for (const signal of signals) signal?.addEventListener('abort', end)
      try {
        if (!rung && signals.every((signal) => signal?.aborted !== true)) await clock.sleep(ms, ending.signal)
      } catch (error) {
        if (!isSsmError(error, 'aborted')) throw error
      } finally {
        for (const signal of signals) signal?.removeEventListener('abort', end)
        wake = () => undefined
      }
      const answer = rung
      rung = false
      return answer
    },
  }
}
