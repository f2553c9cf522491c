/** Opening: each endpoint once, in turn, until one answers as it should. */
import { isSsmError, messageOf, SsmError } from '../../errors.js'
import type { Transport, TransportDeps } from '../port.js'
import { createCaller, type Caller } from './call.js'
import { createMemory } from './memory.js'
import { AmsPublisher } from './publisher.js'
import { errorOf, isTemporary, valueOf, type Answer } from './refusals.js'
import { tryAgain, type RetryLimits } from './retry.js'
import { getSubscription, getTopic, modifyAckDeadline, resource, type Subscription } from './routes.js'
import { DEFAULT_DEADLINE, endpointText, isResourceName, type AmsSettings, type Endpoint } from './settings.js'
import { createSight, type Sight } from './sight.js'
import { createSource } from './source.js'
import { AmsSubscriber } from './subscriber.js'

/** A connection that was kept alive too long fails at once; what lasts longer is the caller's to wait for. */
const RETRY: RetryLimits = { tries: 3, ms: 5_000, backendTries: 3 }

/** A transport to the service. Opens nothing yet. */
export function createAmsTransport(settings: AmsSettings, deps: TransportDeps): Transport {
  const memory = createMemory()
  const sight = createSight(deps.log)
  return {
    async openPublisher(signal) {
      const path = pathOf(settings, 'topics')
      const caller = await openAny(settings, deps, signal, async (each) => {
        const answer = await tryAgain(RETRY, deps.clock, signal, () => getTopic(each, path, signal))
        assertUsable(answer)
        sight.look('topic', answer)
      })
      deps.log.info('Will send messages to: %s', settings.destination)
      return new AmsPublisher(deps, settings, caller, path)
    },
    async openSubscriber(signal) {
      const path = pathOf(settings, 'subscriptions')
      let deadline = DEFAULT_DEADLINE
      const caller = await openAny(settings, deps, signal, async (each) => {
        const answer = await tryAgain(RETRY, deps.clock, signal, () => getSubscription(each, path, signal))
        assertUsable(answer)
        deadline = await agreeDeadline(each, path, sight.look('subscription', answer), settings, sight, signal)
      })
      deps.log.info('Will subscribe to: %s', settings.destination)
      const source = createSource(settings, { ...deps, caller, path, deadline, sight })
      return new AmsSubscriber(deps, settings, source, memory, signal)
    },
  }
}

/** Throws SsmError `configuration` for names that the server cannot have. */
export function pathOf({ project, destination }: AmsSettings, kind: 'topics' | 'subscriptions'): string {
  for (const [name, option] of [
    [project, 'ams_project'],
    [destination, 'destination'],
  ] as const) {
    if (isResourceName(name)) continue
    const words = `[messaging] ${option}: AMS has names of letters, digits, - and _ only`
    throw new SsmError('configuration', words)
  }
  return resource(project, kind, destination)
}

/** The role may forbid this look and allow the work itself. */
function assertUsable<T>(answer: Answer<T>): void {
  if (answer.ok || answer.refusal.kind === 'forbidden') return
  valueOf(answer, 'unreachable')
}

async function openAny(
  settings: AmsSettings,
  deps: TransportDeps,
  signal: AbortSignal,
  look: (caller: Caller) => Promise<void>,
): Promise<Caller> {
  const failures: SsmError[] = []
  for (const endpoint of settings.endpoints) {
    if (signal.aborted) throw new SsmError('aborted', 'aborted')
    try {
      return await openOne(endpoint, settings, deps, look)
    } catch (error) {
      if (!isSsmError(error) || error.code === 'aborted' || error.code === 'configuration') throw error
      deps.log.warning('Failed to connect to %s:%s: %s', endpoint.host, endpoint.port, error)
      failures.push(error)
    }
  }
  throw summary(failures)
}

async function openOne(
  endpoint: Endpoint,
  settings: AmsSettings,
  deps: TransportDeps,
  look: (caller: Caller) => Promise<void>,
): Promise<Caller> {
  const caller = createCaller(settings, endpoint, deps)
  deps.log.info('Will connect to %s', endpointText(endpoint))
  try {
    await look(caller)
    return caller
  } catch (error) {
    await caller[Symbol.asyncDispose]()
    throw error
  }
}

function summary(failures: readonly SsmError[]): SsmError {
  const telling = failures.find(({ temporary }) => !temporary) ?? failures.at(-1)
  if (telling === undefined) return new SsmError('configuration', 'there is no endpoint: set [broker] host')
  if (failures.length === 1) return telling
  const words = `none of ${failures.length} endpoints can be used: ${messageOf(telling)}`
  return new SsmError(telling.code, words, { cause: telling })
}

/** The deadline in force, s: the server's, or the one of the configuration when it can be set. */
async function agreeDeadline(
  caller: Caller,
  path: string,
  subscription: Subscription | undefined,
  { pulling: { ackDeadline } }: AmsSettings,
  sight: Sight,
  signal: AbortSignal,
): Promise<number> {
  const now = subscription?.ackDeadline ?? DEFAULT_DEADLINE
  if (ackDeadline === undefined || ackDeadline === subscription?.ackDeadline) return now
  const answer = await modifyAckDeadline(caller, path, ackDeadline, signal)
  if (sight.look('modify-deadline', answer) !== undefined) return ackDeadline
  if (!answer.ok && isTemporary(answer.refusal.kind)) throw errorOf(answer.refusal, 'unreachable')
  return now
}
