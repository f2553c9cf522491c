/**
 * The receiving loop: every delivery is opened, placed durably, and only then handed back as stored. Trouble of ours
 * gives the delivery back unacknowledged and ends the subscription; `supervise` waits and begins again.
 */
import { SsmError, messageOf } from '../errors.js'
import type { Open, Opened } from '../message.js'
import type { Logger } from '../observe/log.js'
import type { Delivery, Subscriber } from '../transport/port.js'
import { internalFault, isOurTrouble } from './judge.js'
import type { Place } from './place.js'

/** What the supervisor is told, and what it is asked. */
export interface ReceiveHooks {
  /** Called for each delivery that is durable. */
  readonly onStored: () => void
  /** Makes the subscriber's iteration end quietly; what is in flight can still be stored and acknowledged. */
  readonly end: () => void
}

export interface ReceiveDeps extends ReceiveHooks {
  readonly open: Open
  readonly place: Place
  readonly log: Logger
}

/**
 * Takes deliveries until the subscriber ends. Resolves after its quiet end (stop); throws what ended the connection, or
 * the first trouble of ours. The transport keeps the window; nothing is in flight when this settles.
 */
export async function receive(subscriber: Subscriber, deps: ReceiveDeps): Promise<void> {
  const inFlight = new Set<Promise<void>>()
  let trouble: Error | undefined
  const note = (error: unknown): void => {
    trouble ??= error instanceof Error ? error : new SsmError('internal', messageOf(error))
    deps.end()
  }
  try {
    for await (const delivery of subscriber) {
      const work = handle(delivery, deps).catch(note)
      inFlight.add(work)
      void work.finally(() => inFlight.delete(work))
    }
  } finally {
    await Promise.all(inFlight)
  }
  if (trouble !== undefined) throw trouble
}

async function handle(delivery: Delivery, { open, place, log, onStored }: ReceiveDeps): Promise<void> {
  if (delivery.brokerId === undefined) log.info('Received message. ID = %s', delivery.id)
  else log.info('Received message. ID = %s, Argo ID = %s', delivery.id, delivery.brokerId)
  try {
    await placeOrReject(delivery, await judge(delivery, open), place)
  } catch (error) {
    delivery.release()
    throw error
  }
  delivery.stored()
  onStored()
}

/** A bug of ours while placing must not make the message come again for ever: it goes to reject, as with opening. */
async function placeOrReject({ body, id }: Delivery, opened: Opened, place: Place): Promise<void> {
  try {
    await place(opened, body, id)
  } catch (error) {
    if (isOurTrouble(error)) throw error
    await place(internalFault(error), body, id)
  }
}

/** A body that the transport cut for its size is never opened: what is kept of it goes to reject. */
async function judge({ body, truncated }: Delivery, open: Open): Promise<Opened> {
  if (truncated === undefined) return await open(body)
  const detail = `the message has ${truncated} bytes, more than max_message_size; the first ${body.length} are kept`
  return { verdict: 'no', reason: 'too-large', detail }
}
