/**
 * A record that the server stored and cannot read any more stops every pull that reaches it, for everybody. It can be
 * found by pulls of one, and stepped over by moving the offset: which is done only when the server says three times that
 * exactly this record is the trouble, and loses only what is lost already.
 */
import type { TransportDeps } from '../port.js'
import { isTemporary, type Answer, type Refusal } from './refusals.js'
import type { Offsets } from './routes.js'
import { createDue, type Sight } from './sight.js'

export interface PoisonDeps extends TransportDeps {
  readonly subscription: string
  readonly sight: Sight
  readonly skip: boolean
  offsets(signal: AbortSignal): Promise<Answer<Offsets>>
  modifyOffset(offset: number, signal: AbortSignal): Promise<Answer<true>>
}

export interface Poison {
  /** A pull of one failed because of it. The offset where to go on, when it was stepped over. */
  single(refusal: Refusal, signal: AbortSignal): Promise<number | undefined>
  /** A pull succeeded. */
  passed(): void
}

/** So many failures of the same record. */
const FAILURES = 3

export function createPoison(deps: PoisonDeps): Poison {
  const { log, subscription, sight } = deps
  const isDue = createDue(deps.clock)
  let failures = 0
  let at: number | undefined

  const stepOver = async (offset: number, signal: AbortSignal): Promise<number | undefined> => {
    const answer = await deps.modifyOffset(offset + 1, signal)
    if (answer.ok) {
      log.error('Record %s of %s cannot be read by the service itself, and was stepped over.', offset, subscription)
      return offset + 1
    }
    if (sight.look('modify-offset', answer) === undefined && !isTemporary(answer.refusal.kind)) stuck(answer.refusal)
    return undefined
  }
  const stuck = ({ words }: Refusal): void => {
    if (!isDue('stuck')) return
    const help = { message: `${words}; ssmctl ams seek OFFSET --yes, with a token that may, steps over it` }
    log.error('A record of %s cannot be read by the service itself, and stops all behind it: %s', subscription, help)
  }
  return {
    async single(refusal, signal) {
      if (!deps.skip) {
        stuck(refusal)
        return undefined
      }
      const seen = sight.look('offsets', await deps.offsets(signal))
      if (seen === undefined) {
        if (sight.isBlind('offsets')) stuck(refusal)
        return undefined
      }
      failures = seen.current === at ? failures + 1 : 1
      at = seen.current
      if (failures < FAILURES || seen.current + 1 > seen.max) return undefined
      failures = 0
      return await stepOver(seen.current, signal)
    },
    passed() {
      failures = 0
      at = undefined
    },
  }
}
