/**
 * Why messages lie in reject, or were set aside: asked of the spool itself when no program is there that counts. Of a full
 * spool the newest are read alone: each costs opening a file.
 */
import { isSsmError } from '../../errors.js'
import type { Disk } from '../../os/disk.js'
import { readRegularFile } from '../../os/safe-open.js'
import { listElements, listIntermediate } from '../../spool/listing.js'
import { reasonOf } from '../reason-of.js'

export interface Refused {
  /** By the word at the end of `error`; `-`: it has none. */
  readonly reasons: Readonly<Record<string, number>>
  /** So many were read, the newest ones. */
  readonly looked: number
  /** So many lie there. */
  readonly of: number
}

const MOST_READ = 1000
const FIELD_LIMIT = 64 * 1024
/** What an element without one counts as; `ssmctl spool count --by` says so too. */
export const NO_REASON = '-'

/** Throws SsmError `disk`. */
export async function lookAtRefused(disk: Disk, path: string, count: number, most = MOST_READ): Promise<Refused> {
  const reasons = new Map<string, number>()
  let looked = 0
  for await (const element of newestFirst(disk, path)) {
    if (looked >= most) break
    looked += 1
    const reason = reasonOf(await fieldOf(disk, `${path}/${element}`, 'error')) ?? NO_REASON
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  return { reasons: Object.fromEntries(reasons), looked, of: Math.max(count, looked) }
}

async function* newestFirst(disk: Disk, path: string): AsyncGenerator<string> {
  for (const directory of (await listIntermediate(disk, path)).reverse()) {
    const names = await listElements(disk, `${path}/${directory}`)
    for (let at = names.length - 1; at >= 0; at--) yield `${directory}/${names.at(at)}`
  }
}

/** Of an element; empty: none that could be read. Throws SsmError `disk`. */
export async function fieldOf(disk: Disk, element: string, field: string): Promise<string> {
  try {
    return (await readRegularFile(disk, `${element}/${field}`, FIELD_LIMIT))?.bytes.toString('utf8') ?? ''
  } catch (error) {
    if (!isSsmError(error, 'element-damaged')) throw error
    return ''
  }
}
