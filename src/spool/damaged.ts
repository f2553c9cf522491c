/**
 * What cannot be read (no regular file, too large, a hard link to another's) cannot be copied into `.ssm/failed`: it is moved, unread,
 * to `.ssm/damaged/`.
 */
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import type { Disk, DiskPath } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import { openOwnDirectory } from './own-directory.js'

/** Moves it, durably; what has gone meanwhile is fine. Throws SsmError `disk`. */
export async function moveDamaged(disk: Disk, sync: DirectorySync, top: string, path: DiskPath): Promise<void> {
  const folder = openOwnDirectory(disk, top, 'damaged')
  const target = `${folder}/${randomBytes(8).toString('hex')}`
  try {
    disk.rename(path, target)
  } catch (error) {
    if (isSystem(error, 'ENOENT')) return
    throw diskError(error, 'move out of the way', path)
  }
  await sync.sync(folder)
  await sync.sync(typeof path === 'string' ? dirname(path) : top)
}
