/**
 * Locking one element of a simple queue: `<name>.lck`, a hard link.
 *
 * The order closes a race that the format's usual one (link, then touch) has: there the lock is born with the time of the element,
 * and a purge that runs just then takes it for an old one. Ours: look, touch, record, link, look again.
 *
 *   free ──touch, record──▶ ours-to-be ──link──▶ ours ──unlink──▶ free
 *     ▲                         │ EEXIST, ENOENT   │ time or inode is another's
 *     └──────── null ◀──────────┘                  └──▶ lost
 */
import { SsmError, isSsmError } from '../errors.js'
import type { MessageId } from '../message.js'
import type { Clock } from '../os/clock.js'
import type { Disk, Stats } from '../os/disk.js'
import { OPEN } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import { discard } from '../os/durable.js'
import { effectiveUser } from '../os/process-identity.js'
import type { Claims } from './claims.js'
import { lookAt, visitDirectory } from './listing.js'

/** Between setting a time and telling that the race was lost lie two system calls. */
const STRAY_WAIT = 20

/** A lock of ours. */
export interface Lock {
  readonly id: MessageId
  readonly directory: string
  /** The element and its lock. */
  readonly path: string
  readonly lockPath: string
  readonly dev: number
  readonly ino: number
  /** Bytes, when it was locked. */
  readonly size: number
  /** Ours while the lock has exactly this time. Moves with a refresh. */
  mtimeMs: number
  /** Monotonic ms of the last touch. */
  touched: number
}

/** Sets the time of an element; undefined: it is gone. Needs ownership or, failing that, write permission. */
export function touchElement(disk: Disk, path: string, time: number): Stats | undefined {
  try {
    disk.touch(path, time)
  } catch (error) {
    if (isSystem(error, 'ENOENT')) return undefined
    if (!isSystem(error, 'EPERM')) throw diskError(error, 'set the time of', path)
    touchAsOther(disk, path)
  }
  return lookAt(disk, path)
}

/**
 * Only the owner may set a time; who may write moves it by truncating the file to the size it has (seen on ext4 and tmpfs).
 * What is not a regular file is left as it is: it will be refused anyway.
 */
function touchAsOther(disk: Disk, path: string): void {
  let fd: number
  try {
    fd = disk.open(path, OPEN.change)
  } catch (error) {
    if (isSystem(error, 'ENOENT', 'ELOOP', 'EISDIR', 'ENXIO')) return
    if (isSystem(error, 'EACCES', 'EPERM')) throw notOurs(disk, path, error)
    throw diskError(error, 'open', path)
  }
  try {
    const stats = disk.fstat(fd)
    if (stats.isFile()) disk.truncate(fd, stats.size)
  } catch (error) {
    throw diskError(error, 'set the time of', path)
  } finally {
    disk.close(fd)
  }
}

/** Why an element of another user cannot be locked, in words. */
function notOurs(disk: Disk, path: string, cause: unknown): SsmError {
  const stats = lookAt(disk, path)
  const owner = stats === undefined ? 'another user' : `user ${stats.uid} (mode ${(stats.mode & 0o777).toString(8)})`
  return new SsmError(
    'disk',
    `cannot lock ${pathText(path)}: it belongs to ${owner} and we are user ${effectiveUser() ?? '?'}. ` +
      'The kernel (fs.protected_hardlinks) lets only the owner, or who may read and write the file, make the lock, which is ' +
      'a hard link. Let the producer run as the same user, or with a umask that gives both a common group the right to write',
    { cause },
  )
}

/** Makes the hard link. false: somebody holds it, or the element is gone. */
function linkLock(disk: Disk, path: string, lockPath: string): boolean {
  try {
    disk.link(path, lockPath)
    return true
  } catch (error) {
    if (isSystem(error, 'EEXIST', 'ENOENT')) return false
    if (isSystem(error, 'EPERM')) throw notOurs(disk, path, error)
    throw diskError(error, 'lock', path)
  }
}

function unlinkIfThere(disk: Disk, path: string): boolean {
  try {
    disk.unlink(path)
    return true
  } catch (error) {
    if (isSystem(error, 'ENOENT')) return false
    throw diskError(error, 'remove', path)
  }
}

export interface LockPlace {
  readonly disk: Disk
  readonly claims: Claims
  readonly clock: Clock
}

/** null: held by somebody, or gone. `irregular`: something that is not a file bears the name. */
export function takeLock(place: LockPlace, id: MessageId, directory: string, path: string): Lock | 'irregular' | null {
  const { disk, claims } = place
  const lockPath = `${path}.lck`
  // Somebody's lock must not be touched: that would keep a dead one alive for ever.
  if (lookAt(disk, lockPath) !== undefined) return null
  const before = touchElement(disk, path, claims.stamp())
  if (before === undefined) return null
  if (!before.isFile()) return 'irregular'
  // Written down before the lock exists: whoever kills us later, the next run knows it.
  claims.record(id, before.mtimeMs)
  const { dev, ino, size, mtimeMs } = before
  const lock: Lock = { id, directory, path, lockPath, dev, ino, size, mtimeMs, touched: place.clock.monotonic() }
  if (!linkLock(disk, path, lockPath)) {
    claims.stray(id, mtimeMs)
    return null
  }
  try {
    return confirm(place, lock)
  } catch (error) {
    // A lock that is nobody's would hold the element back for as long as a lock may be old.
    claims.forget(id)
    discard(disk, lockPath)
    throw error
  }
}

