/**
 * Purging a simple queue: what killed programs left behind. Removes regular files whose names are exactly ours to remove, and
 * empty directories; the names of others (`abctmp`, `x.retry`) stay.
 */
import type { MessageId } from '../message.js'
import type { Disk } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import { listIntermediate, lookAt, visitDirectory } from './listing.js'
import type { PurgeLimits, PurgeReport } from './port.js'

const LEFT_OVER = /^[0-9a-f]{14}\.(tmp|lck)$/

/** Seconds; the defaults of all implementations. */
export const PURGE_DEFAULTS = { maxTemp: 300, maxLock: 600 } as const

/** Runs one step; what has vanished meanwhile is somebody else's success. Returns whether it was done here. */
export function attempt(step: () => void, doing: string, path: string, ...harmless: readonly string[]): boolean {
  try {
    step()
    return true
  } catch (error) {
    if (isSystem(error, 'ENOENT', ...harmless)) return false
    throw diskError(error, doing, path)
  }
}

/** Age limit in ms since the epoch: older means stale. 0 seconds switch off. */
export function threshold(now: number, seconds: number): number {
  return seconds === 0 ? Number.NEGATIVE_INFINITY : now - seconds * 1000
}

export interface PurgePlace {
  readonly disk: Disk
  readonly top: string
  readonly now: number
  /** Elements locked by this process: never broken here, however old. */
  readonly held: { has(id: MessageId): boolean }
}

/** One intermediate directory. Answers how many entries are left. */
async function purgeDirectory(
  place: PurgePlace,
  name: string,
  limits: Required<PurgeLimits>,
  report: Counts,
): Promise<number> {
  const { disk, now } = place
  const directory = `${place.top}/${name}`
  const oldest = { tmp: threshold(now, limits.maxTemp), lck: threshold(now, limits.maxLock) }
  let left = 0
  const candidates: string[] = []
  await visitDirectory(disk, directory, (entry) => {
    left += 1
    const text = entry.name.length === 18 ? entry.name.toString('latin1') : ''
    if (LEFT_OVER.test(text)) candidates.push(text)
  })
  for (const candidate of candidates) {
    const path = `${directory}/${candidate}`
    const suffix = candidate.endsWith('.tmp') ? 'tmp' : 'lck'
    if (suffix === 'lck' && place.held.has(`${name}/${candidate.slice(0, 14)}`)) continue
    const stats = lookAt(disk, path)
    if (stats === undefined || !stats.isFile() || !(stats.mtimeMs < oldest[suffix])) continue
    const unlink = (): void => {
      disk.unlink(path)
    }
    if (!attempt(unlink, 'remove', path)) continue
    left -= 1
    report[suffix === 'tmp' ? 'temporary' : 'locks'] += 1
  }
  return left
}

interface Counts {
  temporary: number
  locks: number
  directories: number
}

/** Throws SsmError `disk`. */
export async function purgeSimple(place: PurgePlace, limits: PurgeLimits = {}): Promise<PurgeReport> {
  const report: Counts = { temporary: 0, locks: 0, directories: 0 }
  const names = await listIntermediate(place.disk, place.top)
  for (const [index, name] of names.entries()) {
    const left = await purgeDirectory(place, name, { ...PURGE_DEFAULTS, ...limits }, report)
    // The last one always stays: a writer may be about to use it.
    if (left > 0 || index === names.length - 1) continue
    const path = `${place.top}/${name}`
    const rmdir = (): void => {
      place.disk.rmdir(path)
    }
    if (attempt(rmdir, 'remove the empty directory', path, 'ENOTEMPTY', 'EEXIST')) report.directories += 1
  }
  return report
}
