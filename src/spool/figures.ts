/**
 * How much lies in the spools of a program, by looking only: no lock is taken, nothing is made. The counts stream: a million
 * elements cost a second and no memory, and others get their turn meanwhile.
 */
import type { Disk } from '../os/disk.js'
import { countElements, lookAt, visitDirectory } from './listing.js'
import { countFiles } from './message-directory.js'
import { OWN_DIRECTORY } from './own-directory.js'

export interface ReceiverFigures {
  readonly incoming: number
  readonly reject: number
  readonly held: number
  readonly journal: { readonly files: number; readonly bytes: number }
  /** Bytes that may still be written; undefined: the file system does not say. */
  readonly free?: number
}

export interface SenderFigures {
  readonly outgoing: number
  /** What was set aside. */
  readonly failed: number
  readonly free?: number
}

/** Of the parent of `incoming` and `reject`. Throws SsmError `disk`. */
export async function receiverFigures(disk: Disk, path: string): Promise<ReceiverFigures> {
  return {
    incoming: await countElements(disk, `${path}/incoming`),
    reject: await countElements(disk, `${path}/reject`),
    held: await countElements(disk, `${path}/${OWN_DIRECTORY}/held`),
    journal: await journalSize(disk, `${path}/${OWN_DIRECTORY}/journal`),
    ...(await freeOf(disk, path)),
  }
}

/** Of an outgoing spool. Throws SsmError `disk`. */
export async function senderFigures(disk: Disk, path: string, type: 'dirq' | 'directory'): Promise<SenderFigures> {
  return {
    outgoing: type === 'dirq' ? await countElements(disk, path) : await countFiles(disk, path),
    failed: await countElements(disk, `${path}/${OWN_DIRECTORY}/failed`),
    ...(await freeOf(disk, path)),
  }
}

async function journalSize(disk: Disk, folder: string): Promise<ReceiverFigures['journal']> {
  let files = 0
  let bytes = 0
  await visitDirectory(disk, folder, ({ name }) => {
    const stats = lookAt(disk, `${folder}/${name.toString('latin1')}`)
    if (stats?.isFile() !== true) return
    files += 1
    bytes += stats.size
  })
  return { files, bytes }
}

async function freeOf(disk: Disk, path: string): Promise<{ readonly free?: number }> {
  try {
    return { free: await disk.free(path) }
  } catch {
    // Not there yet, or a file system that does not say: it is left out.
    return {}
  }
}
