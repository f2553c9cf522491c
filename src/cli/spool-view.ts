/**
 * Looking into spools without touching them: no lock is taken, nothing is made, nothing is believed. What is read comes
 * from whoever can write there: print it through `printable`.
 */
import { isSsmError, SsmError } from '../errors.js'
import type { Disk, DiskPath } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import { readRegularFile } from '../os/safe-open.js'
import { detectSpool, type SpoolKind } from '../spool/detect.js'
import { listElements, listIntermediate, visitDirectory } from '../spool/listing.js'
import { lockOfFile } from '../spool/message-directory.js'
import { idOfName, nameOfId } from '../spool/message-id.js'
import { OWN_DIRECTORY } from '../spool/own-directory.js'
import { parseElementPath, momentOfName } from '../spool/names.js'

export interface ElementView {
  readonly id: string
  /** Bytes of the body. */
  readonly size: number
  /** ms since the epoch: what its name says, or the time of a file. A lock changes no name. */
  readonly added: number
  readonly changed: number
  /** Somebody has locked it since then. */
  readonly locked?: number
  /** Fields of a queue with schema. Outside text. */
  readonly fields: ReadonlyMap<string, Buffer>
}

/** A spool that can be looked at. */
export interface SpoolView {
  readonly kind: SpoolKind
  count(): Promise<number>
  /** Oldest first. */
  elements(): AsyncIterable<ElementView>
  /** undefined: it is not there (any more), or the id is none. */
  element(id: string): Promise<ElementView | undefined>
  /** undefined: as above, or there is no body. Throws SsmError `element-damaged`, `disk`. */
  body(id: string): Promise<Buffer | undefined>
}

/** What the fields of an element may tell, in this order. */
export const FIELDS = ['empaid', 'id', 'signer', 'ca', 'error', 'attempts', 'time'] as const
const FIELD_LIMIT = 64 * 1024
const BODY_LIMIT = 256 * 1024 * 1024
/** A plain directory is sorted by age, which takes all its names. */
const MAX_FILES = 1_000_000

/** Throws SsmError `usage` when there is no such directory. */
export async function viewSpool(disk: Disk, path: string): Promise<SpoolView> {
  const kind = await detectSpool(disk, path)
  if (kind === 'none') throw new SsmError('usage', `${path} is not a directory`)
  if (kind === 'receiver') return await viewReceiver(disk, path)
  return kind === 'directory' || kind === 'empty' ? viewFiles(disk, path, kind) : viewQueue(disk, path, kind)
}

export const PARTS = { incoming: 'incoming', reject: 'reject', held: `${OWN_DIRECTORY}/held` } as const

/** `incoming`, `reject` and, for whom may look there, `held` as one, their names before the ids. */
async function viewReceiver(disk: Disk, path: string): Promise<SpoolView> {
  const parts: [string, SpoolView][] = []
  for (const [name, folder] of Object.entries(PARTS)) {
    const kind = await kindOf(disk, `${path}/${folder}`)
    if (kind !== 'none') parts.push([`${name}/`, viewQueue(disk, `${path}/${folder}`, kind)])
  }
  const find = (id: string) => parts.find(([prefix]) => id.startsWith(prefix))
  return {
    kind: 'receiver',
    async count() {
      let count = 0
      for (const [, part] of parts) count += await part.count()
      return count
    },
    async *elements() {
      for (const [prefix, part] of parts) {
        for await (const view of part.elements()) yield { ...view, id: prefix + view.id }
      }
    },
    async element(id) {
      const [prefix = '', part] = find(id) ?? []
      const view = await part?.element(id.slice(prefix.length))
      return view === undefined ? undefined : { ...view, id }
    },
    async body(id) {
      const [prefix = '', part] = find(id) ?? []
      return await part?.body(id.slice(prefix.length))
    },
  }
}

/** `.ssm` is its owner's alone: for others there is nothing in it. */
async function kindOf(disk: Disk, path: string): Promise<SpoolKind> {
  try {
    return await detectSpool(disk, path)
  } catch (error) {
    if (isSsmError(error, 'disk') && isSystem(error.cause, 'EACCES')) return 'none'
    throw error
  }
}

