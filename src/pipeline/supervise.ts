/**
 * Keeps a receiver connected: opens a subscription, receives until it ends, waits, begins again. It never gives up:
 * a broker that is down, a disk that is full and rights that are missing are all mended while it waits.
 */
import { isSsmError, messageOf } from '../errors.js'
import type { Logger } from '../observe/log.js'
import type { LinkState } from '../observe/tally.js'
import type { Clock } from '../os/clock.js'
import type { Subscriber, Transport } from '../transport/port.js'
import { createComplaint } from './complaint.js'
import { RETRY, createBackoff, type Backoff } from './retry.js'
import { isOurTrouble } from './judge.js'
import type { ReceiveHooks } from './receive.js'

export interface SuperviseDeps {
  readonly transport: Transport
  /** Asked before each connection: are we able to store? Throws trouble of ours, which is waited for without connecting. */
  readonly ready?: () => Promise<void>
  /** Receives until the subscriber ends. */
  readonly receive: (subscriber: Subscriber, hooks: ReceiveHooks) => Promise<void>
  /** The program's logger, and the one for connection and queues. */
  readonly programLog: Logger
  readonly log: Logger
  readonly clock: Clock
  readonly backoff?: Backoff
  /** Told how it stands with the broker. Must not throw. */
  readonly tell?: (link: LinkState) => void
}

/** Trouble of ours is looked at again at least so often, ms: it costs nothing, and may be over. */
const LOOK_AGAIN = 10_000

/** Runs until `stop` fires; then drains and resolves. Throws only what is a fault of the configuration. */
export async function supervise(deps: SuperviseDeps, stop: AbortSignal): Promise<void> {
  const backoff = deps.backoff ?? createBackoff()
  const complain = createComplaint(deps.clock)
  for (let isFirst = true; ; isFirst = false) {
    let wait = RETRY.ceiling
    try {
      await deps.ready?.()
      if (!isFirst && !stop.aborted) deps.programLog.info('Restarting SSM.')
      await once(deps, stop, () => {
        backoff.reset()
      })
    } catch (error) {
      if (isSsmError(error, 'configuration', 'usage')) throw error
      if (!stop.aborted) {
        deps.tell?.({ state: 'waiting', why: messageOf(error), paused: isOurTrouble(error) })
        complain(error, (message) => {
          sayTrouble(deps, error, message)
        })
      }
      if (isOurTrouble(error)) wait = LOOK_AGAIN
    }
    if (stop.aborted) return
    try {
      await deps.clock.sleep(Math.min(backoff.next(), wait), stop)
    } catch (error) {
      if (isSsmError(error, 'aborted')) return
      throw error
    }
  }
}

async function once(deps: SuperviseDeps, stop: AbortSignal, onStored: () => void): Promise<void> {
  const ending = new AbortController()
  const signal = AbortSignal.any([stop, ending.signal])
  await using subscriber = await deps.transport.openSubscriber(signal)
  const { peer, listens } = subscriber
  const how = listens === true ? ({ listens } as const) : {}
  deps.tell?.({ state: 'connected', ...(peer === undefined ? {} : { peer }), ...how })
  await deps.receive(subscriber, {
    onStored,
    end: () => {
      ending.abort()
    },
  })
}

function sayTrouble({ programLog, log }: SuperviseDeps, error: unknown, message: string): void {
  if (isOurTrouble(error)) {
    log.error('Not taking messages for now; nothing is lost, they wait at the broker: %s', { message })
    return
  }
  programLog.warning('Connection lost.')
  log.warning('The connection ended: %s', { message })
}
