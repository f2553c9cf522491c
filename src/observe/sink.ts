/**
 * Where lines go: a file opened for appending and/or a console. Lines are collected for the rest of the tick and written
 * in one call. A write that fails (disk full) never throws and never stops the program: the lines are counted, and the
 * count is said as soon as there is room again.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { SsmError, messageOf, systemCode } from '../errors.js'

/** Collected lines are written at once beyond this; a file that takes nothing (EAGAIN) may hold back this many. */
const BATCH_BYTES = 64 * 1024
const BACKLOG_BYTES = 1024 * 1024
const RETRY_MS = 50

export interface Sink {
  /** One line without its end. */
  write(line: string): void
  flush(): void
  reopen(): void
  close(): void
}

export interface SinkOptions {
  /** Appended to; made when missing. */
  readonly file?: string
  /** Receives whole lines, each with its line end; several at a time. */
  readonly console?: (text: string) => void
  /** Makes a line of our own about the log itself. */
  readonly complain: (text: string) => string
  /** How bytes get into the file; tests put a disk that fails here. */
  readonly write?: WriteBytes
}

/** As `fs.writeSync`: returns how many bytes were taken, or throws. */
export type WriteBytes = (fd: number, bytes: Buffer, from: number, length: number) => number

/** Throws SsmError `configuration` when the file cannot be opened. */
export function createSink(options: SinkOptions): Sink {
  const file =
    options.file === undefined ? undefined : new AppendFile(options.file, options.complain, options.write ?? writeSync)
  let pending = ''
  let timer: NodeJS.Immediate | undefined

  const flush = (): void => {
    if (timer !== undefined) clearImmediate(timer)
    timer = undefined
    if (pending === '') return
    const text = pending
    pending = ''
    options.console?.(text)
    file?.append(text)
  }
  return {
    write(line) {
      pending += `${line}\n`
      if (pending.length > BATCH_BYTES) flush()
      else timer ??= setImmediate(flush)
    },
    flush,
    reopen() {
      flush()
      file?.reopen()
    },
    close() {
      flush()
      file?.close()
    },
  }
}

class AppendFile {
  private fd: number | undefined
  private readonly path: string
  private readonly writeBytes: WriteBytes
  private readonly complain: (text: string) => string
  private backlog: Buffer = Buffer.alloc(0)
  private retry: NodeJS.Timeout | undefined
  private lost = 0
  private why = ''
  private torn = false

  constructor(path: string, complain: (text: string) => string, writeBytes: WriteBytes) {
    this.path = path
    this.writeBytes = writeBytes
    this.complain = complain
    this.fd = open(path)
  }

  append(text: string): void {
    if (this.fd === undefined) return
    const note = this.lost > 0 ? `${this.complain(`${this.lost} log lines were lost: ${this.why}`)}\n` : ''
    const bytes = Buffer.from(`${this.torn ? '\n' : ''}${note}${text}`, 'utf8')
    const all = this.backlog.length === 0 ? bytes : Buffer.concat([this.backlog, bytes])
    this.backlog = Buffer.alloc(0)
    this.write(this.fd, all, note === '' ? 0 : 1)
  }

  reopen(): void {
    try {
      const fresh = open(this.path)
      if (this.fd !== undefined) closeQuietly(this.fd)
      this.fd = fresh
    } catch (error) {
      // Better the old file than none. The complaint lands in the old file.
      this.append(`${this.complain(`${messageOf(error)} Logging goes on into the old file.`)}\n`)
    }
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

const REMEDIES = new Map([
  ['ENOENT', 'create its directory'],
  ['EACCES', 'let the user of this program write there'],
  ['EISDIR', 'name a file, not a directory'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['EROFS', 'the file system is read-only'],
  ['ENXIO', 'nobody reads this named pipe'],
])

function open(path: string): number {
  try {
    return openSync(path, FLAGS, 0o644)
  } catch (cause) {
    const remedy = REMEDIES.get(systemCode(cause) ?? '') ?? messageOf(cause)
    throw new SsmError('configuration', `The log file ${path} cannot be opened: ${remedy}.`, { cause })
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // Nothing was left to write, and there is no other place to say it.
  }
}
