/**
 * The files of the journal: `YYYY-MM-DD` (UTC), lines appended and fsynced in groups. Whoever asks while a group is on its
 * way comes along with the next: 64 messages in flight cost two or three fsyncs, not 64.
 *
 * What cannot be read is passed by with a word: it is a memory, and the messages are elsewhere.
 */
import { isSsmError, messageOf, SsmError } from '../../errors.js'
import type { Clock } from '../../os/clock.js'
import type { Disk } from '../../os/disk.js'
import { OPEN } from '../../os/disk.js'
import { diskError, isSystem } from '../../os/disk-error.js'
import type { DirectorySync } from '../../os/durable.js'
import { writeAll } from '../../os/durable.js'
import { nextTurn } from '../../os/turn.js'
import { lookAt, visitDirectory } from '../listing.js'
import { upToSpool } from '../own-directory.js'
import { MAX_LINE } from './record.js'

const NAME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[1-9])?$/
/** Bytes read at a time. */
const CHUNK = 1 << 20
const DAY = 24 * 3_600_000

export interface SegmentsOptions {
  /** The folder, which exists. */
  readonly folder: string
  readonly disk: Disk
  readonly sync: DirectorySync
  readonly clock: Clock
  /** Told of a segment that cannot be used, with the reason. */
  readonly onUnusable: (path: string, error: { readonly message: string }) => void
}

export interface Segments {
  /** Names, oldest first. Throws SsmError `disk`. */
  names(): Promise<readonly string[]>
  /** Calls `visit` for each line, torn ones too. A segment that cannot be read ends with a word to `onUnusable`. */
  read(name: string, visit: (line: string) => void): Promise<void>
  /** The first line that has `text` in it, of the newest segment that has one. */
  search(text: string): Promise<string | undefined>
  /**
   * Durable when it resolves. Throws SsmError `disk`: then the line may be in the file or not.
   * Answers the name of the segment.
   */
  append(line: string): Promise<string>
  /** Removes a segment. One that cannot be removed stays. */
  drop(name: string): Promise<void>
}

interface Waiting {
  readonly line: string
  readonly resolve: (name: string) => void
  readonly reject: (error: SsmError) => void
}

interface Current {
  readonly name: string
  readonly day: string
  readonly fd: number
}

export function dayOf(time: number): string {
  // Beyond the year 9999 a clock is broken, and the name must keep its form.
  const within = Math.min(Math.max(time, 0), Date.UTC(9999, 11, 31))
  return new Date(within).toISOString().slice(0, 10)
}

/** ms since the epoch at which the day of a segment is over. */
export function endOf(name: string): number {
  return Date.parse(name.slice(0, 10)) + DAY
}

export function createSegments(options: SegmentsOptions): Segments {
  const { folder, disk, sync, clock, onUnusable } = options
  let current: Current | undefined
  /** The last write may have ended in the middle of a line. */
  let torn = true
  let waiting: Waiting[] = []
  let running = false

  function close(): void {
    const { fd } = current ?? {}
    current = undefined
    torn = true
    if (fd === undefined) return
    try {
      disk.close(fd)
    } catch {
      // It was given up already, and what it was to hold is reported where it was written.
    }
  }

  /** Opens the segment of the day, or the next one of that day when somebody put something unusable there. */
  async function open(): Promise<Current> {
    const day = dayOf(clock.now())
    // Somebody may have removed it under us.
    if (current?.day === day && disk.fstat(current.fd).nlink > 0) return current
    close()
    for (let copy = 0; ; copy += 1) {
      const name = copy === 0 ? day : `${day}.${copy}`
      try {
        const fd = openRegular(`${folder}/${name}`)
        current = { name, day, fd }
        break
      } catch (error) {
        if (copy === 9 || !isSystem(error, 'EACCES', 'EPERM', 'EISDIR', 'ELOOP', 'ENXIO')) throw error
        onUnusable(`${folder}/${name}`, diskError(error, 'append to', `${folder}/${name}`))
      }
    }
    await Promise.all(upToSpool(folder).map((directory) => sync.sync(directory)))
    return current
  }

  function openRegular(path: string): number {
    // A FIFO would make us wait for its reader.
    const stats = disk.lstat(path)
    if (stats !== undefined && !stats.isFile()) throw Object.assign(new Error('not a regular file'), { code: 'ENXIO' })
    return disk.open(path, OPEN.append, 0o600)
  }

  async function flush(batch: readonly Waiting[]): Promise<void> {
    try {
      const { fd, name } = await open()
      const text = batch.map(({ line }) => line).join('')
      const bytes = Buffer.from(torn ? `\n${text}` : text, 'latin1')
      torn = true
      await writeAll(disk, fd, bytes)
      torn = false
      await disk.fsync(fd)
      for (const { resolve } of batch) resolve(name)
    } catch (error) {
      // After a failed fsync the kernel may have dropped the pages: a new descriptor, and everything anew.
      close()
      const told = diskError(error, 'write the journal in', folder)
      for (const { reject } of batch) reject(told)
    }
  }

  async function run(): Promise<void> {
    running = true
    // One turn of the microtask queue: those of the same tick come along.
    await Promise.resolve()
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await flush(batch)
    }
    running = false
  }

  async function names(): Promise<readonly string[]> {
    const found: string[] = []
    await visitDirectory(disk, folder, ({ name }) => {
      const text = name.toString('latin1')
      if (NAME.test(text)) found.push(text)
    })
    return found.sort()
  }

  async function read(name: string, visit: (line: string) => void): Promise<void> {
    const path = `${folder}/${name}`
    try {
      await readLines(disk, path, visit)
    } catch (error) {
      if (isSystem(error, 'ENOENT')) return
      onUnusable(path, isSsmError(error) ? error : diskError(error, 'read', path))
    }
  }

  return {
    names,
    read,
    async search(text) {
      let found: string | undefined
      for (const name of [...(await names())].reverse()) {
        await read(name, (line) => {
          if (line.includes(text)) found = line
        })
        if (found !== undefined) break
      }
      return found
    },
    append: (line) =>
      new Promise((resolve, reject) => {
        waiting.push({ line, resolve, reject })
        if (!running) void run()
      }),
    async drop(name) {
      if (name === current?.name) return
      try {
        if (lookAt(disk, `${folder}/${name}`)?.isFile() === true) await disk.removeFile(`${folder}/${name}`)
      } catch (error) {
        onUnusable(`${folder}/${name}`, { message: messageOf(error) })
      }
    },
  }
}

/** Reads a file line by line, giving others their turn. Throws system errors, SsmError `element-damaged`. */
async function readLines(disk: Disk, path: string, visit: (line: string) => void): Promise<void> {
  const fd = disk.open(path, OPEN.read)
  try {
    if (!disk.fstat(fd).isFile()) throw new SsmError('element-damaged', `${path} is not a regular file: not read`)
    const buffer = Buffer.allocUnsafe(CHUNK)
    let rest = ''
    for (let position = 0; ;) {
      const length = await disk.read(fd, buffer, 0, position)
      if (length === 0) break
      position += length
      const lines = (rest + buffer.toString('latin1', 0, length)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) visit(line)
      // What has no line break for so long is no line of ours: only its end can be the beginning of one.
      if (rest.length > MAX_LINE) rest = `#${rest.slice(-MAX_LINE)}`
      await nextTurn()
    }
    if (rest !== '') visit(rest)
  } finally {
    disk.close(fd)
  }
}
