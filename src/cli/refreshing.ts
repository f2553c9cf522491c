/**
 * Fresh trust while the receiver runs: DNs, CA directory, CRLs and the host certificate are read again on SIGHUP, every
 * ten minutes, and when the CA directory is seen to change; then the held messages are judged again.
 */
import { messageOf } from '../errors.js'
import type { Log } from '../observe/log.js'
import type { Program } from './program.js'
import type { Receiver } from './wire-receiver.js'

/** As often as the reference reads its DNs, ms. */
const REFRESH_INTERVAL = 600_000

export interface Refreshing extends AsyncDisposable {
  /** Judges the held messages and tidies, without reading anything again: at the start. */
  judgeHeld(): void
}

export async function createRefreshing(
  receiver: Pick<Receiver, 'reload' | 'judgeHeld' | 'tidy' | 'watch'>,
  log: Log,
  program: Program,
  stop: AbortSignal,
  reopenLog: () => void,
): Promise<Refreshing> {
  const top = log.named('ssmreceive')
  let running: Promise<void> = Promise.resolve()

  const refresh = async (): Promise<void> => {
    if (stop.aborted) return
    top.info('Refreshing valid DNs and then sending ping.')
    try {
      await receiver.reload()
    } catch (error) {
      top.error('Refreshing failed, what was read before stays in use: %s', { message: messageOf(error) })
    }
    await judge()
  }
  const judge = async (): Promise<void> => {
    try {
      await receiver.judgeHeld(stop)
    } catch (error) {
      top.error('The held messages stay held for now: %s', { message: messageOf(error) })
    }
    await receiver.tidy()
  }
  // One after the other: two hints in a row must not read half of each other's snapshot.
  const next = (): void => {
    running = running.then(refresh)
  }
  const onHangup = (): void => {
    reopenLog()
    next()
  }
  const timer = setInterval(next, REFRESH_INTERVAL)
  timer.unref()
  program.on('SIGHUP', onHangup)
  const unwatch = await receiver.watch(next)
  return {
    judgeHeld() {
      running = running.then(judge)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      program.off('SIGHUP', onHangup)
      await unwatch()
      await running
    },
  }
}
