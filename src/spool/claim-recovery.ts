/**
 * What runs of ours that were killed left locked is freed by the next run. Throws SsmError `disk` and system errors.
 */
import type { MessageId } from '../message.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { isSystem } from '../os/disk-error.js'
import { isGone, type ProcessIdentity } from '../os/process-identity.js'
import { type ClaimLine, claimsOf, listClaimRecords, readClaimRecord, RECOVERING } from './claim-record.js'
import { lookAt } from './listing.js'

const HOUR = 3_600_000

/** Unlinks the lock if it has exactly that time; answers whether it did. */
export type Free = (id: MessageId, mtimeMs: number) => boolean

/** Whose recovery it is. */
export interface Recoverer {
  readonly disk: Disk
  readonly clock: Clock
  readonly folder: string
  readonly identity: ProcessIdentity
  /** Of this run's own record. */
  readonly name: string
  /** Makes this run's own record: whoever looks for dead runs must see that we are alive. */
  readonly showAlive: () => void
  /** Takes over a stray time that a lock still bears. */
  readonly adopt: (line: ClaimLine) => void
}

/** Of all other records. */
interface Survey {
  readonly strays: ClaimLine[]
  /** By runs that may live. */
  readonly claimed: Set<MessageId>
}

async function survey({ disk, folder, identity }: Recoverer, names: readonly string[]): Promise<Survey> {
  const found: Survey = { strays: [], claimed: new Set() }
  for (const other of names) {
    const record = await readClaimRecord(disk, `${folder}/${other}`)
    if (record === null) continue
    found.strays.push(...record.lines.filter(({ stray }) => stray))
    if (record.holder !== undefined && isGone(record.holder, identity)) continue
    for (const { id } of claimsOf(record.lines)) found.claimed.add(id)
  }
  return found
}

/** The lines of the record of a run that is provably gone; undefined when it may live. */
async function readDead(by: Recoverer, other: string): Promise<readonly ClaimLine[] | undefined> {
  const record = await readClaimRecord(by.disk, `${by.folder}/${other}`)
  if (record === null) return undefined
  const { holder, lines, stats } = record
  // A run that died before its first line was written has locked nothing.
  if (holder === undefined) return Math.abs(by.clock.now() - stats.mtimeMs) > HOUR ? [] : undefined
  return isGone(holder, by.identity) ? lines : undefined
}

/** `X.recovering` is being worked on by run X: left alone while X may live. */
async function isBusy(by: Recoverer, other: string): Promise<boolean> {
  if (!other.endsWith(RECOVERING)) return false
  const worker = other.slice(0, -RECOVERING.length)
  return lookAt(by.disk, `${by.folder}/${worker}`) !== undefined && (await readDead(by, worker)) === undefined
}

async function recoverOne(by: Recoverer, other: string, free: Free, { strays, claimed }: Survey): Promise<number> {
  const { disk, folder } = by
  if (await isBusy(by, other)) return 0
  const lines = await readDead(by, other)
  if (lines === undefined) return 0
  by.showAlive()
  // Whoever renames it does the work: two runs that start together must not free what the other has just locked anew.
  const mine = `${folder}/${by.name}${RECOVERING}`
  try {
    disk.rename(`${folder}/${other}`, mine)
  } catch (error) {
    if (isSystem(error, 'ENOENT')) return 0
    throw error
  }
  const freed = claimsOf(lines).filter(({ id, mtimeMs }) => {
    if (free(id, mtimeMs)) return true
    // The dead run's lock may bear the time of one who lost it; or, after a purge, be a living run's by now.
    return !claimed.has(id) && strays.some((stray) => stray.id === id && free(id, stray.mtimeMs))
  }).length
  for (const line of lines) if (line.stray) by.adopt(line)
  disk.unlink(mine)
  return freed
}

/** Returns how many locks were freed. */
export async function recoverClaims(by: Recoverer, free: Free): Promise<number> {
  const names = await listClaimRecords(by.disk, by.folder, by.name)
  const found = await survey(by, names)
  let freed = 0
  for (const other of names) freed += await recoverOne(by, other, free, found)
  return freed
}
