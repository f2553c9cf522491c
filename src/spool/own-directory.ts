/**
 * `<path>/.ssm/`: everything of ours that is not the queue's. No implementation of directory queues looks at the name.
 */
import { basename, dirname } from 'node:path'
import { SsmError } from '../errors.js'
import type { Disk } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import { effectiveUser } from '../os/process-identity.js'
import { kindOf } from '../os/safe-open.js'
import { lookAt, makeDirectories } from './listing.js'

/** The name within a spool. */
export const OWN_DIRECTORY = '.ssm'

function makePrivate(disk: Disk, path: string): void {
  try {
    disk.mkdir(path, 0o700)
  } catch (error) {
    if (!isSystem(error, 'EEXIST')) throw diskError(error, 'create the directory', path)
  }
}

/** Throws SsmError `configuration` with a sentence when it is not a directory of ours alone. */
function assertPrivate(disk: Disk, path: string, user: number | undefined): void {
  const stats = lookAt(disk, path)
  const refuse = (why: string): never => {
    throw new SsmError('configuration', `${pathText(path)} ${why}`)
  }
  if (stats === undefined) return refuse('vanished while it was being opened: try again')
  if (!stats.isDirectory()) refuse(`is ${kindOf(stats)}, not a directory: look who made it, then remove it`)
  if (user !== undefined && stats.uid !== user) {
    refuse(`belongs to user ${stats.uid}, we are user ${user}: run as that user, or change its owner`)
  }
  if ((stats.mode & 0o022) !== 0) refuse('may be written by others: chmod 700 it after looking inside')
}

/** Makes (0700) or checks one directory. Throws SsmError `configuration` or `disk`. */
export function openPrivateDirectory(disk: Disk, path: string, user = effectiveUser()): string {
  makePrivate(disk, path)
  assertPrivate(disk, path, user)
  return path
}

/**
 * Makes (0700) or checks `<spool>/.ssm` and returns its path; with `folder`, the same for a folder inside it. Makes the spool too.
 * Throws SsmError `configuration` (a symbolic link, somebody else's, writable by others) or `disk`.
 */
export function openOwnDirectory(disk: Disk, spool: string, folder?: string, user = effectiveUser()): string {
  if (lookAt(disk, spool) === undefined) makeDirectories(disk, spool)
  const own = openPrivateDirectory(disk, `${spool}/${OWN_DIRECTORY}`, user)
  return folder === undefined ? own : openPrivateDirectory(disk, `${own}/${folder}`, user)
}

/**
 * A directory of the spool and those above it, the spool itself last. A name is durable when all of these are: what
 * made a directory has to fsync the one above as well, or a power cut may take it with all its content.
 */
export function upToSpool(path: string): readonly string[] {
  const above = dirname(path)
  return basename(above) === OWN_DIRECTORY ? [path, above, dirname(above)] : [path, above]
}
