/**
 * Where lines go: a file opened for appending and/or a console. Lines are collected for the rest of the tick and written
 * in one call. A write that fails (disk full) never throws and never stops the program: the lines are counted, and the
 * count is said as soon as there is room again.
 */
import { AppendFile, type WriteBytes } from './append-file.js'

/** Collected lines are written at once beyond this. */
const BATCH_BYTES = 64 * 1024

export interface Sink {
  /** One line without its end. `mark` is put before it on the console alone. */
  write(line: string, mark?: string): void
  flush(): void
  reopen(): void
  close(): void
}

export interface SinkOptions {
  /** Appended to; made when missing. */
  readonly file?: string
  /** See `AppendFileOptions`. */
  readonly onlyThere?: boolean
  /** Receives whole lines, each with its line end; several at a time. */
  readonly console?: (text: string) => void
  /** Makes a line of our own about the log itself. */
  readonly complain: (text: string) => string
  /** Monotonic, ms. */
  readonly monotonic: () => number
  /** How bytes get into the file; tests put a disk that fails here. */
  readonly write?: WriteBytes
}

/** Throws SsmError `configuration` when the file cannot be opened. */
export function createSink(options: SinkOptions): Sink {
  const { console: show, file: path, onlyThere = false, complain, monotonic, write } = options
  const file =
    path === undefined
      ? undefined
      : new AppendFile({ path, onlyThere, complain, monotonic, ...(write === undefined ? {} : { write }) })
  let pending = ''
  let shown = ''
  let timer: NodeJS.Immediate | undefined

  const flush = (): void => {
    if (timer !== undefined) clearImmediate(timer)
    timer = undefined
    if (shown !== '') show?.(shown)
    shown = ''
    if (pending === '') return
    const text = pending
    pending = ''
    file?.append(text)
  }
  return {
    write(line, mark = '') {
      if (file !== undefined) pending += `${line}\n`
      if (show !== undefined) shown += `${mark}${line}\n`
      if (pending.length + shown.length > BATCH_BYTES) flush()
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
