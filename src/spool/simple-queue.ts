/**
 * The spool room: directories that hold messages. Simple queue (a file an element), queue with schema (a directory an
 * element), plain message directory; all behind one port. It shares these directories with the other implementations of
 * directory queues at the same time, and treats them as hostile: nothing is read or removed through a link. It never looks into a
 * message. It throws SsmError `disk`, `element-damaged`, `lock-lost`, `configuration`.
 *
 * This file: the simple queue, `<top>/SSSSSSSS/<14hex>`.
 */
import type { MessageId } from '../message.js'
import type { Clock } from '../os/clock.js'
import { SsmError, isSsmError } from '../errors.js'
import type { Disk, Stats } from '../os/disk.js'
import { pathText } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import { createDirectorySync } from '../os/durable.js'
import { kindOf, readRegularFile } from '../os/safe-open.js'
import { createClaims } from './claims.js'
import { moveDamaged } from './damaged.js'
import { countElements, isRealDirectory, listElements, listIntermediate, lookAt } from './listing.js'
import { PackedNames, createNameMaker, parseElementPath, timeOfName } from './names.js'
import type { Claim, Spool, Naming } from './port.js'
import type { Leave } from './settling.js'
import { createSettling, isFreshlyEmpty, isMadeAt } from './settling.js'
import { createAdd } from './simple-add.js'
import type { Lock, LockPlace } from './simple-lock.js'
import { dropLock, isForeignLink, isLostNow, lockLost, refreshLock, removeElement, takeLock } from './simple-lock.js'
import { purgeSimple } from './simple-purge.js'

/** Larger elements are not read into memory. */
export const DEFAULT_MAX_SIZE = 256 * 1024 * 1024
/** Purges of others break locks older than 300 s (the least of all defaults): a third of it. */
export const REFRESH_AFTER = 100_000

export interface OutgoingOptions {
  readonly path: string
  readonly disk: Disk
  readonly clock: Clock
  /** Shared with others on the same disk, so that their fsyncs are too. */
  readonly sync?: DirectorySync
  /** Bytes; larger elements are damaged. Default 256 MiB. */
  readonly maxSize?: number
  /** How long `ids()` waits at its end for files that are being written by hand, ms. 0 (default): the caller comes again. */
  readonly settleWait?: number
  /** Told of each file that was left because it did not settle. */
  readonly onUnfinished?: Leave
}

export interface SimpleQueueOptions extends OutgoingOptions {
  /** Seconds an intermediate directory stands for. Default 60. */
  readonly granularity?: number
}

/** What a sender's spool can do besides the port. */
export interface Outgoing extends Spool<Uint8Array> {
  readonly path: string
  add(bytes: Uint8Array, naming?: Naming): Promise<MessageId>
  /** Frees at once the locks of our runs that are provably gone. Returns how many. Call before the first claim. */
  recover(): Promise<number>
  /** Renews claims held for more than 100 s. For a timer of the caller, every 30 s or so; never throws. Returns what was lost. */
  refresh(): MessageId[]
  /** Is there an element of this id? */
  readonly has: (id: MessageId) => boolean
  /** Ends this run's record of claims. */
  close(): void
}

interface Held {
  readonly lock: Lock
  lost: boolean
  /** It could not be read: nobody has its content but the file itself. */
  unread?: true
}

