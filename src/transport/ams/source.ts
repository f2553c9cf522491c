/**
 * One subscription as a source of messages: pulls of the right size, acknowledges that are never repeated blindly, records
 * that nobody can read, other consumers. Everything the server may not be asked is done without.
 */
import type { TransportDeps } from '../port.js'
import type { Caller } from './call.js'
import { createPoison } from './poison.js'
import { createPosition } from './position.js'
import { createPullSize } from './pull-size.js'
import { errorOf, isTemporary, type Refusal } from './refusals.js'
import { tryAgain, type RetryLimits } from './retry.js'
import * as routes from './routes.js'
import type { Pulled } from './routes.js'
import { ANSWER_LIMIT, type AmsSettings } from './settings.js'
import { createDue, type Sight } from './sight.js'

export interface Source extends AsyncDisposable {
  /** What the endpoint is called in sentences. */
  readonly where: string
  /** Perhaps none. Throws SsmError when it cannot go on, or when the signal fires. */
  pull(signal: AbortSignal): Promise<readonly Pulled[]>
  /** false: not done, as far as anybody can tell. Throws as `pull` does. */
  acknowledge(last: Pulled, signal: AbortSignal): Promise<boolean>
  /** All of the last pull was stored, in so many ms. */
  stored(messages: readonly Pulled[], ms: number): void
}

export interface SourceDeps extends TransportDeps {
  readonly caller: Caller
  /** The path of the subscription. */
  readonly path: string
  /** Its acknowledgement deadline, s. */
  readonly deadline: number
  readonly sight: Sight
}

/** Pulls are harmless: nothing is taken by one. */
const RETRY: RetryLimits = { tries: 5, ms: 20_000, backendTries: 5 }
const MIB = 1024 * 1024

export function createSource(settings: AmsSettings, deps: SourceDeps): Source {
  const { caller, path, clock, log, sight, deadline } = deps
  const { pulling, maxMessageSize, destination } = settings
  const offsets = (signal: AbortSignal) => tryAgain(RETRY, clock, signal, () => routes.offsets(caller, path, signal))
  const shared = { ...deps, subscription: destination, offsets }
  const size = createPullSize(pulling.pullMax, () => deadline)
  const position = createPosition(shared)
  const poison = createPoison({
    ...shared,
    skip: pulling.skipPoisoned,
    modifyOffset: (offset, signal) => routes.modifyOffset(caller, path, offset, signal),
  })
  const isDue = createDue(clock)
  let asked = 0
  let took = 0

  /** A pull that failed: narrower next time, or the end. */
  const failed = async (refusal: Refusal, signal: AbortSignal): Promise<readonly Pulled[]> => {
    if (refusal.kind === 'poisoned') {
      if (asked > 1) {
        size.singles(asked)
        return []
      }
      const next = await poison.single(refusal, signal)
      if (next === undefined) return []
      position.moved(next)
      size.reset()
      return []
    }
    if (refusal.kind === 'narrow' && asked > 1) {
      size.halve()
      return []
    }
    if (refusal.code === 'receipt-late') size.halve()
    throw errorOf(refusal, isTemporary(refusal.kind) ? 'connection-lost' : undefined)
  }

  /** Nobody knows whether an acknowledge counted: the offsets say so, where we may see them. */
  const confirm = async (refusal: Refusal, last: Pulled, signal: AbortSignal): Promise<boolean> => {
    if (refusal.status === 408 && refusal.kind === 'unsure') {
      size.halve()
      if (isDue('late'))
        log.warning(
          'Storing took longer than the %s s in which to acknowledge; what comes again is recognised.',
          deadline,
        )
    }
    log.debug('An acknowledge is in doubt: %s', { message: refusal.words })
    const seen = sight.look('offsets', await offsets(signal))
    if (seen === undefined) {
      position.perhaps(last.offset + 1)
      return false
    }
    const isDone = seen.current > last.offset
    if (refusal.status === 500 && refusal.kind === 'unsure') position.doubted(last.offset, seen)
    if (isDone) position.moved(seen.current)
    return isDone
  }

  return {
    where: caller.where,
    async pull(signal) {
      asked = size.next()
      const limit = asked > 1 ? ANSWER_LIMIT : Math.max(ANSWER_LIMIT, Math.ceil((maxMessageSize * 4) / 3) + MIB)
      const start = clock.monotonic()
      const answer = await tryAgain(RETRY, clock, signal, () => routes.pull(caller, path, asked, limit, signal))
      took = clock.monotonic() - start
      if (!answer.ok) return await failed(answer.refusal, signal)
      const [first] = answer.value
      if (first === undefined) return []
      poison.passed()
      await position.arrived(first, signal)
      return answer.value
    },
    async acknowledge(last, signal) {
      const answer = await routes.acknowledge(caller, path, last.ackId, signal)
      if (answer.ok) {
        position.moved(last.offset + 1)
        return true
      }
      const { refusal } = answer
      if (refusal.kind !== 'unsure' && !isTemporary(refusal.kind)) throw errorOf(refusal)
      return await confirm(refusal, last, signal)
    },
    stored(messages, ms) {
      const bytes = messages.reduce((sum, { data }) => sum + data.length, 0)
      size.stored({ asked, got: messages.length, bytes, storing: ms, pulling: took })
    },
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]()
    },
  }
}
