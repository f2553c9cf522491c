/**
 * Which locks are ours? A `.lck` is a hard link and does not say who holds it. So we set the element's time to a moment
 * nobody else uses, write it down here, and lock then: a lock is ours exactly while its time is the one on record.
 * Somebody who broke our lock and took it himself has moved the time, as every implementation's lock does.
 *
 * One file a run, `.ssm/claims/<pid>-<random>`: the process identity in the first line, then `time id` a claim, `-time id` a
 * time that was set by the loser of a race. Lines are never taken back: a line without its lock says nothing. What the loser
 * says outlives his run while it is true: the winner may be killed later, and his lock bears the loser's time. Not fsynced:
 * the locks are not either, and without a record a lock just waits for its age. Throws SsmError `disk`.
 */
import { randomBytes } from 'node:crypto'
import type { MessageId } from '../message.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { OPEN } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import type { ProcessIdentity } from '../os/process-identity.js'
import { isGone, parseProcessIdentity, thisProcess } from '../os/process-identity.js'
import { readRegularFile } from '../os/safe-open.js'
import { lookAt, visitDirectory } from './listing.js'
import { openOwnDirectory } from './own-directory.js'

/** A record file is rewritten when this many lines are not about living claims. 1 024 lines are about 40 KB. */
const STALE_LINES = 1024
/** No record of ours grows beyond this. */
const RECORD_LIMIT = 64 * 1024 * 1024
const HOUR = 3_600_000
/** Begins a line about a time that is no lock's. */
const STRAY = '-'
const RECORD_NAME = /^[0-9]+-[0-9a-f]{12}$/

type Free = (id: MessageId, mtimeMs: number) => boolean

interface Survey {
  readonly strays: Line[]
  readonly claimed: Set<MessageId>
}

export interface Claims {
  /** A time (ms, microsecond steps) for the next lock: now, and never given before by this process. */
  stamp(): number
  /** Writes down: whoever finds `id` locked with exactly this mtime has found a lock of this run. */
  record(id: MessageId, mtimeMs: number): void
  /** The claim is over. Costs nothing on disk. */
  forget(id: MessageId): void
  /** The lock went to somebody else just after we had set the element's time: tells the winner that the time is a stray one. */
  stray(id: MessageId, mtimeMs: number): void
  /** Did another run of ours say so? */
  isStray(id: MessageId, mtimeMs: number): Promise<boolean>
  /**
   * Frees the locks of runs that are provably gone. `free` is given each recorded id and time, and unlinks the lock
   * if it still has that time; it answers whether it did. Returns how many.
   */
  recover(free: Free): Promise<number>
  /** Removes this run's record, or leaves in it what others must know. Call when no claim is held any more. */
  close(): void
}

export interface ClaimsOptions {
  /** The spool. The record lies in its `.ssm/claims`. */
  readonly path: string
  readonly disk: Disk
  readonly clock: Clock
  /** The time that the lock of an element bears, undefined without one. For locks whose time can be moved by a loser. */
  readonly lockTime?: (id: MessageId) => number | undefined
  /** For tests: somebody else's identity. */
  readonly identity?: ProcessIdentity
}

interface Line {
  readonly id: MessageId
  readonly mtimeMs: number
  /** A loser's time. */
  readonly stray: boolean
}

function parseLine(line: string): Line | undefined {
  const stray = line.startsWith(STRAY)
  const blank = line.indexOf(' ')
  const mtimeMs = Number(line.slice(stray ? STRAY.length : 0, blank))
  return blank <= 0 || !Number.isFinite(mtimeMs) ? undefined : { id: line.slice(blank + 1), mtimeMs, stray }
}

/**
 * The lines of a record without its first. A line cut off by a kill has no line break, and its lock was never taken: the
 * last part is always dropped.
 */
function parseLines(lines: readonly string[]): readonly Line[] {
  return lines.slice(0, -1).flatMap((line) => parseLine(line) ?? [])
}

/** Claims of a record that its own run did not take back as stray. */
function claimsOf(lines: readonly Line[]): readonly Line[] {
  const key = ({ id, mtimeMs }: Line): string => `${mtimeMs} ${id}`
  const taken = new Set(lines.filter(({ stray }) => stray).map(key))
  return lines.filter((line) => !line.stray && !taken.has(key(line)))
}

/** The other records in the folder. */
async function listRecords(disk: Disk, folder: string, own: string): Promise<string[]> {
  const names: string[] = []
  await visitDirectory(disk, folder, (entry) => {
    const name = entry.name.toString('latin1')
    if (name !== own && RECORD_NAME.test(name.replace(/\.(new|recovering)$/, ''))) names.push(name)
  })
  return names
}

