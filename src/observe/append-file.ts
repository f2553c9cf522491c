/**
 * The file of a log, opened for appending. It is the one of that name: when somebody renames it (logrotate), a new one is
 * opened within a second. A write that fails is counted, and the count is said as soon as there is room again.
 */
import { closeSync, constants, fstatSync, openSync, statSync, writeSync, type Stats } from 'node:fs'
import { SsmError, messageOf, systemCode } from '../errors.js'

/** A file that takes nothing (EAGAIN) may hold back so many bytes. */
const BACKLOG_BYTES = 1024 * 1024
const RETRY_MS = 50
/** Is it still the file of that name? Looked at so often, before a write, ms. A look takes some microseconds. */
const LOOK_MS = 1000
/**
 * A name that leads nowhere may be a rotation under way: logrotate renames, then makes the new file itself, and moves one
 * that is there already out of the way.
 */
const ABSENT_MS = 5000

/** As `fs.writeSync`: returns how many bytes were taken, or throws. */
export type WriteBytes = (fd: number, bytes: Buffer, from: number, length: number) => number

export interface AppendFileOptions {
  readonly path: string
  /** At first it must be there and be no link, for a caller with more rights than whoever owns its directory. */
  readonly onlyThere?: boolean
  /** Makes a line of our own about the log itself. */
  readonly complain: (text: string) => string
  /** Monotonic, ms. */
  readonly monotonic: () => number
  readonly write?: WriteBytes
}

export class AppendFile {
  private fd: number | undefined
  private readonly path: string
  private readonly writeBytes: WriteBytes
  private readonly complain: (text: string) => string
  private backlog: Buffer = Buffer.alloc(0)
  private retry: NodeJS.Timeout | undefined
  private lost = 0
  private why = ''
  private torn = false
  private readonly monotonic: () => number
  private looked: number
  /** Since when there has been no file of that name. */
  private absent: number | undefined
  /** What opening it again met, said once. */
  private trouble = ''

  /** Throws SsmError `configuration` when it cannot be opened. */
  constructor({ path, onlyThere = false, complain, monotonic, write = writeSync }: AppendFileOptions) {
    this.path = path
    this.writeBytes = write
    this.complain = complain
    this.monotonic = monotonic
    this.fd = open(path, onlyThere ? THERE : FLAGS)
    this.looked = monotonic()
  }

  append(text: string): void {
    if (this.fd === undefined) return
    this.follow(this.fd)
    const note = this.lost > 0 ? `${this.complain(`${this.lost} log lines were lost: ${this.why}`)}\n` : ''
    const bytes = Buffer.from(`${this.torn ? '\n' : ''}${note}${text}`, 'utf8')
    const all = this.backlog.length === 0 ? bytes : Buffer.concat([this.backlog, bytes])
    this.backlog = Buffer.alloc(0)
    this.write(this.fd, all, note === '' ? 0 : 1)
  }

  reopen(): void {
    this.trouble = ''
    this.openAgain()
  }

  private openAgain(): void {
    this.looked = this.monotonic()
    this.absent = undefined
    try {
      const fresh = open(this.path)
      if (this.fd !== undefined) closeQuietly(this.fd)
      this.fd = fresh
      this.trouble = ''
    } catch (error) {
      const trouble = messageOf(error)
      if (trouble === this.trouble) return
      this.trouble = trouble
      // Better the old file than none. The complaint lands in the old file.
      this.append(`${this.complain(`${trouble} Logging goes on into the old file.`)}\n`)
    }
  }

  /** Opens it again when the name leads to another file. */
  private follow(fd: number): void {
    const now = this.monotonic()
    if (now - this.looked < LOOK_MS) return
    this.looked = now
    const there = found(() => statSync(this.path))
    if (there === undefined) {
      this.absent ??= now
      if (now - this.absent >= ABSENT_MS) this.openAgain()
      return
    }
    this.absent = undefined
    const own = found(() => fstatSync(fd))
    if (own?.ino !== there.ino || own.dev !== there.dev) this.openAgain()
  }

  close(): void {
    if (this.backlog.length > 0) this.append('')
    if (this.retry !== undefined) clearTimeout(this.retry)
    if (this.fd !== undefined) closeQuietly(this.fd)
    this.fd = undefined
  }

  private write(fd: number, bytes: Buffer, notes: number): void {
    let done = 0
    try {
      while (done < bytes.length) done += this.writeBytes(fd, bytes, done, bytes.length - done)
      this.torn = false
      if (notes > 0) this.lost = 0
    } catch (error) {
      const rest = bytes.subarray(done)
      if (systemCode(error) === 'EAGAIN' && rest.length <= BACKLOG_BYTES) this.later(rest)
      else this.lose(rest, done > 0, notes, error)
    }
  }

  /** A pipe or terminal whose reader is slow: what is left goes first next time. */
  private later(rest: Buffer): void {
    this.backlog = rest
    this.retry ??= setTimeout(() => {
      this.retry = undefined
      this.append('')
    }, RETRY_MS)
    this.retry.unref()
  }

  private lose(rest: Buffer, begun: boolean, notes: number, error: unknown): void {
    let lines = 0
    for (let at = rest.indexOf(10); at !== -1; at = rest.indexOf(10, at + 1)) lines++
    this.lost += begun ? lines : Math.max(0, lines - notes)
    this.torn ||= begun
    this.why = messageOf(error)
  }
}

// O_NONBLOCK: opening a named pipe that nobody reads fails instead of waiting for ever. Files do not mind.
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY
const THERE = (FLAGS & ~constants.O_CREAT) | constants.O_NOFOLLOW

const REMEDIES = new Map([
  ['ENOENT', 'create its directory'],
  ['EACCES', 'let the user of this program write there'],
  ['EISDIR', 'name a file, not a directory'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['EROFS', 'the file system is read-only'],
  ['ENXIO', 'nobody reads this named pipe'],
  ['ELOOP', 'it is a symbolic link to what the owner of its directory may not write'],
])

function open(path: string, flags = FLAGS): number {
  try {
    return openSync(path, flags, 0o644)
  } catch (cause) {
    const remedy = REMEDIES.get(systemCode(cause) ?? '') ?? messageOf(cause)
    throw new SsmError('configuration', `The log file ${path} cannot be opened: ${remedy}.`, { cause })
  }
}

function found(look: () => Stats): Stats | undefined {
  try {
    return look()
  } catch {
    return undefined // whatever it is: that nothing can be found there is what counts
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // Nothing was left to write, and there is no other place to say it.
  }
}
