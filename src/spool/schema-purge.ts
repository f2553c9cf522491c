/**
 * Emptying and removing element directories of a queue with schema, and purging what killed programs left.
 */
import type { Disk } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import { isRealDirectory, listIntermediate, lookAt, visitDirectory } from './listing.js'
import { isElementName } from './names.js'
import type { PurgeLimits, PurgeReport } from './port.js'
import { PURGE_DEFAULTS, attempt, threshold } from './simple-purge.js'

/** How our staged elements are called: no other implementation lists, purges or counts such a name. */
const STAGED = /^[0-9a-f]{14}\.[0-9]{1,10}\.ssm$/
/** A late locker may make `locked` again once or twice; more is no race any more. */
const ROUNDS = 20

export function isStagedName(name: string): boolean {
  return STAGED.test(name)
}

/**
 * Removes an element directory and the files in it. Files only: a folder other than `locked` is nobody's known work and
 * makes the directory stay. What others remove meanwhile is fine. Answers whether it is gone. Throws SsmError `disk`.
 */
export async function removeElementDirectory(disk: Disk, path: string): Promise<boolean> {
  if (!isRealDirectory(disk, path)) return false
  for (let round = 0; round < ROUNDS; round += 1) {
    const files: string[] = []
    await visitDirectory(disk, path, ({ name, kind }) => {
      const text = name.toString('latin1')
      if (kind !== 'directory' && /^[0-9a-zA-Z]+$/.test(text) && text !== 'locked') files.push(text)
    })
    for (const file of files) {
      await removeFile(disk, `${path}/${file}`)
    }
    unlock(disk, path)
    try {
      disk.rmdir(path)
      return true
    } catch (error) {
      if (isSystem(error, 'ENOENT')) return true
      if (!isSystem(error, 'ENOTEMPTY', 'EEXIST')) throw diskError(error, 'remove', path)
    }
  }
  return false
}

async function removeFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.removeFile(path)
  } catch (error) {
    // EISDIR, EPERM: a folder, which the directory could not tell; it stays.
    if (!isSystem(error, 'ENOENT', 'EISDIR', 'EPERM')) throw diskError(error, 'remove', path)
  }
}

/** Removes `locked`; true when it was there. */
export function unlock(disk: Disk, path: string): boolean {
  const rmdir = (): void => {
    disk.rmdir(`${path}/locked`)
  }
  return attempt(rmdir, 'unlock', path, 'ENOTDIR')
}

export interface SchemaPurgePlace {
  readonly disk: Disk
  readonly top: string
  readonly now: number
  /** Elements locked by this process. */
  readonly held: { has(id: string): boolean }
  /** Staged names that must stay: this process's own, and those a journal lists. */
  readonly keep: (staged: string) => boolean
}

async function purgeVolatile(place: SchemaPurgePlace, folder: string, maxTemp: number): Promise<number> {
  const { disk, top, now } = place
  const names: string[] = []
  await visitDirectory(disk, `${top}/${folder}`, ({ name }) => {
    const text = name.toString('latin1')
    if (isElementName(text) || (isStagedName(text) && !place.keep(text))) names.push(text)
  })
  let removed = 0
  for (const name of names) {
    const path = `${top}/${folder}/${name}`
    const stats = lookAt(disk, path)
    if (stats === undefined || !(stats.mtimeMs < threshold(now, maxTemp))) continue
    if (await removeElementDirectory(disk, path)) removed += 1
  }
  return removed
}

/** One intermediate directory: breaks old locks. */
async function purgeLocks(
  place: SchemaPurgePlace,
  name: string,
  maxLock: number,
): Promise<{ locks: number; left: number }> {
  const { disk, top, now } = place
  const elements: string[] = []
  let left = 0
  await visitDirectory(disk, `${top}/${name}`, (entry) => {
    left += 1
    const text = entry.name.toString('latin1')
    if (isElementName(text) && !place.held.has(`${name}/${text}`)) elements.push(text)
  })
  let locks = 0
  for (const element of maxLock === 0 ? [] : elements) {
    const path = `${top}/${name}/${element}`
    const stats = lookAt(disk, path)
    // The time of the directory is the time of the lock: making `locked` in it moved it.
    if (!stats?.isDirectory() || !(stats.mtimeMs < threshold(now, maxLock))) continue
    if (lookAt(disk, `${path}/locked`)?.isDirectory() === true && unlock(disk, path)) locks += 1
  }
  return { locks, left }
}

/** Throws SsmError `disk`. */
export async function purgeSchema(place: SchemaPurgePlace, limits: PurgeLimits = {}): Promise<PurgeReport> {
  const { maxTemp, maxLock } = { ...PURGE_DEFAULTS, ...limits }
  let locks = 0
  let directories = 0
  const names = await listIntermediate(place.disk, place.top)
  for (const [index, name] of names.entries()) {
    const found = await purgeLocks(place, name, maxLock)
    locks += found.locks
    if (found.left > 0 || index === names.length - 1) continue
    const path = `${place.top}/${name}`
    const rmdir = (): void => {
      place.disk.rmdir(path)
    }
    if (attempt(rmdir, 'remove the empty directory', path, 'ENOTEMPTY', 'EEXIST')) directories += 1
  }
  let temporary = 0
  for (const folder of ['temporary', 'obsolete']) {
    if (maxTemp > 0) temporary += await purgeVolatile(place, folder, maxTemp)
  }
  return { temporary, locks, directories }
}
