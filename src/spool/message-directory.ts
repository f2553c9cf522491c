/**
 * The plain message directory (`path_type: directory`): every regular file is a message, oldest first, any name. Folders are
 * ignored. The format knows no locks, so ours lie in `.ssm/locks/`, where nobody takes them for messages.
 */
import { createHash } from 'node:crypto'
import { SsmError, isSsmError } from '../errors.js'
import type { MessageId } from '../message.js'
import type { Disk, DiskPath, Stats } from '../os/disk.js'
import { OPEN } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import { createDirectorySync, discard, writeDurably } from '../os/durable.js'
import { effectiveUser } from '../os/process-identity.js'
import { readRegularFile } from '../os/safe-open.js'
import type { Claims } from './claims.js'
import { createClaims } from './claims.js'
import { moveDamaged } from './damaged.js'
import { createFoundation, type Foundation } from './foundation.js'
import { lookAt, visitDirectory } from './listing.js'
import { idOfName, nameOfId } from './message-id.js'
import type { NameMaker } from './names.js'
import { createNameMaker } from './names.js'
import { OWN_DIRECTORY, openOwnDirectory, openPrivateDirectory } from './own-directory.js'
import { PackedFiles } from './packed-files.js'
import type { Claim, PurgeLimits, PurgeReport, Naming } from './port.js'
import type { Leave } from './settling.js'
import { createSettling } from './settling.js'
import type { Outgoing, OutgoingOptions } from './simple-queue.js'
import { DEFAULT_MAX_SIZE, REFRESH_AFTER } from './simple-queue.js'
import { isLostNow, lockLost } from './simple-lock.js'
import { PURGE_DEFAULTS, attempt, threshold } from './simple-purge.js'

const ATTEMPTS = 1000

/** A lock of ours: a small file, ours while it has this time. */
interface Lock {
  readonly path: string
  readonly file: Buffer
  mtimeMs: number
  touched: number
  lost: boolean
  /** What was read: a file changed since then is another message and stays. */
  seen?: Stats
  /** It could not be read: nobody has its content but the file itself. */
  unread?: true
}

interface Opened {
  readonly claims: Claims
  readonly locks: string
}

/** Nothing is touched before the first call. Adding and claiming make `<path>/.ssm`. */
export function createMessageDirectory(options: OutgoingOptions): Outgoing {
  const { path: top, disk, clock, settleWait = 0, maxSize = DEFAULT_MAX_SIZE } = options
  const leave: Leave = options.onUnfinished ?? (() => undefined)
  const sync = options.sync ?? createDirectorySync(disk)
  const settling = createSettling(clock)
  const held = new Map<MessageId, Lock>()
  const names = createNameMaker(clock)
  const foundation = createFoundation({ disk, sync }, top)
  const bytesOfTop = Buffer.from(`${top}/`)
  let opened: Opened | undefined
  const place = (): Opened =>
    (opened ??= { claims: createClaims({ path: top, disk, clock }), locks: openOwnDirectory(disk, top, 'locks') })

  /** The path of a file; undefined: not an id of ours. */
  const fileOf = (id: MessageId): Buffer | undefined => {
    const name = nameOfId(id)
    return name === undefined ? undefined : Buffer.concat([bytesOfTop, name])
  }
  const look = (id: MessageId): Stats | undefined => {
    const file = fileOf(id)
    return file === undefined ? undefined : lookAt(disk, file)
  }

  async function* ids(): AsyncGenerator<MessageId> {
    const files = await listFiles(disk, bytesOfTop)
    const at = clock.monotonic()
    // The listing was the first look at all of them; a caller who does not come back waits for the second here.
    if (files.length > 0 && settleWait >= 1000) await clock.sleep(1000)
    const unsettled: MessageId[] = []
    for (let index = 0; index < files.length; index += 1) {
      const { name, size, mtimeMs } = files.at(index)
      const id = idOfName(name)
      const stats = look(id)
      if (stats === undefined || stats.isDirectory()) continue
      settling.remember(id, { size, mtimeMs, at })
      if (!stats.isFile() || settling.isSettled(id, stats)) yield id
      else if (settleWait > 0) unsettled.push(id)
    }
    yield* settling.rest(unsettled, look, settleWait - 1000, leave)
  }

  function claim(id: MessageId): Promise<Claim<Uint8Array> | null> {
    const file = fileOf(id)
    const stats = file === undefined || held.has(id) ? undefined : lookAt(disk, file)
    if (file === undefined || stats === undefined || stats.isDirectory()) return Promise.resolve(null)
    const lock = takeLock(disk, place(), id, file, clock.monotonic())
    if (lock === undefined) return Promise.resolve(null)
    held.set(id, lock)
    const release = (): Promise<void> => {
      if (held.get(id) === lock && held.delete(id)) dropLock(disk, place(), id, lock)
      return Promise.resolve()
    }
    return Promise.resolve({
      id,
      size: stats.size,
      read: () => read(disk, lock, maxSize),
      async remove() {
        if (held.get(id) !== lock || lock.lost || !isStillOurs(disk, lock)) throw lockLost(pathText(file))
        await removeFile(disk, sync, top, lock)
        held.delete(id)
        dropLock(disk, place(), id, lock)
      },
      release,
      [Symbol.asyncDispose]: release,
    })
  }

  function refresh(): MessageId[] {
    const now = clock.monotonic()
    const due = [...held].filter(([, lock]) => !lock.lost && now - lock.touched > REFRESH_AFTER)
    const lost = due.filter(([id, lock]) => (lock.lost = isLostNow(() => refreshLock(disk, place(), id, lock, now))))
    return lost.map(([id]) => id)
  }

  return {
    path: top,
    add: (bytes, naming) => addFile({ disk, sync, names, top, foundation }, bytes, naming),
    ids,
    claim,
    count: () => countFiles(disk, bytesOfTop),
    purge: (limits) => purge(disk, top, clock.now(), limits, new Set([...held.values()].map((lock) => lock.path))),
    async recover() {
      const { claims, locks } = place()
      return claims.recover((id, mtimeMs) => {
        const path = lockPath(locks, id)
        if (lookAt(disk, path)?.mtimeMs !== mtimeMs) return false
        disk.unlink(path)
        return true
      })
    },
    refresh,
    has: (id) => look(id) !== undefined,
    close() {
      opened?.claims.close()
      opened = undefined
    },
  }
}

