/**
 * Is it the message, or the service? A message that is too large for the broker behind the service gets the same `500
 * Backend Error` as every message while that broker is away. It is the message when it failed, then others passed, and
 * then it failed again.
 */

/** One message on its way. */
export interface Trial {
  /** The service says that it has a fault of its own. */
  failed(): void
  /** Enough is known to say that it is the message. */
  isGuilty(): boolean
}

export interface Blame {
  /** Any message passed. */
  passed(): void
  trial(): Trial
}

/** So many failures at least. */
const FAILURES = 3

export function createBlame(): Blame {
  let passes = 0
  return {
    passed() {
      passes += 1
    },
    trial() {
      let failures = 0
      let first = 0
      let last = 0
      return {
        failed() {
          if (failures === 0) first = passes
          last = passes
          failures += 1
        },
        isGuilty: () => failures >= FAILURES && last > first,
      }
    },
  }
}
