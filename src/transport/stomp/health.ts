/**
 * Which broker of several is tried first: the order of the configuration, but one that failed a short while ago comes
 * after all that did not, so that a broker which is down does not cost its time-out at every connection.
 */
import type { Clock } from '../../os/clock.js'
import type { Address } from './settings.js'

/** So long a failure counts. Then the configured order does again: the first one may be the better one. */
export const UNWELL_MS = 5 * 60_000

export interface Health {
  /** All addresses: those that are well as configured, then the others, the one that failed longest ago first. */
  inOrder(): Address[]
  failed(address: Address): void
  worked(address: Address): void
}

/** Remembers as long as it lives: a run of the program. */
export function createHealth(addresses: readonly Address[], clock: Pick<Clock, 'monotonic'>): Health {
  const failedAt = new Map<Address, number>()
  return {
    inOrder() {
      const since = clock.monotonic() - UNWELL_MS
      const unwell = (address: Address): number => {
        const at = failedAt.get(address) ?? -Infinity
        return at > since ? at : -Infinity
      }
      // Sorting is stable: equals stay as configured.
      return [...addresses].sort((a, b) => (unwell(a) === unwell(b) ? 0 : unwell(a) - unwell(b)))
    },
    failed: (address) => void failedAt.set(address, clock.monotonic()),
    worked: (address) => void failedAt.delete(address),
  }
}
