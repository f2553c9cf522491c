/**
 * Is it the message, or the service? A message that is too large for the broker behind the service gets the same `500
 * Backend Error` as every message while that broker is away. It is the message when it failed, then others passed, and
 * then it failed again. Of one that is larger than such brokers take as a rule it is enough that others passed before: it may
 * be the last of a run, with nobody left to pass.
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
  /** `isLarge`: more than brokers take as a rule. */
  trial(isLarge: boolean): Trial
}

/** So many failures at least. */
const FAILURES = 3

export function createBlame(): Blame {
  let passes = 0
  return {
    passed() {
      passes += 1
    },
    trial(isLarge) {
      let failures = 0
      let first = 0
      let last = 0
      return {
        failed() {
          if (failures === 0) first = passes
          last = passes
          failures += 1
        },
        isGuilty: () => failures >= FAILURES && (last > first || (isLarge && first > 0)),
      }
    },
  }
}
