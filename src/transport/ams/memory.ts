/**
 * What was stored and is not known to be acknowledged: it comes again at the next pull, and must not be handed out a
 * second time. The receiver's journal would recognise it too; here it costs nothing. Outlives a connection.
 */
import type { Pulled } from './routes.js'

export interface Memory {
  add(message: Pulled): void
  has(message: Pulled): boolean
  /** Acknowledged up to and with this offset. */
  forget(offset: number): void
}

/** More than a few pulls of unknown fate are not remembered: the oldest go first. */
const LIMIT = 20_000

export function createMemory(): Memory {
  const stored = new Map<number, string>()
  // An offset begins anew when a topic is made anew: the server's time stamp, to the nanosecond, tells them apart.
  const mark = ({ publishTime, data }: Pulled) => `${publishTime} ${data.length}`
  return {
    add(message) {
      stored.set(message.offset, mark(message))
      const [oldest] = stored.keys()
      if (stored.size > LIMIT && oldest !== undefined) stored.delete(oldest)
    },
    has: (message) => stored.get(message.offset) === mark(message),
    forget(offset) {
      for (const each of [...stored.keys()]) if (each <= offset) stored.delete(each)
    },
  }
}