/** Nothing is touched before the first call. Adding needs no right but to write; claiming makes `<path>/.ssm`. */
export function createSimpleQueue(options: SimpleQueueOptions): Outgoing {
  const { path: top, disk, clock, maxSize = DEFAULT_MAX_SIZE, settleWait = 0 } = options
  const leave: Leave = options.onUnfinished ?? (() => undefined)
  const sync = options.sync ?? createDirectorySync(disk)
  const settling = createSettling(clock)
  const held = new Map<MessageId, Held>()
  const add = createAdd({ disk, sync, top, names: createNameMaker(clock, options.granularity) })
  let opened: LockPlace | undefined
  const lockTime = (id: MessageId): number | undefined => lookAt(disk, `${top}/${id}.lck`)?.mtimeMs
  const place = (): LockPlace =>
    (opened ??= { disk, claims: createClaims({ path: top, disk, clock, lockTime }), clock })

  const look = (id: MessageId): Stats | undefined => lookAt(disk, `${top}/${id}`)

  function isReady(id: MessageId, name: string, stats: Stats): boolean {
    if (!stats.isFile()) return true
    if (isMadeAt(timeOfName(name), stats) && !isFreshlyEmpty(stats, clock.now())) return true
    return settling.isSettled(id, stats)
  }

  async function* ids(): AsyncGenerator<MessageId> {
    // Packed: after a backup was restored, all may look hand-made.
    const unsettled = new Map<string, PackedNames>()
    for (const directory of await listIntermediate(disk, top)) {
      const names = await listElements(disk, `${top}/${directory}`)
      for (let index = 0; index < names.length; index += 1) {
        const name = names.at(index)
        const id = `${directory}/${name}`
        const stats = look(id)
        if (stats === undefined) continue
        if (isReady(id, name, stats)) yield id
        else if (settleWait > 0) packInto(unsettled, directory, name)
      }
    }
    yield* settling.rest(unpack(unsettled), look, settleWait, leave)
  }

  async function claim(id: MessageId): Promise<Claim<Uint8Array> | null> {
    const parsed = parseElementPath(id)
    const directory = `${top}/${parsed?.directory ?? ''}`
    if (parsed === undefined || held.has(id) || !isRealDirectory(disk, directory)) return null
    const lock = takeLock(place(), id, directory, `${directory}/${parsed.name}`)
    if (lock === null) return null
    if (lock === 'irregular') return damagedClaim(disk, top, id, sync)
    const entry: Held = { lock, lost: false }
    held.set(id, entry)
    return Promise.resolve(claimOf(id, entry))
  }

  function claimOf(id: MessageId, entry: Held): Claim<Uint8Array> {
    const { lock } = entry
    const release = async (): Promise<void> => {
      if (held.get(id) === entry && held.delete(id)) await dropLock(place(), lock)
    }
    return {
      id,
      size: lock.size,
      async read() {
        try {
          return await readLocked(disk, lock, maxSize)
        } catch (error) {
          if (isSsmError(error, 'element-damaged')) entry.unread = true
          throw error
        }
      },
      async remove() {
        if (held.get(id) !== entry || entry.lost) throw lockLost(lock.path)
        const away = (path: string): Promise<void> => moveDamaged(disk, sync, top, path)
        await removeElement(place(), lock, ...(entry.unread === true ? [away] : []))
        held.delete(id)
        await sync.sync(lock.directory)
      },
      release,
      [Symbol.asyncDispose]: release,
    }
  }

  return {
    path: top,
    add,
    ids,
    claim,
    count: () => countElements(disk, top),
    purge: (limits) => purgeSimple({ disk, top, now: clock.now(), held }, limits),
    async recover() {
      return place().claims.recover((id, mtimeMs) => freeDeadLock(disk, top, id, mtimeMs))
    },
    refresh() {
      const now = clock.monotonic()
      const due = [...held].filter(([, entry]) => !entry.lost && now - entry.lock.touched > REFRESH_AFTER)
      return due
        .filter(([, entry]) => (entry.lost = isLostNow(() => refreshLock(place(), entry.lock))))
        .map(([id]) => id)
    },
    has: (id) => parseElementPath(id) !== undefined && look(id) !== undefined,
    close() {
      opened?.claims.close()
      opened = undefined
    },
  }
}

function packInto(packed: Map<string, PackedNames>, directory: string, name: string): void {
  let names = packed.get(directory)
  if (names === undefined) packed.set(directory, (names = new PackedNames()))
  names.push(name)
}

function* unpack(packed: ReadonlyMap<string, PackedNames>): Generator<MessageId> {
  for (const [directory, names] of packed) {
    for (let index = 0; index < names.length; index += 1) yield `${directory}/${names.at(index)}`
  }
}

/** Reads through the lock's name: what bears the element's name may have been swapped since. */
async function readLocked(disk: Disk, lock: Lock, maxSize: number): Promise<Uint8Array> {
  const file = await readRegularFile(disk, lock.lockPath, maxSize)
  if (file === null) throw lockLost(lock.path)
  const { stats, bytes } = file
  if (stats.ino !== lock.ino || stats.dev !== lock.dev) throw lockLost(lock.path)
  if (await isForeignLink(disk, lock, stats)) {
    throw new SsmError(
      'element-damaged',
      `${pathText(lock.path)} is a hard link to a file of user ${stats.uid} elsewhere: not sent`,
    )
  }
  return bytes
}

/** Unlinks a lock of a dead run when it still bears the recorded time. */
function freeDeadLock(disk: Disk, top: string, id: MessageId, mtimeMs: number): boolean {
  const parsed = parseElementPath(id)
  if (parsed === undefined || !isRealDirectory(disk, `${top}/${parsed.directory}`)) return false
  const lockPath = `${top}/${id}.lck`
  if (lookAt(disk, lockPath)?.mtimeMs !== mtimeMs) return false
  disk.unlink(lockPath)
  return true
}

/** A link, FIFO or directory with an element's name: cannot be locked or read, only moved out of the way, as a whole. */
export function damagedClaim(disk: Disk, top: string, id: MessageId, sync: DirectorySync): Claim<Uint8Array> | null {
  const path = `${top}/${id}`
  const stats = lookAt(disk, path)
  if (stats === undefined) return null
  const nothing = (): Promise<void> => Promise.resolve()
  return {
    id,
    read: () =>
      Promise.reject(
        new SsmError('element-damaged', `${pathText(path)} is ${kindOf(stats)}, not a regular file: not read`),
      ),
    remove: () => moveDamaged(disk, sync, top, path),
    release: nothing,
    [Symbol.asyncDispose]: nothing,
  }
}
