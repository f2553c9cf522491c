/**
 * The directories that a spool stands in. A name is durable when the directory that holds it was fsynced, all the way up:
 * a power cut may else take the spool itself with everything in it, however carefully that was written.
 */
import { dirname } from 'node:path'
import { isSsmError } from '../errors.js'
import type { Disk } from '../os/disk.js'
import { isSystem } from '../os/disk-error.js'
import { createDirectorySync, type DirectorySync } from '../os/durable.js'
import { makeDirectories } from './listing.js'

export interface Foundation {
  /** Creates a directory and its missing parents. Throws SsmError `disk`. */
  make(path: string): void
  /**
   * Resolves when every directory made before is durable; with the first call the spool's own name too, which a program
   * that was killed may have made a moment ago. Throws SsmError `disk`.
   */
  settle(): Promise<void>
}

export function createFoundation({ disk, sync }: { disk: Disk; sync: DirectorySync }, top: string): Foundation {
  /** Directories with a new name in them; how many times that was so. */
  const changed = new Map<string, number>()
  const above = dirname(top)
  let isSpoolDurable = false

  const settleOne = async (directory: string, times: number): Promise<void> => {
    await sync.sync(directory)
    // Another one may have been made there meanwhile.
    if (changed.get(directory) === times) changed.delete(directory)
  }

  return {
    make(path) {
      for (const directory of makeDirectories(disk, path)) changed.set(directory, (changed.get(directory) ?? 0) + 1)
    },
    async settle() {
      if (isSpoolDurable && changed.size === 0) return
      const settling = [...changed].map(([directory, times]) => settleOne(directory, times))
      if (!isSpoolDurable && !changed.has(above)) settling.push(syncForeign(sync, above))
      await Promise.all(settling)
      isSpoolDurable = true
    },
  }
}

/** Makes a spool where there is none, durably; one that is there gets its name durable. Throws SsmError `disk`. */
export async function makeSpool(disk: Disk, path: string): Promise<void> {
  const foundation = createFoundation({ disk, sync: createDirectorySync(disk) }, path)
  foundation.make(path)
  await foundation.settle()
}

/** A directory that we have made nothing in. A producer may not even be allowed to open it: then it is its maker's business. */
async function syncForeign(sync: DirectorySync, directory: string): Promise<void> {
  try {
    await sync.sync(directory)
  } catch (error) {
    if (!isSsmError(error, 'disk') || !isSystem(error.cause, 'EACCES', 'EPERM')) throw error
  }
}
