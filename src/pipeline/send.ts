/**
 * The sending loop: claim, read, seal, publish, remove; many messages in flight. A message leaves the spool only after
 * the broker's receipt for its id. What is true of one message sets it aside; what is true of all leaves all in place.
 * Throws SsmError when the run cannot go on (no broker, rights, disk); every claim is released by then.
 */
import { isSsmError } from '../errors.js'
import type { MessageId, Seal } from '../message.js'
import type { Logger } from '../observe/log.js'
import type { Clock } from '../os/clock.js'
import type { Claim, Spool } from '../spool/port.js'
import type { Sent } from '../spool/sent.js'
import type { Transport, Window } from '../transport/port.js'
import type { Doorbell } from './doorbell.js'
import { connectWithin } from './retry.js'
import { SendRun } from './send-run.js'

/** What the loop is given. */
export interface SendDeps {
  /** `has`: is there an element of this id? */
  readonly outgoing: Spool<Uint8Array> & { readonly has?: (id: MessageId) => boolean }
  /** Durable in `.ssm/failed` with its reason, then gone from the queue. */
  readonly setAside: (claim: Claim<Uint8Array>, error: string, attempts?: number) => Promise<void>
  /** Keeps copies of what is sent. A message whose copy cannot be kept is not sent. */
  readonly archive?: Pick<Sent, 'keep'>
  readonly seal: Seal
  readonly transport: Transport
  readonly window: Window
  readonly log: Logger
  readonly clock: Clock
  /** Rung when something may have come: then it is taken while others are still in flight. Without it a pass is one look. */
  readonly doorbell?: Doorbell
  /** Called after each message, with the numbers so far. Must not throw. */
  readonly onProgress?: (report: Readonly<SendReport>, id: MessageId) => void
}

/** `stop`: take no new message. `force`: give up those in flight too. */
export interface SendSignals {
  readonly stop: AbortSignal
  readonly force: AbortSignal
}

export interface SendReport {
  sent: number
  setAside: number
  locked: number
  /** Left in place because of trouble with the spool. */
  left: number
}

/** So many connections lost in a row without a message passing: it is the broker. */
const LOSSES_IN_A_ROW = 6

/** Sends everything that waits. One pass; ends when the spool has been seen to its end or `stop` fires. */
export async function sendAll(deps: SendDeps, signals: SendSignals): Promise<SendReport> {
  deps.log.info('Found %s messages.', await deps.outgoing.count())
  const run = new SendRun(deps, signals)
  try {
    await sendOnce(run, deps, signals)
    await run.settle()
  } catch (error) {
    if (!(isSsmError(error, 'aborted') && signals.stop.aborted)) throw error
  } finally {
    await run.end()
  }
  return run.report
}

/** Connects, and again after a loss, until a pass has come to its end. */
async function sendOnce(run: SendRun, deps: SendDeps, { stop, force }: SendSignals): Promise<void> {
  let losses = 0
  while (!stop.aborted) {
    await using publisher = await connectWithin(() => deps.transport.openPublisher(force), deps.clock, stop)
    const before = run.report.sent
    try {
      await run.pass(publisher)
      return
    } catch (error) {
      if (!isSsmError(error, 'connection-lost', 'receipt-late')) throw error
      losses = run.report.sent > before ? 1 : losses + 1
      if (losses >= LOSSES_IN_A_ROW) throw error
    }
  }
}
