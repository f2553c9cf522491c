/**
 * Why messages are held, since when the oldest waits, and until when it is kept: asked of the spool itself, whether a program
 * runs or not. Of a full spool the oldest are read alone: each costs opening three files.
 */
import { optional } from '../../config/optional.js'
import type { Disk } from '../../os/disk.js'
import { PRINTABLE_LIMITS, printable } from '../../observe/printable.js'
import { nextTurn } from '../../os/turn.js'
import { listElements, listIntermediate } from '../../spool/listing.js'
import { OWN_DIRECTORY } from '../../spool/own-directory.js'
import { reasonOf } from '../reason-of.js'
import { fieldOf, NO_REASON } from './refused.js'

export interface HeldGroup {
  /** Whose data are missing. Safe to print; empty: it does not say. */
  readonly ca: string
  readonly reason: string
  readonly count: number
  /** Of its oldest. ISO 8601. */
  readonly since?: string
}

export interface HeldView {
  /** The largest first, at most `MOST_GROUPS`. */
  readonly groups: readonly HeldGroup[]
  /** So many were read, the oldest ones. */
  readonly looked: number
  /** So many lie there. */
  readonly of: number
  /** Of the oldest of all. */
  readonly since?: string
  /** When it goes to reject, if it must still wait then (`hold_keep`). */
  readonly until?: string
}

const MOST_READ = 1000
const MOST_GROUPS = 20
/** Between turns of others. */
const A_TURN = 32

/** What is held below the path of a receiver; undefined: nothing. `keep`: `hold_keep`, ms. Throws SsmError `disk`. */
export async function lookAtHeld(
  disk: Disk,
  path: string,
  count: number,
  keep: number | undefined,
  most = MOST_READ,
): Promise<HeldView | undefined> {
  if (count === 0) return undefined
  const groups = new Map<string, { ca: string; reason: string; count: number; since: number }>()
  let [looked, oldest] = [0, Infinity]
  for await (const element of oldestFirst(disk, `${path}/${OWN_DIRECTORY}/held`)) {
    if (looked >= most) break
    looked += 1
    const reason = reasonOf(await fieldOf(disk, element, 'error')) ?? NO_REASON
    const ca = printable(await fieldOf(disk, element, 'ca'), PRINTABLE_LIMITS.value)
    const since = momentOf(await fieldOf(disk, element, 'since'))
    const group = groups.get(`${reason} ${ca}`) ?? { ca, reason, count: 0, since: Infinity }
    groups.set(`${reason} ${ca}`, { ...group, count: group.count + 1, since: Math.min(group.since, since) })
    oldest = Math.min(oldest, since)
    if (looked % A_TURN === 0) await nextTurn()
  }
  const largest = [...groups.values()].sort((a, b) => b.count - a.count).slice(0, MOST_GROUPS)
  return {
    groups: largest.map(({ since, ...group }) => ({ ...group, ...optional('since', isoOf(since)) })),
    looked,
    of: Math.max(count, looked),
    ...optional('since', isoOf(oldest)),
    ...optional('until', keep === undefined ? undefined : isoOf(oldest + keep)),
  }
}

async function* oldestFirst(disk: Disk, path: string): AsyncGenerator<string> {
  for (const directory of await listIntermediate(disk, path)) {
    const names = await listElements(disk, `${path}/${directory}`)
    for (let at = 0; at < names.length; at++) yield `${path}/${directory}/${names.at(at)}`
  }
}

/** Infinity: a damaged field. */
function momentOf(text: string): number {
  return /^\d{1,15}$/u.test(text) ? Number(text) : Infinity
}

function isoOf(at: number): string | undefined {
  const time = new Date(at)
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString()
}
