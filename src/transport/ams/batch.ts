/**
 * The messages of one pull while they are stored, in the order of their offsets. What counts is the unbroken stored
 * beginning: one acknowledge covers everything up to its id, so nothing behind a gap may be acknowledged.
 */
import type { Pulled } from './routes.js'

export interface Batch {
  /** Those that have to be stored, in order. */
  readonly open: readonly Pulled[]
  stored(message: Pulled): void
  released(message: Pulled): void
  /** It was never handed out. */
  dropped(message: Pulled): void
  /** Was any of them given back? */
  readonly broken: boolean
  /** The last of the unbroken stored beginning; undefined: not even the first is stored. */
  prefixEnd(): Pulled | undefined
  /** Nobody waits for the rest. */
  abandon(): void
  /** Resolves when each of `open` was stored, released or dropped, or the rest was abandoned. */
  settled(): Promise<void>
}

/** `known`: is stored already, from an earlier pull. */
export function createBatch(messages: readonly Pulled[], known: (message: Pulled) => boolean): Batch {
  const done = new Set(messages.filter(known))
  const open = messages.filter((message) => !done.has(message))
  let waiting = open.length
  let broken = false
  let wake: () => void = () => undefined
  const settled = new Promise<void>((resolve) => {
    wake = resolve
  })
  if (waiting === 0) wake()
  const settle = () => {
    waiting -= 1
    if (waiting === 0) wake()
  }
  return {
    open,
    stored(message) {
      done.add(message)
      settle()
    },
    released() {
      broken = true
      settle()
    },
    dropped: settle,
    get broken() {
      return broken
    },
    prefixEnd() {
      const gap = messages.findIndex((message) => !done.has(message))
      return gap === -1 ? messages.at(-1) : messages[gap - 1]
    },
    abandon: () => {
      wake()
    },
    settled: () => settled,
  }
}
