/**
 * Which kind of spool is this directory? For tools that are only given a path.
 */
import type { Disk } from '../os/disk.js'
import { isRealDirectory, listIntermediate, visitDirectory } from './listing.js'
import { isElementName } from './names.js'
import { OWN_DIRECTORY } from './own-directory.js'

/** `receiver`: the parent of `incoming` and `reject`. `none`: no such directory. */
export type SpoolKind = 'simple' | 'schema' | 'directory' | 'receiver' | 'empty' | 'none'

interface Found {
  files: boolean
  elementFiles: boolean
  elementDirectories: boolean
}

/** Looks at names and kinds only, at most until it is sure. Throws SsmError `disk`. */
export async function detectSpool(disk: Disk, path: string): Promise<SpoolKind> {
  if (!isRealDirectory(disk, path)) return 'none'
  if (isRealDirectory(disk, `${path}/temporary`) && isRealDirectory(disk, `${path}/obsolete`)) return 'schema'
  const found: Found = { files: false, elementFiles: false, elementDirectories: false }
  const intermediate = await listIntermediate(disk, path)
  for (const name of intermediate) {
    await lookInside(disk, `${path}/${name}`, found)
    if (found.elementDirectories) return 'schema'
    if (found.elementFiles) return 'simple'
  }
  if (isRealDirectory(disk, `${path}/incoming`) || isRealDirectory(disk, `${path}/reject`)) return 'receiver'
  await visitDirectory(disk, path, ({ name, kind }) => {
    if (kind !== 'directory' && name.toString('latin1') !== OWN_DIRECTORY) found.files = true
  })
  // Locks of a plain directory lie there; it stays one when it is empty.
  const isDirectory =
    found.files || (intermediate.length === 0 && isRealDirectory(disk, `${path}/${OWN_DIRECTORY}/locks`))
  if (isDirectory) return 'directory'
  // Empty intermediate directories: a simple queue that was emptied; a queue with schema would have `temporary`.
  return intermediate.length > 0 ? 'simple' : 'empty'
}

async function lookInside(disk: Disk, directory: string, found: Found): Promise<void> {
  await visitDirectory(disk, directory, ({ name, kind }) => {
    if (!isElementName(name.toString('latin1'))) return
    if (kind === 'directory') found.elementDirectories = true
    else found.elementFiles = true
  })
}
