/**
 * One process a path: a courtesy to operators, never what correctness rests on (a stale lock's takeover can admit two when many
 * try at once). What must not happen twice is guarded by claims and journal.
 */
import { setTimeout as after } from 'node:timers/promises'
import { SsmError, isSsmError, messageOf, systemCode } from '../errors.js'
import type { Disk, Stats } from './disk.js'
import { diskError, isSystem } from './disk-error.js'
import { discard, writeDurably } from './durable.js'
import type { ProcessIdentity } from './process-identity.js'
import { isGone, isSeen, parseProcessIdentity, thisProcess } from './process-identity.js'
import { readRegularFile } from './safe-open.js'

export interface Holder {
  readonly pid: number
  /** ISO 8601, UTC. */
  readonly since: string
}

export interface RunLock {
  /** Resolves quietly also when the lock was lost meanwhile. */
  release(): Promise<void>
}

export type RunLockResult = { readonly lock: RunLock } | { readonly holder: Holder | undefined }

export interface RunLockOptions {
  /** Our own directory in the spool: `<path>/.ssm`. */
  readonly directory: string
  readonly disk: Disk
  /** Wall clock, ms. */
  readonly now: number
  /** The holder cannot be looked up from here, and is given time to show that it lives. */
  readonly onWait?: (holder: Holder) => void
  /** The lock was lost while we ran (suspended too long, removed by hand). Called from a timer; must not throw. */
  readonly onLost?: (error: SsmError) => void
}

/** A holder that does not renew its lock for so long is taken for dead. It renews it every half of that. */
const STALE = 20_000
/** Between two looks whether it did, ms. */
const LOOK_EVERY = 250
const HOLDER_LIMIT = 4096
/** Between the making of a lock and its note lies one system call; so long we wait for it, ms. */
const NOTE_FOLLOWS = 1000

interface Note extends Holder {
  readonly owner: ProcessIdentity
}

async function readHolder(disk: Disk, path: string): Promise<Note | undefined> {
  const file = await readRegularFile(disk, path, HOLDER_LIMIT)
  const [identity = '', since = ''] = file?.bytes.toString('utf8').split('\n') ?? []
  const owner = parseProcessIdentity(identity)
  return owner === undefined ? undefined : { owner, pid: owner.pid, since }
}

/** Which lock is it? A new one may bear the inode number of the one before. */
function markOf(stats: Stats | undefined): string {
  return stats === undefined ? '' : `${stats.ino} ${stats.birthtimeMs}`
}