/** Ids may be longer than a file name: the lock is called after their hash. */
function lockPath(locks: string, id: MessageId): string {
  return `${locks}/${createHash('sha256').update(id).digest('hex').slice(0, 32)}`
}

/** The lock of a file, for whoever looks at a directory from outside. */
export function lockOfFile(top: string, id: MessageId): string {
  return lockPath(`${top}/${OWN_DIRECTORY}/locks`, id)
}

function takeLock(disk: Disk, { claims, locks }: Opened, id: MessageId, file: Buffer, now: number): Lock | undefined {
  const path = lockPath(locks, id)
  let fd: number
  try {
    fd = disk.open(path, OPEN.create, 0o600)
  } catch (error) {
    if (isSystem(error, 'EEXIST')) return undefined
    throw diskError(error, 'lock', path)
  }
  try {
    // The file is new: its time alone would only be as fine as the kernel's tick, but the name makes up for it.
    const mtimeMs = timeOf(disk, fd)
    claims.record(id, mtimeMs)
    return { path, file, mtimeMs, touched: now, lost: false }
  } catch (error) {
    // A lock that is nobody's would hold the message back for as long as a lock may be old.
    claims.forget(id)
    discard(disk, path)
    throw diskError(error, 'lock', path)
  }
}

function timeOf(disk: Disk, fd: number): number {
  try {
    return disk.fstat(fd).mtimeMs
  } finally {
    disk.close(fd)
  }
}

function isStillOurs(disk: Disk, lock: Lock): boolean {
  return lookAt(disk, lock.path)?.mtimeMs === lock.mtimeMs
}

function dropLock(disk: Disk, { claims }: Opened, id: MessageId, lock: Lock): void {
  claims.forget(id)
  const unlink = (): void => {
    disk.unlink(lock.path)
  }
  if (isStillOurs(disk, lock)) attempt(unlink, 'unlock', lock.path)
}

function refreshLock(disk: Disk, { claims }: Opened, id: MessageId, lock: Lock, now: number): boolean {
  if (!isStillOurs(disk, lock)) return false
  const touch = (): void => {
    disk.touch(lock.path, claims.stamp())
  }
  attempt(touch, 'refresh the lock', lock.path)
  const stats = lookAt(disk, lock.path)
  if (stats === undefined) return false
  lock.mtimeMs = stats.mtimeMs
  claims.record(id, stats.mtimeMs)
  lock.touched = now
  return true
}

async function read(disk: Disk, lock: Lock, maxSize: number): Promise<Uint8Array> {
  const opened = await readRegularFile(disk, lock.file, maxSize).catch((error: unknown) => {
    if (isSsmError(error, 'element-damaged')) lock.unread = true
    throw error
  })
  if (opened === null) throw lockLost(pathText(lock.file))
  const { stats, bytes } = opened
  // The same danger and the same test as in a queue: a file of somebody else that also has a name elsewhere.
  if (stats.nlink > 1 && lookAt(disk, lock.file.subarray(0, lock.file.lastIndexOf(0x2f)))?.uid !== stats.uid) {
    lock.unread = true
    throw new SsmError(
      'element-damaged',
      `${pathText(lock.file)} is a hard link to a file of user ${stats.uid}: not sent`,
    )
  }
  lock.seen = stats
  return bytes
}

