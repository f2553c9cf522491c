/**
 * The os room: everything that touches the machine. Durable writes, safe opens, run lock, watching, time, who we are.
 * It never decides what a file means. The `Disk` passes system errors through as they are (with their `code`); everything
 * above turns them into SsmError `disk`, `element-damaged` or `locked`.
 *
 * This file is the port through which spools do all they do, so that a test can make every step fail or die there: the
 * name of the method and the path name the step.
 *
 * What the file system does in memory is synchronous: the call costs less than handing it to the thread pool and taking
 * the answer back. Measured (Node 20, ext4, 5 000 calls, 32 in flight, CPU a call): link 14 µs against 20-34 µs asynchronous,
 * lstat 4 against 12-19, utimes 6 against 17. Beside running fsyncs (ext4 with a journal, 64 in flight) the creation of a file
 * takes 10 µs of the event loop and a write of 10 KB 4 µs, 99 of 100 below 35 µs: a receiver, which makes three files a
 * message, needs 650 µs of CPU a message like this and 730 with both on the pool.
 *
 * What waits for the medium (fsync), moves much data (read, large writes) or works on a directory that others are being
 * made in (a new directory in `temporary`: 58 µs of the event loop) is asynchronous; so is the unlink of a file's last name
 * (0.7-1.9 ms).
 */
import * as fs from 'node:fs'

/** What the system knows of a name. */
export type Stats = fs.Stats

/** Not every file name is UTF-8: paths may be bytes. */
export type DiskPath = string | Buffer

/** Open flags, by name, so that nobody opens a spool's file by following a link. */
export const OPEN = {
  /** Fails when the name exists in any form. */
  create: fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW,
  /** Does not follow a symbolic link in the last place and does not hang at a FIFO. */
  read: fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK,
  change: fs.constants.O_RDWR | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK,
  append: fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_APPEND | fs.constants.O_NOFOLLOW,
  directory: fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW,
} as const

/** A name in a directory. `kind` is what the directory itself knows; some file systems know nothing. */
export interface DirectoryEntry {
  readonly name: Buffer
  readonly kind: 'file' | 'directory' | 'other' | 'unknown'
}

/** A directory being listed. Reads 1 024 names at a time: 0.9 µs a name and flat memory, whatever its size. */
export interface DirectoryReader {
  next(): DirectoryEntry | null
  close(): void
}

/** Named file operations. Errors are node's, with `code`. Times are milliseconds since the epoch, with a fraction. */
export interface Disk {
  /** undefined: there is nothing of that name. */
  lstat(path: DiskPath): Stats | undefined
  fstat(fd: number): Stats
  /** For files that exist; new ones: `createFile`. */
  open(path: DiskPath, flags: number, mode?: number): number
  /** Creates a file that did not exist in any form and opens it for writing. */
  createFile(path: DiskPath, mode?: number): number
  createDirectory(path: DiskPath, mode?: number): Promise<void>
  /** Unlinks what is probably a file's last name. */
  removeFile(path: DiskPath): Promise<void>
  close(fd: number): void
  /** Bytes read; 0 at the end. */
  read(fd: number, buffer: Uint8Array, offset: number, position: number): Promise<number>
  /** Bytes written; may be fewer than given. */
  write(fd: number, buffer: Uint8Array, offset: number): Promise<number>
  /** Appends a short line to a file opened with `OPEN.append`. When it throws, a part of the line may be there. */
  append(fd: number, line: string): void
  fsync(fd: number): Promise<void>
  truncate(fd: number, length: number): void
  /** Sets the times of the name itself, never of what a symbolic link points to. Needs to be the owner. */
  touch(path: DiskPath, time: number): void
  link(from: DiskPath, to: DiskPath): void
  rename(from: DiskPath, to: DiskPath): void
  /** Unlinks one of several names of a file. */
  unlink(path: DiskPath): void
  mkdir(path: DiskPath, mode?: number): void
  rmdir(path: DiskPath): void
  openDirectory(path: DiskPath): DirectoryReader
  /** Bytes that we may still write to the file system of `path`. */
  free(path: DiskPath): Promise<number>
}

