/**
 * What `ssmctl` uses of the process, and how it reads and writes: whole inputs with a limit, outputs that may be the
 * beginning of a pipe whose end has gone.
 */
import { readSmallFile } from '../os/small-file.js'
import { SsmError, messageOf, systemCode } from '../errors.js'
import { printable } from '../observe/printable.js'
import type { Program } from './program.js'

/** The process as an argument. */
export type CtlProgram = Program & Pick<NodeJS.Process, 'cwd' | 'stdin'>

/** As for a message: what is larger is not for this tool. */
export const INPUT_LIMIT = 256 * 1024 * 1024

/** The reader of our output has gone (`ssmctl … | head`). As when a program dies of SIGPIPE: quiet. */
export class OutputClosed extends Error {
  static readonly exit = 128 + 13
}

export interface Output {
  /** Resolves when the bytes are handed over. Throws `OutputClosed`, or SsmError `disk`. */
  write(data: string | Uint8Array): Promise<void>
}

export function createOutput(stream: NodeJS.WriteStream): Output {
  let failed: Error | undefined
  // Without a listener, an error that comes later would end the process with a stack trace.
  stream.on('error', (error) => {
    failed ??= error
  })
  return {
    async write(data) {
      const error = failed ?? (await handedOver(stream, data))
      if (error === undefined) return
      if (systemCode(error) === 'EPIPE' || systemCode(error) === 'ERR_STREAM_DESTROYED') throw new OutputClosed()
      throw new SsmError('disk', `cannot write the output: ${messageOf(error)}`, { cause: error })
    },
  }
}

function handedOver(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<Error | undefined> {
  return new Promise((resolve) => {
    stream.write(data, (error) => {
      resolve(error ?? undefined)
    })
  })
}

/** All of a stream. Throws SsmError `limit`. */
export async function readAll(stream: NodeJS.ReadableStream, limit = INPUT_LIMIT): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > limit) throw new SsmError('limit', `the input is larger than ${limit} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks, length)
}

/** A file named on the command line; `what` says what it should be. Throws SsmError `configuration`. */
export function readNamed(path: string, what: string, limit = 1024 * 1024): Buffer {
  return readSmallFile(path, limit, `There is no ${what} ${printable(path)}.`).bytes
}

/** What a group of verbs is given. */
export interface Ctl {
  readonly program: CtlProgram
  readonly out: Output
  readonly err: Output
  /** Makes an action of a function that returns an exit code. */
  action<Args extends unknown[]>(run: (...args: Args) => number | Promise<number>): (...args: Args) => Promise<void>
}
