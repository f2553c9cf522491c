/**
 * The queue with schema: an element is a directory `NNNNNNNN/<14hex>`, a file a field; `locked/` in it says that it is taken.
 *
 *   temporary/<14hex>.<pid>.ssm ──commit: rename──▶ NNNNNNNN/<14hex> ──remove: rename──▶ obsolete/<14hex> ──▶ gone
 *
 * Others purge `temporary` of everything that is called like an element, also while it is being written: hence our names.
 * Adding is two steps, `stage` and `commit`, so that a journal can note the intent between them.
 */
import { SsmError } from '../errors.js'
import type { MessageId } from '../message.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import { createDirectorySync, writeDurably } from '../os/durable.js'
import { thisProcess } from '../os/process-identity.js'
import { createInsertion } from './insertion.js'
import { createCommits } from './schema-commit.js'
import { createFoundation, type Foundation } from './foundation.js'
import { countElements, isRealDirectory, listElements, listIntermediate, visitDirectory } from './listing.js'
import type { NameMaker } from './names.js'
import { createNameMaker } from './names.js'
import { upToSpool } from './own-directory.js'
import type { PurgeLimits, PurgeReport, Spool } from './port.js'
import type { Field, Fields, SchemaTypes } from './schema.js'
import { encodeFields, resolveSchema } from './schema.js'
import { createSchemaClaims } from './schema-claim.js'
import { isStagedName, purgeSchema, removeElementDirectory } from './schema-purge.js'

const ATTEMPTS = 1000

export interface SchemaQueueOptions<S extends SchemaTypes> {
  readonly path: string
  readonly schema: S
  readonly disk: Disk
  readonly clock: Clock
  readonly sync?: DirectorySync
  /** Elements an intermediate directory. Default 16 000. */
  readonly maxElements?: number
  /** Bytes a field when reading. Default 256 MiB. */
  readonly maxSize?: number
}

export interface SchemaPurgeLimits extends PurgeLimits {
  /**
   * Staged names a journal intends to commit: never removed. Without it no staged element is removed at all: whoever does
   * not know the journal cannot know which are wanted.
   */
  readonly listed?: ReadonlySet<string>
}

/** A queue with schema. Adding may be done in steps. */
export interface SchemaQueue<S extends SchemaTypes> extends Spool<Fields<S>> {
  readonly path: string
  /** Writes the element durably, invisibly; returns its staged name. Throws SsmError `disk`, TypeError for wrong fields. */
  stage(item: Fields<S>): Promise<string>
  /** The intermediate directory that the next element should go into. Throws SsmError `disk`. */
  reserve(): Promise<string>
  /**
   * Makes a staged element visible, durably: as `directory`/its 14 digits where that is possible. May be called again after
   * it threw. Throws SsmError `disk`; `internal` when there is no such staged element.
   */
  commit(staged: string, directory?: string): Promise<MessageId>
  /** Makes durable what a run that is gone may have renamed into an intermediate directory. Throws SsmError `disk`. */
  settle(directory: string): Promise<void>
  /** Removes a staged element that is not wanted. */
  unstage(staged: string): Promise<void>
  /** Is it still staged? After a crash: no means that it was committed. */
  isStaged(staged: string): boolean
  /** All staged elements of ours, also those of runs that are gone. */
  staged(): Promise<readonly string[]>
  purge(limits?: SchemaPurgeLimits): Promise<PurgeReport>
}

interface Place {
  readonly disk: Disk
  readonly sync: DirectorySync
  readonly names: NameMaker
  readonly top: string
  readonly foundation: Foundation
}

/** Makes an own, empty directory in `temporary`. */
async function createStaged(place: Place, pid: number): Promise<string> {
  const { disk, names, top } = place
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const name = `${names.element()}.${pid}.ssm`
    try {
      await disk.createDirectory(`${top}/temporary/${name}`)
      return name
    } catch (error) {
      if (isSystem(error, 'ENOENT')) openQueue(place)
      else if (!isSystem(error, 'EEXIST')) throw diskError(error, 'add to', top)
    }
  }
  throw new SsmError('disk', `cannot add to ${pathText(top)}: no free name in temporary`)
}

/** As all implementations do at the first use. */
function openQueue({ disk, top, foundation }: Place): void {
  for (const folder of ['temporary', 'obsolete']) {
    foundation.make(`${top}/${folder}`)
    if (!isRealDirectory(disk, `${top}/${folder}`)) {
      throw new SsmError('disk', `${pathText(`${top}/${folder}`)} is not a real directory: remove the link`)
    }
  }
}