/** After the link: is the element still there, and its time ours? Another claimant may have touched it just before he lost. */
function confirm(place: LockPlace, lock: Lock): Lock | null {
  const { disk, claims } = place
  for (let round = 0; round < 3; round += 1) {
    const after = lookAt(disk, lock.path)
    if (after?.ino !== lock.ino || after.dev !== lock.dev) break
    if (after.mtimeMs === lock.mtimeMs) return lock
    const again = touchElement(disk, lock.path, claims.stamp())
    if (again === undefined) break
    lock.mtimeMs = again.mtimeMs
    claims.record(lock.id, again.mtimeMs)
  }
  unlinkIfThere(disk, lock.lockPath)
  claims.forget(lock.id)
  return null
}

/**
 * Does the lock on disk still bear our time and inode? A time that another run of ours set just before it lost the race for this
 * lock does not make it his; he says so in his record at once, so one look a moment later is enough.
 */
export async function isStillOurs(place: LockPlace, lock: Lock): Promise<boolean> {
  const { disk, claims, clock } = place
  for (let looks = 0; looks < 4; looks += 1) {
    const now = lookAt(disk, lock.lockPath)
    if (now?.ino !== lock.ino || now.dev !== lock.dev) return false
    if (now.mtimeMs === lock.mtimeMs) return true
    if (await claims.isStray(lock.id, now.mtimeMs)) {
      claims.record(lock.id, now.mtimeMs)
      lock.mtimeMs = now.mtimeMs
    } else await clock.sleep(STRAY_WAIT)
  }
  return false
}

export function lockLost(path: string): SsmError {
  return new SsmError(
    'lock-lost',
    `our lock on ${pathText(path)} is gone: somebody purged it, or locked the element after it was purged. The message may be sent twice`,
  )
}

/**
 * Element, then lock, as the format demands. Throws SsmError `lock-lost` or `disk`. The caller syncs the directory. `away`: moves the
 * element instead, what could not be read.
 */
export async function removeElement(
  place: LockPlace,
  lock: Lock,
  away?: (path: string) => Promise<void>,
): Promise<void> {
  const { disk } = place
  if (!(await isStillOurs(place, lock))) throw lockLost(lock.path)
  const removed = away === undefined ? unlinkIfThere(disk, lock.path) : lookAt(disk, lock.path) !== undefined
  await away?.(lock.path)
  try {
    await disk.removeFile(lock.lockPath)
  } catch (error) {
    if (!isSystem(error, 'ENOENT')) throw diskError(error, 'remove', lock.lockPath)
  }
  place.claims.forget(lock.id)
  if (!removed) throw lockLost(lock.path)
}

/** Unlocks. A lock that is not ours any more is left to its holder. */
export async function dropLock(place: LockPlace, lock: Lock): Promise<void> {
  if (await isStillOurs(place, lock)) unlinkIfThere(place.disk, lock.lockPath)
  place.claims.forget(lock.id)
}

/**
 * A new time and a new record for a lock that is held long. false: it was lost. One whose time somebody else moved is left as it
 * is: whose it is `removeElement` finds out.
 */
export function refreshLock(place: LockPlace, lock: Lock): boolean {
  const { disk, claims } = place
  const now = lookAt(disk, lock.lockPath)
  if (now?.ino !== lock.ino || now.dev !== lock.dev) return false
  if (now.mtimeMs !== lock.mtimeMs) return true
  const after = touchElement(disk, lock.lockPath, claims.stamp())
  if (after === undefined) return false
  // Known to us before it is on record: a record that fails must not cost the lock.
  lock.mtimeMs = after.mtimeMs
  claims.record(lock.id, after.mtimeMs)
  lock.touched = place.clock.monotonic()
  return true
}

/** Runs a refresh from a timer: trouble of the disk is not the loss of a lock, the next round tries again. */
export function isLostNow(refresh: () => boolean): boolean {
  try {
    return !refresh()
  } catch (error) {
    if (isSsmError(error, 'disk')) return false
    throw error
  }
}

/**
 * Is the element a hard link to a file that lives elsewhere and belongs to somebody else than the directory? Whoever may
 * write into the spool could so have us send what only we can read. Left-over `.tmp` names of a killed producer are not that.
 */
export async function isForeignLink(disk: Disk, lock: Lock, stats: Stats): Promise<boolean> {
  if (stats.nlink <= 2 || lookAt(disk, lock.directory)?.uid === stats.uid) return false
  let known = 2
  await visitDirectory(disk, lock.directory, ({ name }) => {
    const text = name.toString('latin1')
    if (text.endsWith('.tmp') && lookAt(disk, `${lock.directory}/${text}`)?.ino === stats.ino) known += 1
  })
  return stats.nlink > known
}