/** Moves a dead holder's lock away; whoever moves it first may go on. One that was taken meanwhile goes back. */
function breakLock(disk: Disk, lock: string, mark: string): void {
  const aside = `${lock}.dead-${ownMark()}`
  try {
    disk.rename(lock, aside)
    if (markOf(disk.lstat(aside)) === mark) disk.rmdir(aside)
    else disk.rename(aside, lock)
  } catch (error) {
    if (!isSystem(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw diskError(error, 'remove the stale lock', lock)
  }
}

/** Does the note speak of this lock? It gets its name just after the lock is made. */
function isNoteOf(disk: Disk, note: string, lock: Stats): boolean {
  const written = disk.lstat(note)
  return written !== undefined && written.ctimeMs >= lock.birthtimeMs
}

/**
 * Who holds the lock: `living`, or the mark of a lock whose holder is gone. A lock without its own note was made this
 * moment, or by a run that was killed at that very step: a while tells which.
 */
async function findHolder(
  { disk }: RunLockOptions,
  path: string,
  note: string,
): Promise<{ readonly living: Note | undefined } | { readonly dead: string }> {
  for (let looks = 0; ; looks += 1) {
    const lock = disk.lstat(path)
    const holder = await readHolder(disk, note)
    if (lock === undefined) return { dead: '' }
    if (holder !== undefined && !isGone(holder.owner)) return { living: holder }
    if (isNoteOf(disk, note, lock) || looks === 1) return { dead: markOf(lock) }
    await after(NOTE_FOLLOWS)
  }
}

/**
 * Does a holder of another container or machine renew its lock, as the living do? One that was killed there is not provably
 * gone, and would otherwise keep out the run that takes its place.
 */
async function isRenewed({ disk, now }: RunLockOptions, path: string): Promise<boolean> {
  const first = disk.lstat(path)?.mtimeMs
  for (let waited = 0; waited <= STALE + LOOK_EVERY; waited += LOOK_EVERY) {
    const renewed = disk.lstat(path)?.mtimeMs
    if (renewed === undefined || now + waited - renewed > STALE) return false
    if (renewed !== first) return true
    await after(LOOK_EVERY)
  }
  return false
}

/**
 * Takes the lock of a directory, or says who holds it. A holder that is provably gone is no holder; one that cannot be looked
 * up, because it belongs to another container or machine, is waited for until it renews its lock, up to 20 s.
 * Throws SsmError `disk`. Loads proper-lockfile on first use.
 */
export async function takeRunLock(options: RunLockOptions): Promise<RunLockResult> {
  const result = await tryRunLock(options)
  if ('lock' in result || result.holder === undefined || isSeen(result.holder.owner)) return result
  options.onWait?.(result.holder)
  if (await isRenewed(options, lockOf(options))) return result
  return await tryRunLock(options)
}

const lockOf = ({ directory }: RunLockOptions): string => `${directory}/lock`

/** In containers every program has the same pid. */
const ownMark = (): string => `${thisProcess().pid}${thisProcess().namespace.replaceAll(/\D/g, '-')}`

async function tryRunLock(
  options: RunLockOptions,
): Promise<{ readonly lock: RunLock } | { readonly holder: Note | undefined }> {
  const { disk, directory } = options
  const path = lockOf(options)
  const note = `${directory}/lock.holder`
  // Written before the lock is taken, so that only a rename lies between lock and note.
  const mine = `${note}.${ownMark()}`
  await writeNote(disk, mine, options.now)
  try {
    let release = await tryLock(path, options)
    if (release === undefined) {
      const holder = await findHolder(options, path, note)
      if ('living' in holder) return { holder: holder.living }
      breakLock(disk, path, holder.dead)
      release = await tryLock(path, options)
      if (release === undefined) return { holder: await readHolder(disk, note) }
    }
    const free = release
    try {
      disk.rename(mine, note)
    } catch (error) {
      await free()
      throw diskError(error, 'write', note)
    }
    return { lock: { release: () => free() } }
  } finally {
    discard(disk, mine)
  }
}

/** Who holds the lock of a directory now, as far as can be seen without taking it. Throws SsmError `disk`. */
export async function findLiving(disk: Disk, directory: string): Promise<Holder | undefined> {
  const holder = await readHolder(disk, `${directory}/lock.holder`)
  if (holder === undefined || isGone(holder.owner) || disk.lstat(`${directory}/lock`) === undefined) return undefined
  return { pid: holder.pid, since: holder.since }
}

async function writeNote(disk: Disk, path: string, now: number): Promise<void> {
  const text = `${JSON.stringify(thisProcess())}\n${new Date(now).toISOString()}\n`
  try {
    discard(disk, path)
    await writeDurably(disk, disk.createFile(path, 0o600), Buffer.from(text))
  } catch (error) {
    discard(disk, path)
    throw diskError(error, 'write', path)
  }
}

/** undefined: somebody has it. */
async function tryLock(path: string, options: RunLockOptions): Promise<(() => Promise<void>) | undefined> {
  const { lock } = await import('proper-lockfile')
  let lost = false
  try {
    const release = await lock(path, {
      lockfilePath: path,
      realpath: false,
      stale: STALE,
      retries: 0,
      onCompromised: (error) => {
        lost = true
        const words = `the run lock ${path} was lost (${messageOf(error)}): going on, claims keep messages apart`
        options.onLost?.(new SsmError('locked', words, { cause: error }))
      },
    })
    return async () => {
      if (!lost) await release().catch(ignoreLost)
    }
  } catch (error) {
    if (systemCode(error) === 'ELOCKED') return undefined
    throw isSsmError(error) ? error : diskError(error, 'take the run lock', path)
  }
}

/** The lock may vanish or be taken over between its last renewal and its release; then there is nothing to release. */
function ignoreLost(error: unknown): void {
  if (!['ERELEASED', 'ENOTACQUIRED', 'ECOMPROMISED', 'ENOENT'].includes(systemCode(error) ?? '')) throw error
}

/** `Another ssmsend is sending from DIR (pid N since T).` */
export function holderText(holder: Holder | undefined): string {
  return holder === undefined ? 'pid unknown' : `pid ${holder.pid} since ${holder.since}`
}
