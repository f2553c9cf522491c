/**
 * `.ssm/sent`: copies of what was sent, a folder a day (UTC), to be sent again after a loss at the far end. Copies, not
 * hard links: a producer could rewrite what it can still open.
 *
 *   keep ──durable──▶ unconfirmed/<run>/<name> ──receipt, element removed: rename──▶ <YYYY-MM-DD>/<name>
 *
 * A run that was killed in between leaves unconfirmed copies: where the element still waits it is sent again, and the
 * copy goes; where it is gone the broker had it, and the copy is confirmed. So a rename needs no fsync.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { MessageId } from '../message.js'
import type { SsmError } from '../errors.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import { createDirectorySync, discard, replaceFile, writeDurably } from '../os/durable.js'
import { isGone, parseProcessIdentity, thisProcess, type ProcessIdentity } from '../os/process-identity.js'
import { readRegularFile } from '../os/safe-open.js'
import { isRealDirectory, lookAt, visitDirectory } from './listing.js'
import { createNameMaker, parseElementPath } from './names.js'
import { openOwnDirectory, openPrivateDirectory } from './own-directory.js'

const DAY_MS = 86_400_000
const DAY = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/
const RUN = /^[0-9]+-[0-9a-f]{12}$/
const UNCONFIRMED = 'unconfirmed'
/** Who owns a folder of unconfirmed copies. */
const OWNER = 'owner'
const OWNER_LIMIT = 4096
/** A copy that is being written. */
const NEW = '.new'
/** Longest id that is kept in a name; of longer ones a digest is. */
const LONGEST_ID = 200
const HOUR = 3_600_000

/** An unconfirmed copy. Neither call throws, and only the first one counts. */
export interface Kept {
  /** It was sent, and is gone from the spool. */
  confirm(): void
  /** It was not, and stays in the spool. */
  drop(): void
}

export interface Sent {
  /** Durable when it resolves: call before the broker is asked. Throws SsmError `disk`. */
  keep(id: MessageId, body: Uint8Array): Promise<Kept>
  /** Settles the copies of runs that are provably gone. `waits`: is the element still in the spool? Returns how many were confirmed. */
  recover(waits: (id: MessageId) => boolean): Promise<number>
  /** Drops days that ended more than `age` ms ago. Returns how many. Throws SsmError `disk`. */
  purge(age: number): Promise<number>
  /** Removes this run's folder. Call when nothing is under way any more. */
  close(): Promise<void>
}

export interface SentOptions {
  /** The spool. */
  readonly path: string
  readonly disk: Disk
  readonly clock: Clock
  readonly sync?: DirectorySync
  /** A copy that could not be confirmed; the next run does it. Must not throw. */
  readonly onTrouble?: (error: SsmError) => void
  /** For tests: somebody else's identity. */
  readonly identity?: ProcessIdentity
}

/** The day of a moment, as the folder is called. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

/** The file name of a copy. Ids of a plain directory repeat: a time goes before them. */
function nameOfCopy(id: MessageId, stamp: () => string): string {
  const element = parseElementPath(id)
  if (element !== undefined) return `${element.directory}-${element.name}`
  const kept = id.length <= LONGEST_ID ? id : `#${createHash('sha256').update(id).digest('hex')}`
  return `${stamp()}-${kept}`
}

/** The id a copy was sent under; undefined: it was too long, or this is no name of ours. */
export function idOfCopy(name: string): MessageId | undefined {
  const [, directory, element] = /^([0-9a-f]{8})-([0-9a-f]{14})$/.exec(name) ?? []
  if (directory !== undefined && element !== undefined) return `${directory}/${element}`
  const id = /^[0-9a-f]{14}-(.+)$/.exec(name)?.[1]
  return id?.startsWith('#') === true ? undefined : id
}

