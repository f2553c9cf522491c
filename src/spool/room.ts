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
  /** Bytes. 0: only the messages in hand must fit, or what is staged of them could fill a small disk and wait for itself. */
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
  /** Bytes of those in flight: perhaps not written yet. */
  let inHand = 0
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    free = { bytes: await freeBytes(), at: clock.monotonic() }
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
  const isTight = (bytes: number): boolean => free.bytes - inHand - bytes - OVERHEAD < minFree

  function isUncertain(bytes: number): boolean {
    if (isTight(bytes) || clock.monotonic() - free.at >= FRESH) return true
    return maxMessages > 0 && isFull()
  }

  async function lookWhenUncertain(bytes: number): Promise<void> {
    if (!isUncertain(bytes)) return
    looking ??= look().finally(() => (looking = undefined))
    await looking
  }

  function assertRoom(bytes: number): void {
    if (isTight(bytes)) throw tooLittle()
    isPaused = maxMessages > 0 && isFull()
    if (isPaused) {
      const waiting = `${counted.messages} messages are in incoming and reject of ${pathText(path)}`
      throw new SsmError('disk', `${waiting}, max_spool_messages is ${maxMessages}: does their consumer run?`)
    }
  }

  function tooLittle(): SsmError {
    if (minFree === 0) {
      return new SsmError('disk', `the disk is full: ${free.bytes} bytes are free at ${pathText(path)}: make room`)
    }
    const [has, needs] = [mebibytes(free.bytes), mebibytes(minFree)]
    const words = `only ${has} MiB are free at ${pathText(path)}, min_free_space is ${needs} MiB: make room`
    return new SsmError('disk', words)
  }

  return {
    async assertAny() {
      await lookWhenUncertain(0)
      assertRoom(0)
    },
    async enter(bytes) {
      await lookWhenUncertain(bytes)
      // Nothing comes between here and the taking: of those who looked together, each sees what the one before has taken.
      assertRoom(bytes)
      const taken = bytes + OVERHEAD
      inFlight += 1
      inHand += taken
      return {
        [Symbol.dispose]() {
          inFlight -= 1
          inHand -= taken
          free = { ...free, bytes: free.bytes - taken }
          counted = { ...counted, messages: counted.messages + 1 }
        },
      }
    },
  }
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 1_048_576)
}
