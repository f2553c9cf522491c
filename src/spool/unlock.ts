/**
 * Breaking a lock by hand, after looking who may hold it: a claim of a run of ours that is not provably gone stands, and so
 * does any lock that was taken a moment ago. What is older than that is what dirq's own purge would break at ten minutes.
 */
import { basename, dirname } from 'node:path'
import type { MessageId } from '../message.js'
import type { Disk, Stats } from '../os/disk.js'
import { isGone, type ProcessIdentity } from '../os/process-identity.js'
import { findLiving } from '../os/run-lock.js'
import { claimsOf, listClaimRecords, readClaimRecord } from './claim-record.js'
import { lookAt } from './listing.js'
import { lockOfFile } from './message-directory.js'
import { OWN_DIRECTORY } from './own-directory.js'
import { unlock as unlockElement } from './schema-purge.js'
import { attempt } from './simple-purge.js'

/** Taken less long ago, it is somebody at work. */
const FRESH = 60_000
/** A run that lives renews its locks well before. */
const RENEWED = 600_000

/** Whether a lock may be broken, and if not, why. */
export type LockState = { readonly state: 'free' | 'breakable' } | { readonly state: 'held'; readonly by: string }

export interface Locks {
  look(id: MessageId): LockState
  /** Breaks it, if it may be broken still. Answers what `look` said of it just before. Throws SsmError `disk`. */
  break(id: MessageId): LockState
}

export interface LocksOptions {
  readonly path: string
  readonly kind: 'simple' | 'schema' | 'directory'
  readonly disk: Disk
  readonly now: () => number
}

/** Reads who holds what, once. Throws SsmError `disk`. */
export async function readLocks(options: LocksOptions): Promise<Locks> {
  const { path, kind, disk, now } = options
  const living = kind === 'schema' ? new Map<string, ProcessIdentity>() : await livingClaims(disk, path)
  // Only a receiver locks held messages, and it alone.
  const isHeld = basename(path) === 'held' && basename(dirname(path)) === OWN_DIRECTORY
  const receiver = isHeld ? await findLiving(disk, dirname(path)) : undefined
  const lockOf = (id: MessageId): string =>
    kind === 'simple' ? `${path}/${id}.lck` : kind === 'schema' ? `${path}/${id}/locked` : lockOfFile(path, id)

  function stateOf(id: MessageId, lock: Stats | undefined): LockState {
    if (lock === undefined) return { state: 'free' }
    const age = Math.abs(now() - lock.mtimeMs)
    const holder = living.get(`${lock.mtimeMs} ${id}`)
    if (holder !== undefined && age < RENEWED)
      return { state: 'held', by: `process ${holder.pid} on ${hostOf(holder)}` }
    if (receiver !== undefined) return { state: 'held', by: `the receiver, process ${receiver.pid}` }
    return age < FRESH ? { state: 'held', by: `somebody, for ${Math.floor(age / 1000)} s` } : { state: 'breakable' }
  }

  const look = (id: MessageId): LockState => stateOf(id, lookAt(disk, lockOf(id)))
  return {
    look,
    break(id) {
      const found = look(id)
      if (found.state !== 'breakable') return found
      const unlink = (): void => {
        disk.unlink(lockOf(id))
      }
      const isBroken = kind === 'schema' ? unlockElement(disk, `${path}/${id}`) : attempt(unlink, 'unlock', lockOf(id))
      return isBroken ? found : { state: 'free' }
    },
  }
}

/** The host's own name, behind the machine's number. */
function hostOf({ host }: ProcessIdentity): string {
  return host.slice(host.lastIndexOf(' ') + 1)
}

/** By `time id`, as the lock bears it: claims of runs that are not provably gone. */
async function livingClaims(disk: Disk, path: string): Promise<Map<string, ProcessIdentity>> {
  const folder = `${path}/${OWN_DIRECTORY}/claims`
  const living = new Map<string, ProcessIdentity>()
  for (const name of await listClaimRecords(disk, folder, '')) {
    const record = await readClaimRecord(disk, `${folder}/${name}`)
    const holder = record?.holder
    if (record === null || holder === undefined || isGone(holder)) continue
    for (const { id, mtimeMs } of claimsOf(record.lines)) living.set(`${mtimeMs} ${id}`, holder)
  }
  return living
}