/** Before the first message: the directories may have been made a moment ago, by a run that was killed. */
async function openDurably(place: Place): Promise<void> {
  openQueue(place)
  const { top, sync, foundation } = place
  await Promise.all([...upToSpool(top).map((directory) => sync.sync(directory)), foundation.settle()])
}

/** Files, then the directory that names them; with `alsoName` also the one that names the directory. */
async function writeStaged(
  place: Place,
  staged: string,
  files: readonly (readonly [string, Uint8Array])[],
  alsoName: boolean,
): Promise<void> {
  const { disk, sync, top } = place
  const directory = `${top}/temporary/${staged}`
  try {
    const writes = files.map(async ([name, bytes]) => {
      await writeDurably(disk, disk.createFile(`${directory}/${name}`), bytes)
    })
    // All have ended before anything is removed again: none may write into what is being removed.
    const failed = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const syncs = [sync.sync(directory), place.foundation.settle()]
    // For a journal: after a crash, a missing name would be taken for a committed one.
    if (alsoName) syncs.push(sync.sync(`${top}/temporary`))
    await Promise.all(syncs)
  } catch (error) {
    await removeElementDirectory(disk, directory).catch(() => false)
    throw diskError(error, 'add to', top)
  }
}

function createQueuePlace({
  path: top,
  disk,
  clock,
  sync = createDirectorySync(disk),
}: Pick<SchemaQueueOptions<SchemaTypes>, 'path' | 'disk' | 'clock' | 'sync'>): Place {
  return { disk, sync, top, names: createNameMaker(clock), foundation: createFoundation({ disk, sync }, top) }
}

/** Nothing is touched before the first call. */
export function createSchemaQueue<S extends SchemaTypes>(options: SchemaQueueOptions<S>): SchemaQueue<S> {
  const { path: top, disk, clock } = options
  const fields: readonly Field[] = resolveSchema(options.schema)
  const place = createQueuePlace(options)
  const { pid } = thisProcess()
  const mine = new Set<string>()
  const insertion = createInsertion({
    disk,
    top,
    maxElements: options.maxElements ?? 16_000,
    monotonic: () => clock.monotonic(),
  })
  const commits = createCommits(place, insertion)
  const claims = createSchemaClaims<S>({ ...place, fields, maxSize: options.maxSize })
  let opening: Promise<unknown> | undefined

  async function stageFiles(item: Fields<S>, alsoName: boolean): Promise<string> {
    const files = encodeFields(fields, item)
    opening ??= openDurably(place).catch((error: unknown) => {
      opening = undefined
      throw error
    })
    await opening
    const staged = await createStaged(place, pid)
    mine.add(staged)
    try {
      await writeStaged(place, staged, files, alsoName)
    } catch (error) {
      mine.delete(staged)
      throw error
    }
    return staged
  }

  async function commit(staged: string, directory?: string): Promise<MessageId> {
    const id = await commits.rename(staged, directory)
    mine.delete(staged)
    await commits.sync(staged)
    return id
  }

  return {
    path: top,
    claim: (id) => claims.claim(id),
    async add(item) {
      return commit(await stageFiles(item, false))
    },
    stage: (item) => stageFiles(item, true),
    reserve: () => insertion.choose(),
    commit,
    settle: (directory) => commits.settle(directory),
    async unstage(staged) {
      if (isStagedName(staged)) await removeElementDirectory(disk, `${top}/temporary/${staged}`)
      mine.delete(staged)
    },
    isStaged: (staged) => isStagedName(staged) && isRealDirectory(disk, `${top}/temporary/${staged}`),
    staged: () => listStaged(disk, top),
    ids: () => listAll(disk, top),
    count: () => countElements(disk, top),
    purge({ listed, ...limits } = {}) {
      const keep = (name: string): boolean => mine.has(name) || (listed?.has(name) ?? true)
      return purgeSchema({ disk, top, now: clock.now(), held: claims, keep }, limits)
    },
  }
}

async function listStaged(disk: Disk, top: string): Promise<readonly string[]> {
  const names: string[] = []
  await visitDirectory(disk, `${top}/temporary`, ({ name }) => {
    const text = name.toString('latin1')
    if (isStagedName(text)) names.push(text)
  })
  return names.sort()
}

async function* listAll(disk: Disk, top: string): AsyncGenerator<MessageId> {
  for (const directory of await listIntermediate(disk, top)) {
    const names = await listElements(disk, `${top}/${directory}`)
    for (let index = 0; index < names.length; index += 1) yield `${directory}/${names.at(index)}`
  }
}
