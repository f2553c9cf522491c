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
import { discard } from '../os/durable.js'
import type { ProcessIdentity } from '../os/process-identity.js'
import { thisProcess } from '../os/process-identity.js'
import { type ClaimLine, claimLine, listClaimRecords, readClaimRecord } from './claim-record.js'
import { type Free, recoverClaims } from './claim-recovery.js'
import { openOwnDirectory } from './own-directory.js'

/** A record file is rewritten when this many lines are not about living claims. 1 024 lines are about 40 KB. */
const STALE_LINES = 1024

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
  /** The last line may have been cut off. */
  let torn = false
  let last = 0

  /** Stray times that a lock still bears. */
  function standing(): readonly (readonly [MessageId, number])[] {
    return [...strays].filter(([id, mtimeMs]) => options.lockTime?.(id) === mtimeMs)
  }

  /** Opens the record anew with the living claims, and the stray times that somebody may still ask for. */
  function write(path: string): number {
    const opened = disk.open(path, OPEN.append, 0o600)
    const left = standing()
    try {
      disk.append(opened, `${JSON.stringify(identity)}\n`)
      for (const [id, mtimeMs] of living) disk.append(opened, claimLine({ id, mtimeMs, stray: false }))
      for (const [id, mtimeMs] of left) disk.append(opened, claimLine({ id, mtimeMs, stray: true }))
    } catch (error) {
      // On a full disk it is tried again and again: descriptors must not be used up by that, and half a record says nothing.
      disk.close(opened)
      discard(disk, path)
      throw error
    }
    strays.clear()
    for (const [id, mtimeMs] of left) strays.set(id, mtimeMs)
    lines = living.size + left.length
    torn = false
    return opened
  }

  function rewrite(): void {
    const fresh = write(`${record}.new`)
    disk.rename(`${record}.new`, record)
    if (fd !== undefined) disk.close(fd)
    fd = fresh
  }

  function append(line: ClaimLine): void {
    try {
      if (fd !== undefined && lines > STALE_LINES + 2 * living.size) rewrite()
      fd ??= write(record)
      disk.append(fd, torn ? `\n${claimLine(line)}` : claimLine(line))
      torn = false
      lines += 1
    } catch (error) {
      torn = true
      throw diskError(error, 'write the record of claims', record)
    }
  }

  function noteStray(id: MessageId, mtimeMs: number): void {
    strays.set(id, mtimeMs)
    append({ id, mtimeMs, stray: true })
  }

  const showAlive = (): void => {
    fd ??= write(record)
  }
  const adopt = ({ id, mtimeMs }: ClaimLine): void => {
    if (options.lockTime?.(id) === mtimeMs) noteStray(id, mtimeMs)
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
      append({ id, mtimeMs, stray: false })
    },
    forget(id) {
      living.delete(id)
    },
    stray(id, mtimeMs) {
      living.delete(id)
      noteStray(id, mtimeMs)
    },
    async isStray(id, mtimeMs) {
      for (const other of await listClaimRecords(disk, folder, name)) {
        const record = await readClaimRecord(disk, `${folder}/${other}`)
        if (record?.lines.some((line) => line.stray && line.id === id && line.mtimeMs === mtimeMs) === true) return true
      }
      return false
    },
    async recover(free) {
      try {
        return await recoverClaims({ disk, clock, folder, identity, name, showAlive, adopt }, free)
      } catch (error) {
        throw diskError(error, 'free the locks recorded in', folder)
      }
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
