/** When to try the same request again: at once after the first failure of a connection, then longer and longer. */
import type { Clock } from '../../os/clock.js'
import { isTemporary, type Answer } from './refusals.js'

export interface RetryLimits {
  /** Tries in all. */
  readonly tries: number
  /** No new try after so many ms. */
  readonly ms: number
  /** Tries in all of what the server calls a fault of its own: perhaps it is this very message. */
  readonly backendTries: number
}

const FIRST_MS = 200
const CEILING_MS = 5_000

/** The pause after the n-th failure, ms: doubling, each between half and all of its step, so that many senders spread. */
export function pauseAfter(failures: number, random: () => number = Math.random): number {
  return Math.min(FIRST_MS * 2 ** (failures - 1), CEILING_MS) * (0.5 + random() / 2)
}

/** Does it again while the refusal is temporary and the limits allow. The last answer counts. */
export async function tryAgain<T>(
  limits: RetryLimits,
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<Answer<T>>,
): Promise<Answer<T>> {
  const start = clock.monotonic()
  for (let failures = 1; ; failures++) {
    const answer = await work()
    if (answer.ok || !isTemporary(answer.refusal.kind)) return answer
    const tries = answer.refusal.kind === 'backend' ? limits.backendTries : limits.tries
    const pause = pauseAfter(failures)
    if (failures >= tries || clock.monotonic() - start + pause > limits.ms) return answer
    await clock.sleep(pause, signal)
  }
}