/** Removes what was read; what could not be read is moved away as it is. Throws SsmError `lock-lost` or `disk`. */
async function removeFile(disk: Disk, sync: DirectorySync, top: string, lock: Lock): Promise<void> {
  const now = lookAt(disk, lock.file)
  if (now === undefined) throw lockLost(pathText(lock.file))
  if (!now.isFile() || lock.unread === true) {
    await moveDamaged(disk, sync, top, lock.file)
    return
  }
  const seen = lock.seen
  if (seen !== undefined && (seen.ino !== now.ino || seen.mtimeMs !== now.mtimeMs || seen.size !== now.size)) {
    throw new SsmError('lock-lost', `${pathText(lock.file)} was changed while it was sent: it stays, as a new message`)
  }
  try {
    await disk.removeFile(lock.file)
  } catch (error) {
    if (isSystem(error, 'ENOENT')) throw lockLost(pathText(lock.file))
    throw diskError(error, 'remove', lock.file)
  }
  await sync.sync(top)
}

interface AddPlace {
  readonly disk: Disk
  readonly sync: DirectorySync
  readonly names: NameMaker
  readonly top: string
  readonly foundation: Foundation
}

/**
 * A producer of another user than the sender's must neither need nor make the sender's `.ssm`: it has a folder of its own then.
 */
function temporaryFolder({ disk, top, foundation }: AddPlace, user = effectiveUser()): string {
  foundation.make(top)
  const owner = (lookAt(disk, `${top}/${OWN_DIRECTORY}`) ?? lookAt(disk, top))?.uid
  if (user === undefined || owner === user) return openOwnDirectory(disk, top, 'temporary')
  return openPrivateDirectory(disk, `${top}/${OWN_DIRECTORY}-${user}`, user)
}

/** Written where nobody looks, then linked: it appears complete. Throws SsmError `disk`. */
async function addFile(place: AddPlace, bytes: Uint8Array, naming?: Naming): Promise<MessageId> {
  const { disk, sync, names, top, foundation } = place
  const { fd, temporary } = createTemporary(disk, temporaryFolder(place), names)
  try {
    await writeDurably(disk, fd, bytes)
    const name = linkNew(place, temporary, naming)
    discard(disk, temporary)
    await sync.sync(top)
    await foundation.settle()
    return name
  } catch (error) {
    discard(disk, temporary)
    throw diskError(error, 'add to', top)
  }
}

/** Two producers may come to the same name in the same microsecond: whoever is second takes another, and leaves the first's. */
function createTemporary(
  disk: Disk,
  folder: string,
  names: NameMaker,
): { readonly fd: number; readonly temporary: string } {
  for (let round = 0; round < ATTEMPTS; round += 1) {
    const temporary = `${folder}/${names.element()}.tmp`
    try {
      return { fd: disk.createFile(temporary), temporary }
    } catch (error) {
      if (!isSystem(error, 'EEXIST')) throw diskError(error, 'write', temporary)
    }
  }
  throw new SsmError('disk', `cannot write into ${pathText(folder)}: no free name`)
}

function linkNew({ disk, top, names }: AddPlace, temporary: string, naming?: Naming): string {
  for (let round = 0; round < ATTEMPTS; round += 1) {
    const name = names.element()
    if (naming !== undefined) {
      if (lookAt(disk, `${top}/${name}`) !== undefined) continue
      naming(name)
    }
    try {
      disk.link(temporary, `${top}/${name}`)
      return name
    } catch (error) {
      if (!isSystem(error, 'EEXIST')) throw error
    }
  }
  throw new SsmError('disk', `cannot add to ${pathText(top)}: no free name`)
}

async function listFiles(disk: Disk, top: Buffer): Promise<PackedFiles> {
  const files = new PackedFiles()
  await visitDirectory(disk, top, ({ name, kind }) => {
    if (kind === 'directory') return
    const stats = lookAt(disk, Buffer.concat([top, name]))
    if (stats !== undefined && !stats.isDirectory()) files.push(name, stats)
  })
  files.sort()
  return files
}

/** Files, whatever they are. Throws SsmError `disk`. */
export async function countFiles(disk: Disk, top: DiskPath): Promise<number> {
  let count = 0
  await visitDirectory(disk, top, ({ kind }) => {
    if (kind !== 'directory') count += 1
  })
  return count
}

async function purge(
  disk: Disk,
  top: string,
  now: number,
  limits: PurgeLimits = {},
  held: ReadonlySet<string>,
): Promise<PurgeReport> {
  const { maxTemp, maxLock } = { ...PURGE_DEFAULTS, ...limits }
  if (lookAt(disk, `${top}/.ssm`) === undefined) return { temporary: 0, locks: 0, directories: 0 }
  const sweep = async (folder: string, seconds: number): Promise<number> => {
    const path = openOwnDirectory(disk, top, folder)
    const stale: DiskPath[] = []
    await visitDirectory(disk, path, ({ name }) => {
      const file = `${path}/${name.toString('latin1')}`
      const stats = lookAt(disk, file)
      if (stats?.isFile() === true && !held.has(file) && stats.mtimeMs < threshold(now, seconds)) stale.push(file)
    })
    const unlink = (file: DiskPath) => (): void => {
      disk.unlink(file)
    }
    return stale.filter((file) => attempt(unlink(file), 'remove', pathText(file))).length
  }
  return { temporary: await sweep('temporary', maxTemp), locks: await sweep('locks', maxLock), directories: 0 }
}
