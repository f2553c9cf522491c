/**
 * Adding to a simple queue: `.tmp`, fsync, link under the final name, fsync of the directory.
 */
import { SsmError } from '../errors.js'
import type { Disk } from '../os/disk.js'
import { diskError, isSystem, pathText } from '../os/disk-error.js'
import type { DirectorySync } from '../os/durable.js'
import { discard, writeDurably } from '../os/durable.js'
import { createFoundation, type Foundation } from './foundation.js'
import { isRealDirectory, lookAt } from './listing.js'
import type { NameMaker } from './names.js'
import type { Naming } from './port.js'

/** Attempts until a name is free and the directory stays: each failure needs somebody else's purge or add just then. */
const ATTEMPTS = 1000

export interface AddPlace {
  readonly disk: Disk
  readonly sync: DirectorySync
  readonly names: NameMaker
  /** The queue. */
  readonly top: string
}

interface Temporary {
  readonly fd: number
  readonly path: string
  readonly directory: string
}

/** Creates `.tmp`, and the intermediate directory when it is missing, as often as others purge it meanwhile. */
function createTemporary(place: AddPlace, foundation: Foundation): Temporary {
  const { disk, names, top } = place
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const directory = names.intermediate()
    const path = `${top}/${directory}/${names.element()}.tmp`
    try {
      const fd = disk.createFile(path)
      return { fd, path, directory }
    } catch (error) {
      if (isSystem(error, 'EEXIST')) continue
      if (!isSystem(error, 'ENOENT')) throw diskError(error, 'write', path)
      foundation.make(`${top}/${directory}`)
    }
  }
  throw new SsmError('disk', `cannot add to ${pathText(top)}: its directories vanish as fast as they are made`)
}

function linkFinal(place: AddPlace, temporary: Temporary, naming?: Naming): string {
  const { disk, names, top } = place
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const name = names.element()
    const path = `${top}/${temporary.directory}/${name}`
    if (naming !== undefined) {
      if (lookAt(disk, path) !== undefined) continue
      naming(`${temporary.directory}/${name}`)
    }
    try {
      disk.link(temporary.path, path)
      return name
    } catch (error) {
      if (!isSystem(error, 'EEXIST')) throw diskError(error, 'link the new element', path)
    }
  }
  throw new SsmError('disk', `cannot add to ${pathText(top)}: no free name`)
}

/** Returns the function that adds. It remembers which directory entry of the top it has made durable. */
export function createAdd(place: AddPlace): (bytes: Uint8Array, naming?: Naming) => Promise<string> {
  const { disk, sync, top } = place
  const foundation = createFoundation(place, top)
  let durable = ''
  return async (bytes, naming) => {
    const temporary = createTemporary(place, foundation)
    const directory = `${top}/${temporary.directory}`
    let name: string
    try {
      if (!isRealDirectory(disk, directory)) {
        disk.close(temporary.fd)
        throw new SsmError('disk', `${pathText(directory)} is not a real directory: remove the link`)
      }
      await writeDurably(disk, temporary.fd, bytes)
      name = linkFinal(place, temporary, naming)
    } catch (error) {
      discard(disk, temporary.path)
      throw diskError(error, 'add to', top)
    }
    // The element is there: what is left of the temporary name is the purge's business.
    discard(disk, temporary.path)
    await sync.sync(directory)
    if (durable !== temporary.directory) {
      await sync.sync(top)
      durable = temporary.directory
    }
    await foundation.settle()
    return `${temporary.directory}/${name}`
  }
}
