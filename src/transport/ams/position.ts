/**
 * Where we are in the subscription, and whether somebody else moves it: a subscription has one offset for everybody, and
 * a second consumer takes messages that we then never see.
 */
import type { TransportDeps } from '../port.js'
import type { Answer } from './refusals.js'
import type { Offsets, Pulled } from './routes.js'
import { createDue, type Sight } from './sight.js'

export interface PositionDeps extends TransportDeps {
  readonly subscription: string
  readonly sight: Sight
  offsets(signal: AbortSignal): Promise<Answer<Offsets>>
}

export interface Position {
  /** Offset at which the next pull should begin, as far as we know. */
  readonly expected: number | undefined
  /** The server has confirmed that everything before this offset is done. */
  moved(to: number): void
  /** An acknowledge up to this offset may have counted, and nobody can tell. */
  perhaps(to: number): void
  /** The first message of a pull: is it the one that comes next? */
  arrived(first: Pulled, signal: AbortSignal): Promise<void>
  /** An acknowledge was refused, and the offsets say this. */
  doubted(offset: number, offsets: Offsets): void
}

export function createPosition(deps: PositionDeps): Position {
  let expected: number | undefined
  let possible: number | undefined
  const isDue = createDue(deps.clock)
  const somebodyElse = (why: string) => {
    if (isDue('somebody else')) {
      deps.log.warning('Somebody else uses the subscription %s too: %s', deps.subscription, { message: why })
    }
  }
  return {
    get expected() {
      return expected
    },
    moved(to) {
      expected = to
      possible = undefined
    },
    perhaps(to) {
      possible = to
    },
    async arrived({ offset }, signal) {
      const before = expected
      if (offset === possible) expected = possible
      if (before === undefined || offset === before || offset === possible) return
      expected = undefined
      if (offset < before) {
        deps.log.info('The offset of %s was moved back from %s to %s.', deps.subscription, before, offset)
        return
      }
      const seen = deps.sight.look('offsets', await deps.offsets(signal))
      if (seen !== undefined && seen.min > before) {
        const lost = Math.min(seen.min, offset) - before
        deps.log.error(
          '%s messages of %s were too old for the service, which removed them unseen.',
          lost,
          deps.subscription,
        )
        return
      }
      somebodyElse(`its offset went on from ${before} to ${offset} without us`)
    },
    doubted(offset, { current }) {
      if (current > offset + 1) somebodyElse(`its offset is ${current}, and we have acknowledged up to ${offset}`)
      else if (current <= offset) somebodyElse('our last pull counts no more, so another one came after it')
    },
  }
}
