/**
 * Listing directories that others change meanwhile: what has vanished is empty, what is a link is not entered.
 */
import { dirname } from 'node:path'
import { SsmError } from '../errors.js'
import type { Disk, DirectoryEntry, DiskPath, Stats } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import { nextTurn } from '../os/turn.js'
import { PackedNames, isElementName, isIntermediateName } from './names.js'

/** Names read between two turns of the event loop: about 2 ms. */
const BATCH = 2048

/** Calls `visit` for each entry, in no order. A directory that does not exist (any more) has none. Throws SsmError `disk`. */
export async function visitDirectory(
  disk: Disk,
  path: DiskPath,
  visit: (entry: DirectoryEntry) => void,
): Promise<void> {
  try {
    const reader = disk.openDirectory(path)
    try {
      let seen = 0
      for (let entry = reader.next(); entry !== null; entry = reader.next()) {
        visit(entry)
        seen += 1
        if (seen % BATCH === 0) await nextTurn()
      }
    } finally {
      reader.close()
    }
  } catch (error) {
    if (isSystem(error, 'ENOENT')) return
    throw diskError(error, 'list', path)
  }
}

/** What bears the name itself; undefined: nothing. Throws SsmError `disk`. */
export function lookAt(disk: Disk, path: DiskPath): Stats | undefined {
  try {
    return disk.lstat(path)
  } catch (error) {
    throw diskError(error, 'look at', path)
  }
}

/** Is it a real directory, not a link to one? Throws SsmError `disk`. */
export function isRealDirectory(disk: Disk, path: DiskPath): boolean {
  return lookAt(disk, path)?.isDirectory() ?? false
}

/** The intermediate directories of a queue, sorted. Symbolic links of such names are left out: they lead elsewhere. */
export async function listIntermediate(disk: Disk, top: string): Promise<string[]> {
  const names: string[] = []
  await visitDirectory(disk, top, ({ name, kind }) => {
    if (name.length !== 8 || kind === 'file' || kind === 'other') return
    const text = name.toString('latin1')
    if (isIntermediateName(text)) names.push(text)
  })
  return names.sort().filter((name) => isRealDirectory(disk, `${top}/${name}`))
}

/** The names of elements in one intermediate directory, locked ones too, sorted. Throws SsmError `disk`. */
export async function listElements(disk: Disk, directory: string): Promise<PackedNames> {
  const names = new PackedNames()
  await visitDirectory(disk, directory, ({ name }) => {
    const text = name.length === 14 ? name.toString('latin1') : ''
    if (isElementName(text)) names.push(text)
  })
  names.sort()
  return names
}

/** Elements of a queue with or without schema, locked ones too. Throws SsmError `disk`. */
export async function countElements(disk: Disk, top: string): Promise<number> {
  let count = 0
  for (const directory of await listIntermediate(disk, top)) {
    await visitDirectory(disk, `${top}/${directory}`, ({ name }) => {
      if (name.length === 14 && isElementName(name.toString('latin1'))) count += 1
    })
  }
  return count
}

/**
 * Creates a directory and its missing parents. Returns those that have a new name in them now, which is durable when they are
 * fsynced. Throws SsmError `disk`.
 */
export function makeDirectories(disk: Disk, path: string): readonly string[] {
  const changed: string[] = []
  try {
    makeMissing(disk, path, changed)
    return changed
  } catch (error) {
    if (!isSystem(error, 'ENOENT')) throw diskError(error, 'create the directory', path)
    const why = 'a part of its path is a link that leads nowhere, or takes no directories'
    throw new SsmError('disk', `cannot create the directory ${pathText(path)}: ${why}`, { cause: error })
  }
}

function makeMissing(disk: Disk, path: string, changed: string[]): void {
  try {
    makeOne(disk, path, changed)
  } catch (error) {
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0))
    if (!isSystem(error, 'ENOENT') || parent === '') throw error
    makeMissing(disk, parent, changed)
    // Once, and not from the beginning: behind a link that leads nowhere it stays missing.
    makeOne(disk, path, changed)
  }
}

function makeOne(disk: Disk, path: string, changed: string[]): void {
  try {
    disk.mkdir(path)
    changed.push(dirname(path))
  } catch (error) {
    if (!isSystem(error, 'EEXIST')) throw error
  }
}
