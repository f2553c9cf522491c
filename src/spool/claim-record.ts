/**
 * The record of a run's claims, as text: the process identity in the first line, then `time id` a claim, `-time id` a time that
 * was set by the loser of a race (see claims.ts). Throws SsmError `disk`.
 */
import type { MessageId } from '../message.js'
import type { Disk, Stats } from '../os/disk.js'
import { type ProcessIdentity, parseProcessIdentity } from '../os/process-identity.js'
import { readRegularFile } from '../os/safe-open.js'
import { visitDirectory } from './listing.js'

/** No record of ours grows beyond this. */
const RECORD_LIMIT = 64 * 1024 * 1024
/** Begins a line about a time that is no lock's. */
const STRAY = '-'
const RECORD_NAME = /^[0-9]+-[0-9a-f]{12}$/
/** A dead run's record, while another works on it. */
export const RECOVERING = '.recovering'

export interface ClaimLine {
  readonly id: MessageId
  readonly mtimeMs: number
  /** A loser's time. */
  readonly stray: boolean
}

export interface ClaimRecord {
  /** undefined: a run that died before its first line was written, or nonsense. */
  readonly holder: ProcessIdentity | undefined
  readonly lines: readonly ClaimLine[]
  readonly stats: Stats
}

export function claimLine({ id, mtimeMs, stray }: ClaimLine): string {
  return `${stray ? STRAY : ''}${mtimeMs} ${id}\n`
}

function parseLine(line: string): ClaimLine | undefined {
  const stray = line.startsWith(STRAY)
  const blank = line.indexOf(' ')
  const mtimeMs = Number(line.slice(stray ? STRAY.length : 0, blank))
  return blank <= 0 || !Number.isFinite(mtimeMs) ? undefined : { id: line.slice(blank + 1), mtimeMs, stray }
}

/** null: it is gone. */
export async function readClaimRecord(disk: Disk, path: string): Promise<ClaimRecord | null> {
  const file = await readRegularFile(disk, path, RECORD_LIMIT)
  if (file === null) return null
  const [first = '', ...rest] = file.bytes.toString('utf8').split('\n')
  // A line cut off by a kill has no line break, and its lock was never taken: the last part is always dropped.
  const lines = rest.slice(0, -1).flatMap((line) => parseLine(line) ?? [])
  return { holder: parseProcessIdentity(first), lines, stats: file.stats }
}

/** The claims that the run did not take back as stray. */
export function claimsOf(lines: readonly ClaimLine[]): readonly ClaimLine[] {
  const key = ({ id, mtimeMs }: ClaimLine): string => `${mtimeMs} ${id}`
  const taken = new Set(lines.filter(({ stray }) => stray).map(key))
  return lines.filter((line) => !line.stray && !taken.has(key(line)))
}

/** Names of the records in the folder but one. */
export async function listClaimRecords(disk: Disk, folder: string, own: string): Promise<string[]> {
  const names: string[] = []
  await visitDirectory(disk, folder, (entry) => {
    const name = entry.name.toString('latin1')
    if (name !== own && RECORD_NAME.test(name.replace(/\.(new|recovering)$/, ''))) names.push(name)
  })
  return names
}
