/**
 * Reading small files of the administrator (configuration, passwords) whole: regular files only, with a limit.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { SsmError, messageOf, systemCode } from '../errors.js'

export interface SmallFile {
  readonly bytes: Buffer
  /** May every user of the machine read it? */
  readonly worldReadable: boolean
}

/** Throws SsmError `configuration`; `missing` is the sentence for a file that is not there. */
export function readSmallFile(path: string, limit: number, missing: string): SmallFile {
  // O_NONBLOCK: a named pipe must not make us wait before we see that it is one.
  const fd = attempt(path, missing, () =>
    openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY),
  )
  try {
    const stats = attempt(path, missing, () => fstatSync(fd))
    if (!stats.isFile()) throw new SsmError('configuration', `${path} is ${kindOf(stats)}, not a file.`)
    const bytes = Buffer.alloc(limit + 1)
    let length = 0
    for (let got = 1; got > 0 && length < bytes.length; length += got) {
      const from = length
      got = attempt(path, missing, () => readSync(fd, bytes, from, bytes.length - from, null))
    }
    if (length > limit) throw new SsmError('configuration', `${path} is larger than ${limit} bytes.`)
    return { bytes: bytes.subarray(0, length), worldReadable: (stats.mode & 0o004) !== 0 }
  } finally {
    closeSync(fd)
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory'
  return stats.isFIFO() ? 'a named pipe' : 'a device or socket'
}

function attempt<T>(path: string, missing: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const code = systemCode(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new SsmError('configuration', missing, { cause })
    const why =
      code === 'EACCES'
        ? 'this user may not read it: check the rights of the file and its directories'
        : messageOf(cause)
    throw new SsmError('configuration', `${path} cannot be read: ${why}.`, { cause })
  }
}
