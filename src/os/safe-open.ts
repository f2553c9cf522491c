/**
 * Reading files that others may have put there: no links followed, no waiting at a FIFO, regular files only, a size limit.
 */
import { SsmError } from '../errors.js'
import type { Disk, DiskPath, Stats } from './disk.js'
import { OPEN } from './disk.js'
import { diskError, isSystem, pathText } from './disk-error.js'

export interface OpenedFile {
  readonly bytes: Buffer
  /** As it was when opened. */
  readonly stats: Stats
}

/** What a thing is, in a sentence. */
export function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'a regular file'
  if (stats.isDirectory()) return 'a directory'
  if (stats.isSymbolicLink()) return 'a symbolic link'
  return stats.isFIFO() ? 'a FIFO' : 'a special file'
}

function notRegular(path: DiskPath, what: string): SsmError {
  return new SsmError('element-damaged', `${pathText(path)} is ${what}, not a regular file: not read`)
}

async function readAll(disk: Disk, fd: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size)
  let offset = 0
  while (offset < size) {
    const read = await disk.read(fd, bytes, offset, offset)
    if (read === 0) break
    offset += read
  }
  return offset === size ? bytes : bytes.subarray(0, offset)
}

/**
 * Reads a whole regular file of at most `limit` bytes. null: it does not exist.
 * Throws SsmError `element-damaged` (a link, a FIFO, a directory, too large) or `disk`.
 */
export async function readRegularFile(disk: Disk, path: DiskPath, limit: number): Promise<OpenedFile | null> {
  let fd: number
  try {
    fd = disk.open(path, OPEN.read)
  } catch (error) {
    if (isSystem(error, 'ENOENT')) return null
    if (isSystem(error, 'ELOOP')) throw notRegular(path, 'a symbolic link')
    // ENXIO: a socket, or a device without a driver.
    if (isSystem(error, 'ENXIO')) throw notRegular(path, 'a special file')
    throw diskError(error, 'open', path)
  }
  try {
    const stats = disk.fstat(fd)
    if (!stats.isFile()) throw notRegular(path, kindOf(stats))
    if (stats.size > limit) {
      throw new SsmError(
        'element-damaged',
        `${pathText(path)} has ${stats.size} bytes, the limit is ${limit}: not read`,
      )
    }
    return { bytes: await readAll(disk, fd, stats.size), stats }
  } catch (error) {
    throw diskError(error, 'read', path)
  } finally {
    disk.close(fd)
  }
}
