/**
 * Making staged elements of a queue with schema visible: a rename, then the fsync of the directory it went into. In two
 * steps that may be repeated: what failed after the rename has only the fsync left to do.
 */
import { SsmError } from '../errors.js'
import type { MessageId } from '../message.js'
import type { Disk } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import type { Insertion } from './insertion.js'
import { isRealDirectory, lookAt } from './listing.js'
import type { NameMaker } from './names.js'
import { isStagedName } from './schema-purge.js'

const ATTEMPTS = 1000
/** Directories that are known to be durable themselves; more are simply synced again. */
const KNOWN = 16

export interface CommitPlace {
  readonly disk: Disk
  readonly sync: DirectorySync
  readonly names: NameMaker
  readonly top: string
}

export interface Commits {
  /** Renames into the queue, once however often it is called. Throws SsmError `disk`, `internal` when it is not staged. */
  rename(staged: string, directory: string | undefined): Promise<MessageId>
  /** Makes the rename durable; then it is forgotten. Throws SsmError `disk`. */
  sync(staged: string): Promise<void>
  /** Makes durable what lies in an intermediate directory, and the directory. Throws SsmError `disk`. */
  settle(directory: string): Promise<void>
}

export function createCommits({ disk, sync, names, top }: CommitPlace, insertion: Insertion): Commits {
  const durable = new Set<string>()
  /** Renamed, and not yet known to be durable. */
  const renamed = new Map<string, MessageId>()

  /** As often as others purge the directory chosen. */
  async function insert(staged: string, wanted: string | undefined): Promise<MessageId> {
    const from = `${top}/temporary/${staged}`
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const directory = attempt === 0 && wanted !== undefined ? wanted : await insertion.choose()
      const id = `${directory}/${attempt === 0 ? staged.slice(0, 14) : names.element()}`
      try {
        if (isRealDirectory(disk, `${top}/${directory}`)) {
          disk.rename(from, `${top}/${id}`)
          return id
        }
        insertion.forget()
      } catch (error) {
        if (isSystem(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) continue
        insertion.forget()
        if (!isSystem(error, 'ENOENT')) throw diskError(error, 'add to', top)
        if (lookAt(disk, from) === undefined) throw new SsmError('internal', `${pathText(from)} is not staged any more`)
      }
    }
    throw new SsmError('disk', `cannot add to ${pathText(top)}: its directories vanish as fast as they are made`)
  }

  async function settle(directory: string): Promise<void> {
    const syncs = [sync.sync(`${top}/${directory}`)]
    if (!durable.has(directory)) syncs.push(sync.sync(top))
    await Promise.all(syncs)
    if (durable.size > KNOWN) durable.clear()
    durable.add(directory)
  }

  return {
    async rename(staged, directory) {
      if (!isStagedName(staged)) throw new SsmError('internal', `${pathText(staged)} is not a staged name`)
      const id = renamed.get(staged) ?? (await insert(staged, directory))
      renamed.set(staged, id)
      return id
    },
    async sync(staged) {
      const id = renamed.get(staged)
      if (id !== undefined) await settle(id.slice(0, 8))
      renamed.delete(staged)
    },
    settle,
  }
}