/** Makes `<path>/.ssm/sent`. Throws SsmError `configuration` when that is not ours. */
export function createSent(options: SentOptions): Sent {
  const { disk, clock } = options
  const sync = options.sync ?? createDirectorySync(disk)
  const identity = options.identity ?? thisProcess()
  const top = openOwnDirectory(disk, options.path, 'sent')
  const unconfirmed = openPrivateDirectory(disk, `${top}/${UNCONFIRMED}`)
  const own = `${identity.pid}-${randomBytes(6).toString('hex')}`
  const folder = `${unconfirmed}/${own}`
  const names = createNameMaker(clock)
  let opened: Promise<void> | undefined

  async function open(): Promise<void> {
    openPrivateDirectory(disk, folder)
    await replaceFile(disk, `${folder}/${OWNER}`, Buffer.from(`${JSON.stringify(identity)}\n`), 0o600)
    await sync.sync(unconfirmed)
  }

  function confirm(from: string, name: string, at: number): void {
    const day = openPrivateDirectory(disk, `${top}/${dayOf(at)}`)
    try {
      disk.rename(from, `${day}/${name}`)
    } catch (error) {
      // Another run that recovers has done it.
      if (!isSystem(error, 'ENOENT')) throw diskError(error, 'confirm the copy', from)
    }
  }

  async function keep(id: MessageId, body: Uint8Array): Promise<Kept> {
    await (opened ??= open().catch((error: unknown) => {
      opened = undefined
      throw error
    }))
    const name = nameOfCopy(id, () => names.element())
    const path = `${folder}/${name}`
    try {
      // What is left of an attempt that failed in the middle.
      discard(disk, `${path}${NEW}`)
      await writeDurably(disk, disk.createFile(`${path}${NEW}`, 0o600), body)
      disk.rename(`${path}${NEW}`, path)
    } catch (error) {
      discard(disk, `${path}${NEW}`)
      throw diskError(error, 'keep a copy of what is sent in', folder)
    }
    await sync.sync(folder)
    return keptAt(path, name)
  }

  function keptAt(path: string, name: string): Kept {
    let isOpen = true
    const once = (act: () => void): void => {
      if (!isOpen) return
      isOpen = false
      try {
        act()
      } catch (error) {
        options.onTrouble?.(diskError(error, 'confirm the copy', path))
      }
    }
    return {
      confirm: () => {
        once(() => {
          confirm(path, name, clock.now())
        })
      },
      drop: () => {
        once(() => {
          discard(disk, path)
        })
      },
    }
  }

  async function recoverRun(run: string, waits: (id: MessageId) => boolean): Promise<number> {
    let confirmed = 0
    const path = `${unconfirmed}/${run}`
    for (const name of await namesIn(disk, path)) {
      const id = idOfCopy(name)
      const copy = lookAt(disk, `${path}/${name}`)
      if (name === OWNER || copy === undefined) continue
      if (name.endsWith(NEW) || (id !== undefined && waits(id))) discard(disk, `${path}/${name}`)
      else {
        confirm(`${path}/${name}`, name, copy.mtimeMs)
        confirmed += 1
      }
    }
    await removeRun(disk, path)
    return confirmed
  }

  return {
    keep,
    async recover(waits) {
      let confirmed = 0
      for (const run of await namesIn(disk, unconfirmed)) {
        if (run === own || !RUN.test(run) || !isRealDirectory(disk, `${unconfirmed}/${run}`)) continue
        if (await isDead(disk, `${unconfirmed}/${run}`, identity, clock)) confirmed += await recoverRun(run, waits)
      }
      return confirmed
    },
    async purge(age) {
      let dropped = 0
      for (const day of await sentDays(disk, options.path)) {
        if (clock.now() - (Date.parse(day) + DAY_MS) <= age) continue
        for (const name of await namesIn(disk, `${top}/${day}`)) discard(disk, `${top}/${day}/${name}`)
        removeFolder(disk, `${top}/${day}`)
        dropped += 1
      }
      return dropped
    },
    async close() {
      if (opened !== undefined) await removeRun(disk, folder)
      opened = undefined
    },
  }
}

async function isDead(disk: Disk, path: string, self: ProcessIdentity, clock: Clock): Promise<boolean> {
  const file = await readRegularFile(disk, `${path}/${OWNER}`, OWNER_LIMIT)
  const owner = parseProcessIdentity(file?.bytes.toString('utf8').trim() ?? '')
  if (owner !== undefined) return isGone(owner, self)
  // A run that died before it wrote who it is has kept nothing.
  const stats = lookAt(disk, path)
  return stats !== undefined && Math.abs(clock.now() - stats.mtimeMs) > HOUR
}

/** A folder without copies; one with some is left to the next run. */
async function removeRun(disk: Disk, path: string): Promise<void> {
  if ((await namesIn(disk, path)).some((name) => name !== OWNER)) return
  discard(disk, `${path}/${OWNER}`)
  removeFolder(disk, path)
}

function removeFolder(disk: Disk, path: string): void {
  try {
    disk.rmdir(path)
  } catch (error) {
    if (!isSystem(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw diskError(error, 'remove', path)
  }
}

async function namesIn(disk: Disk, path: string): Promise<string[]> {
  const names: string[] = []
  await visitDirectory(disk, path, ({ name }) => {
    names.push(name.toString('latin1'))
  })
  return names.sort()
}

/** The days there are, the oldest first. For a spool that may have no archive. */
export async function sentDays(disk: Disk, path: string): Promise<string[]> {
  const top = `${path}/.ssm/sent`
  if (!isRealDirectory(disk, top)) return []
  return (await namesIn(disk, top)).filter((name) => DAY.test(name) && isRealDirectory(disk, `${top}/${name}`))
}

/** What was sent on a day, in the order of its names, which is that of their times. */
export async function sentOn(
  disk: Disk,
  path: string,
  day: string,
): Promise<readonly { name: string; file: string }[]> {
  const folder = `${path}/.ssm/sent/${day}`
  return (await namesIn(disk, folder)).map((name) => ({ name, file: `${folder}/${name}` }))
}
