/**
 * How many messages the next pull asks for: begins small, doubles while pulls come back full, and stays below what an
 * answer may weigh and what can be stored in half the acknowledgement deadline.
 */
import { PULL_TARGET } from './settings.js'

const FIRST = 10

/** What a pull came to. */
export interface PullOutcome {
  readonly asked: number
  readonly got: number
  /** Characters of Base64, all together. */
  readonly bytes: number
  /** From the answer until all was stored, ms. */
  readonly storing: number
  /** From the request to the answer, ms: the server's clock began to run in between. */
  readonly pulling: number
}

export interface PullSize {
  /** From 1. */
  next(): number
  stored(outcome: PullOutcome): void
  /** The answer was too large, or storing took too long. */
  halve(): void
  /** One at a time for so many messages: among them is one that the server cannot read. */
  singles(count: number): void
  /** The one was found: begin anew. */
  reset(): void
}

/** `deadline` in s, as it is known at the moment. */
export function createPullSize(most: number, deadline: () => number): PullSize {
  let size = Math.min(FIRST, most)
  let singles = 0
  const limitOf = ({ got, bytes, storing, pulling }: PullOutcome): number => {
    const byBytes = PULL_TARGET / Math.max(1, bytes / got)
    const time = Math.max((deadline() * 1000) / 2 - pulling, (deadline() * 1000) / 8)
    const byTime = time / Math.max(0.01, storing / got)
    return Math.max(1, Math.floor(Math.min(most, byBytes, byTime)))
  }
  return {
    next: () => (singles > 0 ? 1 : size),
    stored(outcome) {
      if (outcome.got === 0) return
      singles = Math.max(0, singles - outcome.got)
      const limit = limitOf(outcome)
      const full = outcome.got >= outcome.asked
      size = Math.min(limit, full && outcome.asked >= size ? size * 2 : size)
    },
    halve() {
      size = Math.max(1, Math.floor(size / 2))
    },
    singles(count) {
      singles = count
    },
    reset() {
      singles = 0
      size = Math.min(FIRST, most)
    },
  }
}
