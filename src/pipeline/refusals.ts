/**
 * Refusals that come in masses, in few lines of the log: messages of banned signers, which are dropped, once an hour; and
 * from the hundredth refusal of one signer within a minute on, one line a minute.
 */
import type { Dn, Opened } from '../message.js'
import type { Logger } from '../observe/log.js'

const MINUTE = 60_000
const HOUR = 3_600_000
/** Refusals of one signer that have lines of their own, a minute. */
const EACH = 100
/** Signers that are counted; beyond it counting begins anew. Anybody can make up names. */
const MAX_SIGNERS = 1000

export interface Refusals {
  /** A message of a banned signer was dropped. */
  drop(signer: Dn | undefined): void
  /** Counts a refusal. Does it have lines of its own? */
  isSaid(opened: Extract<Opened, { verdict: 'hold' | 'no' }>): boolean
}

interface Count {
  since: number
  count: number
}

/** Messages that do not say whom they are by, all together. */
const NOBODY = 'nobody known'

export function createRefusals(log: Logger, now: () => number): Refusals {
  const drops = new Map<string, Count>()
  const refused = new Map<string, Count>()
  return {
    drop(signer) {
      const who = signer?.slash ?? NOBODY
      const known = counted(drops, who, Number.NEGATIVE_INFINITY)
      known.count++
      if (now() - known.since < HOUR) return
      log.warning('Messages of the banned signer %s dropped: %s', who, known.count)
      known.since = now()
      known.count = 0
    },
    isSaid({ claimed }) {
      const who = claimed?.slash ?? NOBODY
      const known = counted(refused, who, now())
      if (now() - known.since >= MINUTE) {
        sayMore(log, who, known)
        known.since = now()
        known.count = 0
      }
      known.count++
      if (known.count === EACH + 1) {
        log.warning(
          'More than %s messages of %s were refused within a minute: from now on one line a minute.',
          EACH,
          who,
        )
      }
      return known.count <= EACH
    },
  }
}

function sayMore(log: Logger, who: string, { count }: Count): void {
  if (count > EACH) log.warning('%s more messages of %s were refused.', count - EACH, who)
}

function counted(counts: Map<string, Count>, who: string, since: number): Count {
  const known = counts.get(who)
  if (known !== undefined) return known
  if (counts.size >= MAX_SIGNERS) counts.clear()
  const made = { since, count: 0 }
  counts.set(who, made)
  return made
}
