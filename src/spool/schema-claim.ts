/**
 * Claiming elements of a queue with schema: `mkdir <element>/locked`, which also sets the time of the element, so that a lock
 * is never born old.
 */
import { SsmError } from '../errors.js'
import type { MessageId } from '../message.js'
import type { Disk } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import { readRegularFile } from '../os/safe-open.js'
import { isRealDirectory, lookAt } from './listing.js'
import type { NameMaker } from './names.js'
import { parseElementPath } from './names.js'
import type { Claim } from './port.js'
import type { Field, Fields, SchemaTypes } from './schema.js'
import { decodeField } from './schema.js'
import { removeElementDirectory, unlock } from './schema-purge.js'
import { lockLost } from './simple-lock.js'

const DEFAULT_MAX_SIZE = 256 * 1024 * 1024
const ATTEMPTS = 100

export interface SchemaClaimPlace {
  readonly disk: Disk
  readonly sync: DirectorySync
  readonly names: NameMaker
  readonly top: string
  readonly fields: readonly Field[]
  readonly maxSize: number | undefined
}

export interface SchemaClaims<S extends SchemaTypes> {
  claim(id: MessageId): Promise<Claim<Fields<S>> | null>
  /** Is it claimed by this process? */
  has(id: MessageId): boolean
}

/** Makes `locked` and answers its inode; undefined: held by another, or gone. */
function takeLock(disk: Disk, path: string): number | undefined {
  try {
    disk.mkdir(`${path}/locked`)
  } catch (error) {
    if (isSystem(error, 'EEXIST', 'ENOENT', 'ENOTDIR')) return undefined
    throw diskError(error, 'lock', path)
  }
  // Removed while we locked: the lock was made in a directory on its way to `obsolete`.
  return lookAt(disk, `${path}/locked`)?.ino
}

export function createSchemaClaims<S extends SchemaTypes>(place: SchemaClaimPlace): SchemaClaims<S> {
  const { disk, sync, names, top, fields, maxSize = DEFAULT_MAX_SIZE } = place
  const held = new Map<MessageId, number>()

  const isOurs = (id: MessageId): boolean => lookAt(disk, `${top}/${id}/locked`)?.ino === held.get(id)

  async function read(id: MessageId): Promise<Fields<S>> {
    const path = `${top}/${id}`
    if (!held.has(id) || !isOurs(id)) throw lockLost(path)
    const entries: [string, unknown][] = []
    for (const field of fields) {
      const file = await readRegularFile(disk, `${path}/${field.name}`, maxSize)
      if (file !== null) entries.push([field.name, decodeField(field, file.bytes, pathText(path))])
      else if (!field.optional) {
        throw new SsmError('element-damaged', `${pathText(path)} has no field ${field.name}`)
      }
    }
    // The cast: every field was decoded as the schema says, and mandatory ones are there.
    return Object.fromEntries(entries) as Fields<S>
  }

  /** Moves the element to `obsolete`: from then on it is consumed. */
  function obsolete(path: string): string {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const target = `${top}/obsolete/${names.element()}`
      try {
        disk.rename(path, target)
        return target
      } catch (error) {
        if (isSystem(error, 'ENOTEMPTY', 'EEXIST')) continue
        if (isSystem(error, 'ENOENT') && lookAt(disk, path) === undefined) throw lockLost(path)
        throw diskError(error, 'remove', path)
      }
    }
    throw new SsmError('disk', `cannot remove ${pathText(path)}: no free name in obsolete`)
  }

  async function remove(id: MessageId): Promise<void> {
    const path = `${top}/${id}`
    if (!held.has(id) || !isOurs(id)) throw lockLost(path)
    const target = obsolete(path)
    held.delete(id)
    await sync.sync(`${top}/${id.slice(0, 8)}`)
    // Consumed already; what cannot be tidied here is purged later.
    await removeElementDirectory(disk, target)
  }

  function release(id: MessageId): Promise<void> {
    if (held.has(id) && isOurs(id)) unlock(disk, `${top}/${id}`)
    held.delete(id)
    return Promise.resolve()
  }

  return {
    has: (id) => held.has(id),
    claim(id) {
      const parsed = parseElementPath(id)
      const path = `${top}/${id}`
      if (parsed === undefined || held.has(id)) return Promise.resolve(null)
      if (!isRealDirectory(disk, `${top}/${parsed.directory}`) || !isRealDirectory(disk, path))
        return Promise.resolve(null)
      const ino = takeLock(disk, path)
      if (ino === undefined) return Promise.resolve(null)
      held.set(id, ino)
      return Promise.resolve({
        id,
        read: () => read(id),
        remove: () => remove(id),
        release: () => release(id),
        [Symbol.asyncDispose]: () => release(id),
      })
    },
  }
}