function entryKind(entry: fs.Dirent<Buffer>): DirectoryEntry['kind'] {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ||
    entry.isFIFO() ||
    entry.isSocket() ||
    entry.isBlockDevice() ||
    entry.isCharacterDevice()
    ? 'other'
    : 'unknown'
}

function openDirectory(path: DiskPath): DirectoryReader {
  // The types of @types/node know opendir only with string names; `encoding: 'buffer'` makes the entries hold bytes.
  const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 1024 }
  const directory = fs.opendirSync(path, options)
  return {
    next() {
      const entry = directory.readSync() as unknown as fs.Dirent<Buffer> | null
      return entry === null ? null : { name: entry.name, kind: entryKind(entry) }
    },
    close: () => {
      directory.closeSync()
    },
  }
}

/**
 * Octets that are read at once, on the main thread: from the page cache that takes 3 us, by way of the thread pool 20 to 30 us
 * of CPU in two threads. From the medium it holds up the event loop as the open and the look before it do.
 */
const SMALL_READ = 64 * 1024

function read(fd: number, buffer: Uint8Array, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    if (buffer.length - offset <= SMALL_READ) {
      resolve(fs.readSync(fd, buffer, offset, buffer.length - offset, position))
      return
    }
    fs.read(fd, buffer, offset, buffer.length - offset, position, (error, bytes) => {
      if (error === null) resolve(bytes)
      else reject(error)
    })
  })
}

/** Up to so many octets a copy into the page cache takes less than the way to the thread pool and back. */
const SMALL_WRITE = 64 * 1024

function write(fd: number, buffer: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const length = buffer.length - offset
    // What is thrown here rejects.
    if (length <= SMALL_WRITE) {
      resolve(fs.writeSync(fd, buffer, offset, length))
      return
    }
    fs.write(fd, buffer, offset, length, null, (error, bytes) => {
      if (error === null) resolve(bytes)
      else reject(error)
    })
  })
}

/** A call of Node's that answers nothing. */
function done(call: (settle: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => {
      if (error === null) resolve()
      else reject(error)
    })
  })
}

function fsync(fd: number): Promise<void> {
  return done((settle) => {
    fs.fsync(fd, settle)
  })
}

function createDirectory(path: DiskPath, mode = 0o777): Promise<void> {
  return done((settle) => {
    fs.mkdir(path, { mode }, settle)
  })
}

function removeFile(path: DiskPath): Promise<void> {
  return done((settle) => {
    fs.unlink(path, settle)
  })
}

function free(path: DiskPath): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.statfs(path, (error, stats) => {
      if (error === null) resolve(stats.bavail * stats.bsize)
      else reject(error)
    })
  })
}

/** The machine's own disk. */
export function createDisk(): Disk {
  return {
    lstat: (path) => fs.lstatSync(path, { throwIfNoEntry: false }),
    fstat: (fd) => fs.fstatSync(fd),
    open: (path, flags, mode = 0o666) => fs.openSync(path, flags, mode),
    createFile: (path, mode = 0o666) => fs.openSync(path, OPEN.create, mode),
    createDirectory,
    removeFile,
    close: (fd) => {
      fs.closeSync(fd)
    },
    read,
    write,
    append: (fd, line) => {
      const bytes = Buffer.from(line)
      for (let at = 0; at < bytes.length;) {
        const written = fs.writeSync(fd, bytes, at)
        if (written === 0) throw Object.assign(new Error('the system wrote nothing'), { code: 'ENOSPC' })
        at += written
      }
    },
    fsync,
    truncate: (fd, length) => {
      fs.ftruncateSync(fd, length)
    },
    touch: (path, time) => {
      fs.lutimesSync(path, time / 1000, time / 1000)
    },
    link: (from, to) => {
      fs.linkSync(from, to)
    },
    rename: (from, to) => {
      fs.renameSync(from, to)
    },
    unlink: (path) => {
      fs.unlinkSync(path)
    },
    mkdir: (path, mode = 0o777) => {
      fs.mkdirSync(path, { mode })
    },
    rmdir: (path) => {
      fs.rmdirSync(path)
    },
    openDirectory,
    free,
  }
}
