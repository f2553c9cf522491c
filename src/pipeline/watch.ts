/**
 * A sender that stays: it keeps one connection, looks into the spool when it is told that something happened there and
 * every few seconds anyway, and connects again for as long as it takes. What ends a one-shot run (no broker, rights, a
 * full disk, three refusals in a row) it says once a minute, waits, and tries again: all of it is mended while it waits.
 */
import { isSsmError, messageOf } from '../errors.js'
import type { LinkState } from '../observe/tally.js'
import type { Publisher } from '../transport/port.js'
import { createComplaint } from './complaint.js'
import type { Doorbell } from './doorbell.js'
import { createBackoff, RETRY, type Backoff } from './retry.js'
import type { SendDeps, SendReport, SendSignals } from './send.js'
import { SCAN_INTERVAL, SendRun } from './send-run.js'

export interface WatchDeps extends SendDeps {
  /** Rung when something may have changed in the spool. */
  readonly doorbell: Doorbell
  /** Called between passes, at most every ten minutes: time to tidy up. Its trouble is ours, and is said. */
  readonly tidy: () => Promise<void>
  readonly backoff?: Backoff
  /** Told how it stands with the broker. Must not throw. */
  readonly tell?: (link: LinkState) => void
}

/** A file that is being written by hand is looked at again after the second that it must be still, ms. */
const LOOK_AGAIN = 1100
/** So long after a hint there may be such files, ms. */
const UNSETTLED_FOR = 3000
const TIDY_INTERVAL = 600_000

interface Link {
  readonly backoff: Backoff
  /** Made so far. */
  connections: number
}

/** Runs until `stop` fires; then finishes what is in flight. Throws only what is a fault of the configuration or of ours. */
export async function sendForever(deps: WatchDeps, signals: SendSignals): Promise<SendReport> {
  const { clock, log } = deps
  const run = new SendRun(deps, signals)
  const link: Link = { backoff: deps.backoff ?? createBackoff(), connections: 0 }
  const complain = createComplaint(clock)
  try {
    while (!signals.stop.aborted) {
      try {
        await stayConnected(run, deps, signals, link)
      } catch (error) {
        if (isHopeless(error, link.connections > 0)) throw error
        if (isStopped(signals)) break
        deps.tell?.({ state: 'waiting', why: messageOf(error), paused: isSsmError(error, 'disk') })
        complain(error, (message) => {
          if (isSsmError(error, 'connection-lost')) log.warning('The connection ended: %s', { message })
          else log.warning('Nothing is sent for now; nothing is lost, messages wait in the spool: %s', { message })
        })
        await pause(deps, link.backoff.next(), signals)
      }
    }
    await run.settle()
  } finally {
    await run.end()
  }
  return run.report
}

/** A function, for the compiler believes that what it saw once stays so. */
const isStopped = ({ stop }: SendSignals): boolean => stop.aborted

/** The back-off is not cut short by hints: a producer that adds all the time must not make us knock all the time. */
async function pause({ clock }: WatchDeps, ms: number, { stop }: SendSignals): Promise<void> {
  try {
    await clock.sleep(ms, stop)
  } catch (error) {
    if (!isSsmError(error, 'aborted')) throw error
  }
}

/** A configuration that worked before is being changed: files of the CA directory, say. That passes. */
function isHopeless(error: unknown, workedBefore: boolean): boolean {
  return (
    !isSsmError(error) || error.code === 'internal' || (!workedBefore && isSsmError(error, 'configuration', 'usage'))
  )
}

/** One connection. A success takes the back-off back: a message that passed, or a connection that held for a while. */
async function stayConnected(run: SendRun, deps: WatchDeps, signals: SendSignals, link: Link): Promise<void> {
  const { clock, transport } = deps
  await using publisher = await connect(transport, signals)
  link.connections += 1
  deps.tell?.({ state: 'connected', ...(publisher.peer === undefined ? {} : { peer: publisher.peer }) })
  const since = clock.monotonic()
  const before = run.report.sent
  try {
    await work(run, deps, publisher, signals)
  } finally {
    if (run.report.sent > before || clock.monotonic() - since >= RETRY.ceiling) link.backoff.reset()
  }
}

/** Connecting ends at the first signal already: nothing is in flight yet. */
async function connect(transport: SendDeps['transport'], { stop, force }: SendSignals): Promise<Publisher> {
  const ending = new AbortController()
  const abort = (): void => {
    ending.abort()
  }
  stop.addEventListener('abort', abort)
  force.addEventListener('abort', abort)
  try {
    if (stop.aborted) abort()
    return await transport.openPublisher(ending.signal)
  } finally {
    stop.removeEventListener('abort', abort)
    force.removeEventListener('abort', abort)
  }
}

async function work(run: SendRun, deps: WatchDeps, publisher: Publisher, signals: SendSignals): Promise<void> {
  const { clock, doorbell } = deps
  const { stop } = signals
  let tidied = clock.monotonic()
  let unsettledUntil = tidied + UNSETTLED_FOR
  while (!stop.aborted) {
    const { sent, left } = { ...run.report }
    await run.pass(publisher)
    if (clock.monotonic() - tidied >= TIDY_INTERVAL) {
      tidied = clock.monotonic()
      await deps.tidy()
    }
    // Trouble with elements may have touched them, which is a hint again: then the interval alone counts.
    const isStuck = run.report.left > left && run.report.sent === sent
    const interval = clock.monotonic() < unsettledUntil ? LOOK_AGAIN : SCAN_INTERVAL
    if (isStuck) await clock.sleep(SCAN_INTERVAL, stop)
    else if (await doorbell.wait(interval, stop, publisher.lost)) unsettledUntil = clock.monotonic() + UNSETTLED_FOR
    if (publisher.lost?.aborted === true && !isStopped(signals)) throw publisher.lost.reason
  }
}
