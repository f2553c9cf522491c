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
/** Files remembered at a time, about 2 MB; more are looked at when these are through. */
const REMEMBERED = 10_000
/** What was not looked at again for so long has gone, or nobody comes again. */
const FORGET_AFTER = 60_000

export interface Settling {
  /** Is the file complete? Remembers what it saw for the next look. */
  isSettled(id: MessageId, stats: Stats): boolean
  /** Takes an earlier look, made elsewhere, into account. `at` is monotonic. */
  remember(id: MessageId, look: Look): void
  /**
   * Looks again, once a second for at most `waitMs` (for each 10 000 files), and yields what has settled. Calls `leave` for
   * what has not. `look` gives undefined for what is gone. With `waitMs` under a second it does nothing: the caller comes again.
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

/** Groups of at most `REMEMBERED`, made as they are asked for. */
function* groups(ids: Iterable<MessageId>): Generator<Set<MessageId>> {
  let group = new Set<MessageId>()
  for (const id of ids) {
    group.add(id)
    if (group.size < REMEMBERED) continue
    yield group
    group = new Set()
  }
  if (group.size > 0) yield group
}

export function createSettling(clock: Clock): Settling {
  const looks = new Map<MessageId, Look>()
  let swept = 0

  function remember(id: MessageId, look: Look): void {
    if (looks.size >= REMEMBERED && look.at - swept > 1000) {
      swept = look.at
      for (const [old, { at }] of looks) if (look.at - at > FORGET_AFTER) looks.delete(old)
    }
    if (looks.size < REMEMBERED || looks.has(id)) looks.set(id, look)
  }

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
    if (!same) remember(id, { size: stats.size, mtimeMs: stats.mtimeMs, at })
    return false
  }

  /** Takes out of `waiting` and yields what has settled; what is gone is taken out too. */
  function* settled(waiting: Set<MessageId>, look: (id: MessageId) => Stats | undefined): Generator<MessageId> {
    for (const id of waiting) {
      const stats = look(id)
      if (stats !== undefined && !isSettled(id, stats)) continue
      waiting.delete(id)
      if (stats === undefined) looks.delete(id)
      else yield id
    }
  }

  return {
    isSettled,
    remember(id, look) {
      if (!looks.has(id)) remember(id, look)
    },
    async *rest(ids, look, waitMs, leave) {
      if (waitMs < BETWEEN_LOOKS) return
      for (const waiting of groups(ids)) {
        const end = clock.monotonic() + waitMs
        yield* settled(waiting, look)
        while (waiting.size > 0 && clock.monotonic() + BETWEEN_LOOKS <= end) {
          await clock.sleep(BETWEEN_LOOKS)
          yield* settled(waiting, look)
        }
        for (const id of waiting) {
          looks.delete(id)
          leave(id)
        }
      }
    },
  }
}
