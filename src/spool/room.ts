/**
 * Is there room for another message? Asked before one is taken, so that the disk is never filled to the last byte.
 * Cheap: free space is asked for once a second, the spool is counted only when it may be full.
 */
import { SsmError } from '../errors.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { pathText } from '../os/disk-error.js'

/** What was seen is believed so long, ms. */
const FRESH = 1000
/** A message takes its bytes and about so many more for its files and directory. */
const OVERHEAD = 32_768
/** A full spool is taken up again when it is this full. */
const RESUME = 0.9

export interface RoomOptions {
  readonly path: string
  readonly disk: Disk
  readonly clock: Clock
  /** Bytes. 0: off. */
  readonly minFree: number
  /** Messages. 0: off. */
  readonly maxMessages: number
  /** Messages there are now. */
  readonly count: () => Promise<number>
}

export interface Room {
  /** Takes room for a message; dispose it when the message is stored, or failed. Throws SsmError `disk` in words. */
  enter(bytes: number): Promise<Disposable>
  /** Is there any? Throws SsmError `disk` in words. */
  assertAny(): Promise<void>
}

export function createRoom(options: RoomOptions): Room {
  const { path, disk, clock, minFree, maxMessages, count } = options
  let free = { bytes: 0, at: Number.NEGATIVE_INFINITY }
  let counted = { messages: Number.POSITIVE_INFINITY, at: Number.NEGATIVE_INFINITY }
  let isPaused = false
  let inFlight = 0
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    if (minFree > 0) free = { bytes: await freeBytes(), at: clock.monotonic() }
    if (maxMessages > 0 && isFull() && clock.monotonic() - counted.at >= FRESH) {
      counted = { messages: await count(), at: clock.monotonic() }
    }
  }

  async function freeBytes(): Promise<number> {
    try {
      return await disk.free(path)
    } catch {
      // A file system that does not say: writing will.
      return Number.POSITIVE_INFINITY
    }
  }

  const isFull = (): boolean => counted.messages + inFlight >= maxMessages * (isPaused ? RESUME : 1)
  const isTight = (bytes: number): boolean => free.bytes - bytes - OVERHEAD < minFree

  function isUncertain(bytes: number): boolean {
    if (minFree > 0 && (isTight(bytes) || clock.monotonic() - free.at >= FRESH)) return true
    return maxMessages > 0 && isFull()
  }

  async function assertRoom(bytes: number): Promise<void> {
    if (isUncertain(bytes)) {
      looking ??= look().finally(() => (looking = undefined))
      await looking
    }
    if (minFree > 0 && isTight(bytes)) {
      const [has, needs] = [mebibytes(free.bytes), mebibytes(minFree)]
      throw new SsmError(
        'disk',
        `only ${has} MiB are free at ${pathText(path)}, min_free_space is ${needs} MiB: make room`,
      )
    }
    isPaused = maxMessages > 0 && isFull()
    if (isPaused) {
      const waiting = `${counted.messages} messages are in incoming and reject of ${pathText(path)}`
      throw new SsmError('disk', `${waiting}, max_spool_messages is ${maxMessages}: does their consumer run?`)
    }
  }

  return {
    assertAny: () => assertRoom(0),
    async enter(bytes) {
      await assertRoom(bytes)
      inFlight += 1
      free = { ...free, bytes: free.bytes - bytes - OVERHEAD }
      return {
        [Symbol.dispose]() {
          inFlight -= 1
          counted = { ...counted, messages: counted.messages + 1 }
        },
      }
    },
  }
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 1_048_576)
}