/** Opens this run's record. The directory is made on the first call. */
export function createClaims(options: ClaimsOptions): Claims {
  const { disk, clock } = options
  const identity = options.identity ?? thisProcess()
  const folder = openOwnDirectory(disk, options.path, 'claims')
  const name = `${identity.pid}-${randomBytes(6).toString('hex')}`
  const record = `${folder}/${name}`
  const living = new Map<MessageId, number>()
  const strays = new Map<MessageId, number>()
  let fd: number | undefined
  let lines = 0
  let last = 0

  /** Stray times that a lock still bears. */
  function standing(): readonly (readonly [MessageId, number])[] {
    return [...strays].filter(([id, mtimeMs]) => options.lockTime?.(id) === mtimeMs)
  }

  /** Opens the record anew with the living claims, and the stray times that somebody may still ask for. */
  function write(path: string): number {
    const opened = disk.open(path, OPEN.append, 0o600)
    const left = standing()
    strays.clear()
    disk.append(opened, `${JSON.stringify(identity)}\n`)
    for (const [id, mtimeMs] of living) disk.append(opened, `${mtimeMs} ${id}\n`)
    for (const [id, mtimeMs] of left) {
      strays.set(id, mtimeMs)
      disk.append(opened, `${STRAY}${mtimeMs} ${id}\n`)
    }
    lines = living.size + left.length
    return opened
  }

  function rewrite(): void {
    const fresh = write(`${record}.new`)
    disk.rename(`${record}.new`, record)
    if (fd !== undefined) disk.close(fd)
    fd = fresh
  }

  function append(line: string): void {
    try {
      if (fd !== undefined && lines > STALE_LINES + 2 * living.size) rewrite()
      fd ??= write(record)
      disk.append(fd, `${line}\n`)
      lines += 1
    } catch (error) {
      throw diskError(error, 'write the record of claims', record)
    }
  }

  /** The lines of the record of a run that is provably gone; undefined when it may live. */
  async function readDead(other: string): Promise<string[] | undefined> {
    const file = await readRegularFile(disk, `${folder}/${other}`, RECORD_LIMIT)
    if (file === null) return undefined
    const [first = '', ...rest] = file.bytes.toString('utf8').split('\n')
    const holder = parseProcessIdentity(first)
    // A run that died before its first line was written has locked nothing.
    if (holder === undefined) return Math.abs(clock.now() - file.stats.mtimeMs) > HOUR ? [] : undefined
    return isGone(holder, identity) ? rest : undefined
  }

  /** `X.recovering` is being worked on by run X: left alone while X may live. */
  async function isBusy(other: string): Promise<boolean> {
    if (!other.endsWith('.recovering')) return false
    const worker = other.slice(0, -'.recovering'.length)
    return lookAt(disk, `${folder}/${worker}`) !== undefined && (await readDead(worker)) === undefined
  }

  /** The times of losers, and what runs that may live have claimed, of all other records. */
  async function survey(names: readonly string[]): Promise<Survey> {
    const found: Survey = { strays: [], claimed: new Set() }
    for (const other of names) {
      const file = await readRegularFile(disk, `${folder}/${other}`, RECORD_LIMIT)
      if (file === null) continue
      const [first = '', ...rest] = file.bytes.toString('utf8').split('\n')
      const parsed = parseLines(rest)
      found.strays.push(...parsed.filter(({ stray }) => stray))
      const holder = parseProcessIdentity(first)
      if (holder !== undefined && isGone(holder, identity)) continue
      for (const { id } of claimsOf(parsed)) found.claimed.add(id)
    }
    return found
  }

  async function recoverOne(other: string, free: Free, { strays: moved, claimed }: Survey): Promise<number> {
    if (await isBusy(other)) return 0
    const rest = await readDead(other)
    if (rest === undefined) return 0
    // Whoever looks for dead runs must see that we are alive.
    fd ??= write(record)
    // Whoever renames it does the work: two runs that start together must not free what the other has just locked anew.
    const mine = `${folder}/${name}.recovering`
    try {
      disk.rename(`${folder}/${other}`, mine)
    } catch (error) {
      if (isSystem(error, 'ENOENT')) return 0
      throw error
    }
    const parsed = parseLines(rest)
    const freed = claimsOf(parsed).filter(({ id, mtimeMs }) => {
      if (free(id, mtimeMs)) return true
      // The dead run's lock may bear the time of one who lost it; or, after a purge, be a living run's by now.
      return !claimed.has(id) && moved.some((stray) => stray.id === id && free(id, stray.mtimeMs))
    }).length
    for (const { id, mtimeMs, stray } of parsed) {
      if (stray && options.lockTime?.(id) === mtimeMs) noteStray(id, mtimeMs)
    }
    disk.unlink(mine)
    return freed
  }

  function noteStray(id: MessageId, mtimeMs: number): void {
    strays.set(id, mtimeMs)
    append(`${STRAY}${mtimeMs} ${id}`)
  }

  return {
    stamp() {
      const now = clock.now() + Math.floor(Math.random() * 1000) / 1000
      // Never the same twice; a real step back of the clock is larger and is followed.
      last = now <= last && last - now < 1000 ? last + 0.001 : now
      return last
    },
    record(id, mtimeMs) {
      living.set(id, mtimeMs)
      append(`${mtimeMs} ${id}`)
    },
    forget(id) {
      living.delete(id)
    },
    stray(id, mtimeMs) {
      living.delete(id)
      noteStray(id, mtimeMs)
    },
    async isStray(id, mtimeMs) {
      const line = `\n${STRAY}${mtimeMs} ${id}\n`
      for (const other of await listRecords(disk, folder, name)) {
        const file = await readRegularFile(disk, `${folder}/${other}`, RECORD_LIMIT)
        if (file?.bytes.includes(line) === true) return true
      }
      return false
    },
    async recover(free) {
      let freed = 0
      try {
        const names = await listRecords(disk, folder, name)
        const found = await survey(names)
        for (const other of names) freed += await recoverOne(other, free, found)
      } catch (error) {
        throw diskError(error, 'free the locks recorded in', folder)
      }
      return freed
    },
    close() {
      if (fd === undefined) return
      try {
        if (standing().length > 0) rewrite()
        else disk.unlink(record)
      } catch (error) {
        if (!isSystem(error, 'ENOENT')) throw diskError(error, 'remove the record of claims', record)
      } finally {
        disk.close(fd)
        fd = undefined
      }
    },
  }
}
