/**
 * A window of work in flight: at most N messages and B bytes, at least one message. First come, first served.
 */
import type { Window } from '../transport/port.js'

/** Counts what is in flight and makes the next one wait. */
export interface FlowWindow {
  /** Resolves when there is room for one message of `bytes`. Each `enter` is followed by one `leave` with the same figure. */
  enter(bytes: number): Promise<void>
  leave(bytes: number): void
  /** Resolves when nothing is in flight. */
  idle(): Promise<void>
}

interface Waiting {
  readonly bytes: number
  readonly go: () => void
}

/** An empty window with these limits. */
export function createFlowWindow(limit: Window): FlowWindow {
  let messages = 0
  let bytes = 0
  const waiting: Waiting[] = []
  let idlers: (() => void)[] = []

  const fits = (more: number): boolean => messages === 0 || (messages < limit.messages && bytes + more <= limit.bytes)
  const take = (more: number): void => {
    messages += 1
    bytes += more
  }
  return {
    async enter(more) {
      if (waiting.length === 0 && fits(more)) {
        take(more)
        return
      }
      await new Promise<void>((resolve) => waiting.push({ bytes: more, go: resolve }))
    },
    leave(less) {
      messages -= 1
      bytes -= less
      for (let next = waiting[0]; next !== undefined && fits(next.bytes); next = waiting[0]) {
        waiting.shift()
        take(next.bytes)
        next.go()
      }
      if (messages === 0) {
        for (const idle of idlers) idle()
        idlers = []
      }
    },
    async idle() {
      if (messages > 0) await new Promise<void>((resolve) => idlers.push(resolve))
    },
  }
}
