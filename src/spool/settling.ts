/**
 * Files made by hand may be half-written when we find them. They are taken when size and time were the same in two looks one
 * second apart. What a library's `add` made appears complete and never waits.
 */
import type { MessageId } from '../message.js'
import type { Clock } from '../os/clock.js'
import type { Stats } from '../os/disk.js'

const BETWEEN_LOOKS = 1000
/** An empty file may be about to be written; after a minute it is just empty. */
const EMPTY_FOR = 60_000
/** Files remembered between two passes, about 2 MB; more are looked at when these are through. */
const REMEMBERED = 10_000

export interface Settling {
  /** Is the file complete? Remembers what it saw for the next look. */
  isSettled(id: MessageId, stats: Stats): boolean
  /** Takes an earlier look, made elsewhere, into account. `at` is monotonic. */
  remember(id: MessageId, look: Look): void
  /**
   * Looks again, once a second for at most `waitMs`, and yields what has settled. Calls `leave` for what has not.
   * `look` gives undefined for what is gone.
   */
  rest(
    ids: Iterable<MessageId>,
    look: (id: MessageId) => Stats | undefined,
    waitMs: number,
    leave: Leave,
  ): AsyncGenerator<MessageId>
}

export type Leave = (id: MessageId) => void

export interface Look {
  readonly size: number
  readonly mtimeMs: number
  readonly at: number
}

/** Was the file made at the time its name says (a library's add)? Copies keep one of the two times. */
export function isMadeAt(time: number, stats: Stats): boolean {
  return Math.abs(stats.mtimeMs - time) <= 60_000 || Math.abs(stats.birthtimeMs - time) <= 60_000
}

/** Empty, and not for long. */
export function isFreshlyEmpty(stats: Stats, now: number): boolean {
  return stats.size === 0 && Math.abs(now - stats.mtimeMs) < EMPTY_FOR
}

export function createSettling(clock: Clock): Settling {
  const looks = new Map<MessageId, Look>()

  function isSettled(id: MessageId, stats: Stats): boolean {
    const now = clock.now()
    const at = clock.monotonic()
    const before = looks.get(id)
    const same = before?.size === stats.size && before.mtimeMs === stats.mtimeMs
    // A time in the future (a step of the clock, another host's) must not hold the file back for ever: hence abs.
    const quiet = Math.abs(now - stats.mtimeMs) >= BETWEEN_LOOKS
    if (same && quiet && at - before.at >= BETWEEN_LOOKS && !isFreshlyEmpty(stats, now)) {
      looks.delete(id)
      return true
    }
    if (!same && (before !== undefined || looks.size < REMEMBERED)) {
      looks.set(id, { size: stats.size, mtimeMs: stats.mtimeMs, at })
    }
    return false
  }

  return {
    isSettled,
    remember(id, look) {
      if (looks.size < REMEMBERED && !looks.has(id)) looks.set(id, look)
    },
    async *rest(ids, look, waitMs, leave) {
      const end = clock.monotonic() + waitMs
      const waiting = new Set(ids)
      while (waiting.size > 0 && clock.monotonic() + BETWEEN_LOOKS <= end) {
        await clock.sleep(BETWEEN_LOOKS)
        for (const id of waiting) {
          const stats = look(id)
          if (stats !== undefined && !isSettled(id, stats)) continue
          waiting.delete(id)
          if (stats !== undefined) yield id
        }
      }
      for (const id of waiting) {
        if (look(id) === undefined) looks.delete(id)
        else leave(id)
      }
    },
  }
}