function viewQueue(disk: Disk, path: string, kind: SpoolKind): SpoolView {
  const namesIn = (directory: string) => listElements(disk, `${path}/${directory}`)
  const element = (id: string) => viewElement(disk, path, id)
  return {
    kind,
    element,
    async count() {
      let count = 0
      for (const directory of await listIntermediate(disk, path)) count += (await namesIn(directory)).length
      return count
    },
    async *elements() {
      for (const directory of await listIntermediate(disk, path)) {
        const names = await namesIn(directory)
        for (let index = 0; index < names.length; index++) {
          const view = await element(`${directory}/${names.at(index)}`)
          if (view !== undefined) yield view
        }
      }
    },
    async body(id) {
      if (parseElementPath(id) === undefined) return undefined
      const file = disk.lstat(`${path}/${id}`)?.isDirectory() === true ? `${path}/${id}/body` : `${path}/${id}`
      return (await readRegularFile(disk, file, BODY_LIMIT))?.bytes
    },
  }
}

async function viewElement(disk: Disk, path: string, id: string): Promise<ElementView | undefined> {
  const name = parseElementPath(id)?.name
  if (name === undefined) return undefined
  const place = `${path}/${id}`
  const stats = disk.lstat(place)
  if (stats === undefined) return undefined
  const schema = stats.isDirectory()
  const lock = disk.lstat(schema ? `${place}/locked` : `${place}.lck`)
  const size = schema ? (disk.lstat(`${place}/body`)?.size ?? 0) : stats.size
  return {
    id,
    size,
    added: momentOfName(name),
    changed: stats.mtimeMs,
    ...(lock === undefined ? {} : { locked: lock.mtimeMs }),
    fields: schema ? await readFields(disk, place) : new Map<string, Buffer>(),
  }
}

async function readFields(disk: Disk, place: string): Promise<ReadonlyMap<string, Buffer>> {
  const fields = new Map<string, Buffer>()
  for (const name of FIELDS) {
    const bytes = await readField(disk, `${place}/${name}`)
    if (bytes !== undefined) fields.set(name, bytes)
  }
  return fields
}

/** A field that is not a proper small file is shown as what is wrong with it. */
async function readField(disk: Disk, path: DiskPath): Promise<Buffer | undefined> {
  try {
    return (await readRegularFile(disk, path, FIELD_LIMIT))?.bytes
  } catch (error) {
    if (!isSsmError(error, 'element-damaged', 'disk')) throw error
    return Buffer.from(`(${error.message})`)
  }
}

/** Locks of files lie in `.ssm`, which is its owner's alone: for others there are none. */
function lockTime(disk: Disk, path: string): number | undefined {
  try {
    return disk.lstat(path)?.mtimeMs
  } catch (error) {
    if (isSystem(error, 'EACCES')) return undefined
    throw diskError(error, 'look at', path)
  }
}

/** A plain message directory: every file is a message. */
function viewFiles(disk: Disk, path: string, kind: SpoolKind): SpoolView {
  const pathOf = (id: string): Buffer | undefined => {
    const name = nameOfId(id)
    return name === undefined ? undefined : Buffer.concat([Buffer.from(`${path}/`), name])
  }
  async function ids(): Promise<string[]> {
    const found: { readonly id: string; readonly changed: number }[] = []
    await visitDirectory(disk, path, (entry) => {
      const id = idOfName(entry.name)
      const stats =
        entry.kind === 'directory' ? undefined : disk.lstat(Buffer.concat([Buffer.from(`${path}/`), entry.name]))
      if (stats === undefined || stats.isDirectory()) return
      if (found.length >= MAX_FILES) throw new SsmError('limit', `${path} has more than ${MAX_FILES} files`)
      found.push({ id, changed: stats.mtimeMs })
    })
    return found.sort((a, b) => a.changed - b.changed).map(({ id }) => id)
  }
  function element(id: string): Promise<ElementView | undefined> {
    const file = pathOf(id)
    const stats = file === undefined ? undefined : disk.lstat(file)
    if (stats === undefined || stats.isDirectory()) return Promise.resolve(undefined)
    const { size, mtimeMs: changed } = stats
    const locked = lockTime(disk, lockOfFile(path, id))
    const lock = locked === undefined ? {} : { locked }
    return Promise.resolve({ id, size, added: changed, changed, ...lock, fields: new Map<string, Buffer>() })
  }
  return {
    kind,
    element,
    count: async () => (await ids()).length,
    async *elements() {
      for (const id of await ids()) {
        const view = await element(id)
        if (view !== undefined) yield view
      }
    },
    async body(id) {
      const file = pathOf(id)
      return file === undefined ? undefined : (await readRegularFile(disk, file, BODY_LIMIT))?.bytes
    },
  }
}
