/**
 * A time limit and an abort around one piece of work.
 */
import { isSsmError, SsmError } from '../errors.js'
import type { Clock } from '../os/clock.js'

export interface Limit {
  readonly ms: number
  readonly clock: Clock
  readonly signal?: AbortSignal
  /** What is thrown when the time is over. */
  late(): SsmError
}

/**
 * Runs `work` with a signal that fires when the time is over or the caller aborts; its reason is the SsmError to reject
 * with. Leaves no timer and no listener behind.
 */
export async function within<T>(limit: Limit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal } = limit
  const stop = new AbortController()
  const done = new AbortController()
  const abort = () => {
    stop.abort(new SsmError('aborted', 'aborted'))
  }
  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort, { once: true })
  limit.clock.sleep(limit.ms, done.signal).then(
    () => {
      stop.abort(limit.late())
    },
    (error: unknown) => {
      // `aborted` is how the sleep ends when the work was done in time.
      if (!isSsmError(error, 'aborted')) stop.abort(error)
    },
  )
  try {
    if (stop.signal.aborted) throw stop.signal.reason
    return await work(stop.signal)
  } finally {
    done.abort()
    signal?.removeEventListener('abort', abort)
  }
}
