/**
 * Writes that survive a power cut: temp, fsync, link or rename, fsync of the directory.
 */
import { dirname } from 'node:path'
import type { Disk } from './disk.js'
import { OPEN } from './disk.js'
import { diskError, isSystem } from './disk-error.js'

/** Writes all bytes, however few the system takes at a time. Throws system errors; a write of nothing is ENOSPC. */
export async function writeAll(disk: Disk, fd: number, bytes: Uint8Array): Promise<void> {
  let offset = 0
  while (offset < bytes.length) {
    const written = await disk.write(fd, bytes, offset)
    if (written <= 0) throw Object.assign(new Error('the system wrote nothing'), { code: 'ENOSPC' })
    offset += written
  }
}

/** Writes and fsyncs a descriptor and closes it. A failing close is a failing write (NFS reports quota there). */
export async function writeDurably(disk: Disk, fd: number, bytes: Uint8Array): Promise<void> {
  let open = true
  try {
    await writeAll(disk, fd, bytes)
    await disk.fsync(fd)
    open = false
    disk.close(fd)
  } finally {
    if (open) disk.close(fd)
  }
}

/** Removes what a failed step left behind. What cannot be removed either stays: the first error is the one to report. */
export function discard(disk: Disk, path: string): void {
  try {
    disk.unlink(path)
  } catch {
    // The caller is already throwing the reason; a left-over temporary file is purged later.
  }
}

/** fsync of directories, shared by all who ask at the same time. */
export interface DirectorySync {
  /**
   * Resolves when everything done in the directory before this call is durable. A directory that has vanished counts as
   * such: somebody consumed its content; then its parent is synced. Throws SsmError `disk`: the change may be lost.
   */
  sync(path: string): Promise<void>
}

/** One fsync of one directory. */
async function syncOnce(disk: Disk, path: string): Promise<void> {
  let fd: number
  try {
    fd = disk.open(path, OPEN.directory)
  } catch (error) {
    const parent = dirname(path)
    if (isSystem(error, 'ENOENT') && parent !== path) {
      await syncOnce(disk, parent)
      return
    }
    throw diskError(error, 'open for fsync the directory', path)
  }
  try {
    await disk.fsync(fd)
  } catch (error) {
    throw diskError(error, 'fsync the directory', path)
  } finally {
    disk.close(fd)
  }
}

/**
 * Per directory at most one fsync runs and one waits. A caller always joins the waiting one, never the running one: its
 * change may have come too late for that. 64 messages in flight so cost two or three fsyncs, not 64.
 */
export function createDirectorySync(disk: Disk): DirectorySync {
  const running = new Map<string, Promise<void>>()
  const waiting = new Map<string, Promise<void>>()

  async function start(path: string, before: Promise<void> | undefined): Promise<void> {
    // Its own callers hear of a failure of the one before; those who wait here ask for another.
    await before?.catch(() => undefined)
    // One turn of the microtask queue: callers of the same tick come along.
    await Promise.resolve()
    const mine = waiting.get(path)
    waiting.delete(path)
    if (mine !== undefined) running.set(path, mine)
    try {
      await syncOnce(disk, path)
    } finally {
      if (running.get(path) === mine) running.delete(path)
    }
  }

  return {
    sync(path) {
      const joined = waiting.get(path)
      if (joined !== undefined) return joined
      const next = start(path, running.get(path))
      waiting.set(path, next)
      return next
    },
  }
}

/** Replaces a file as a whole, durably: temp beside it, fsync, rename, fsync of the directory. Throws SsmError `disk`. */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.new`
  try {
    try {
      disk.unlink(temporary)
    } catch (error) {
      if (!isSystem(error, 'ENOENT')) throw error
    }
    await writeDurably(disk, disk.createFile(temporary, mode), bytes)
    disk.rename(temporary, path)
  } catch (error) {
    discard(disk, temporary)
    throw diskError(error, 'write', path)
  }
  await syncOnce(disk, dirname(path))
}
