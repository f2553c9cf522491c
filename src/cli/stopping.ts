/**
 * SIGTERM and SIGINT: the first takes no new message and drains, the second gives up at once.
 */
import type { Program } from './program.js'

/** What is in flight may take so long after the first signal, ms. */
const DRAIN_TIMEOUT = 20_000

export interface Stopping extends Disposable {
  /** Take no new message. */
  readonly stop: AbortSignal
  /** Give up what is in flight. */
  readonly force: AbortSignal
}

export function createStopping(program: Program, onSignal: (signal: string) => void): Stopping {
  const stop = new AbortController()
  const force = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const onStop = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) {
      force.abort()
      return
    }
    onSignal(signal)
    timer = setTimeout(() => {
      force.abort()
    }, DRAIN_TIMEOUT)
    timer.unref()
    stop.abort()
  }
  program.on('SIGTERM', onStop)
  program.on('SIGINT', onStop)
  return {
    stop: stop.signal,
    force: force.signal,
    [Symbol.dispose]() {
      clearTimeout(timer)
      program.off('SIGTERM', onStop)
      program.off('SIGINT', onStop)
    },
  }
}
