/**
 * The status socket of a program that stays: JSON lines, one request a connection. Whoever may open it is the program's own
 * user and group; all the same every request has limits, and nothing that happens here reaches the messages.
 */
import { lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { SsmError, isSsmError, messageOf, systemCode } from '../../errors.js'
import type { Logger } from '../../observe/log.js'
import { PRINTABLE_LIMITS, printable } from '../../observe/printable.js'
import { createDisk } from '../../os/disk.js'
import { parseJsonObject } from '../../os/json-object.js'
import { effectiveUser } from '../../os/process-identity.js'
import { openPrivateDirectory } from '../../spool/own-directory.js'
import type { Program } from '../program.js'
import { LONGEST_SOCKET_PATH, type Answer, type Request, type Verbs } from './verbs.js'

/** At once; what comes beyond is closed. */
const MAX_CONNECTIONS = 16
const MAX_REQUEST = 64 * 1024
const MAX_ANSWER = 4 * 1024 * 1024
/** To send the request, and to take the answer, ms. */
const TALK_MS = 5000
/** To make the answer, ms. */
const WORK_MS = 60_000
/** Whether somebody listens at what lies there is known at once, ms. */
const PROBE_MS = 1000

export interface SocketOptions {
  readonly path: string
  readonly verbs: Verbs
  readonly program: Pick<Program, 'umask'>
  readonly log: Logger
  /** Others than the defaults; for tests. */
  readonly talkMs?: number
}

/** Listens until it is disposed. Where it cannot, that is said, and there is no socket: messages go on all the same. */
export async function openStatusSocket(options: SocketOptions): Promise<AsyncDisposable> {
  try {
    return await open(options)
  } catch (error) {
    options.log.info('There is no status socket: %s', { message: messageOf(error) })
    return { [Symbol.asyncDispose]: () => Promise.resolve() }
  }
}

async function open(options: SocketOptions): Promise<AsyncDisposable> {
  const { path, program } = options
  const bytes = Buffer.byteLength(path)
  if (bytes > LONGEST_SOCKET_PATH) {
    const words = `${path} has ${bytes} bytes, and the path of a socket at most ${LONGEST_SOCKET_PATH}: set [daemon] status_socket`
    throw new SsmError('configuration', words)
  }
  openPrivateDirectory(createDisk(), dirname(path))
  await clearAway(path)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    serve(socket, options)
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, path, program)
  // What goes wrong with accepting (too many open files) is the trouble of whoever asks.
  server.on('error', () => undefined)
  server.unref()
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** The socket is made by this very call, so that the mask holds for nothing else. */
async function listen(server: Server, path: string, program: SocketOptions['program']): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    const before = program.umask(0o117)
    try {
      server.listen(path)
    } finally {
      program.umask(before)
    }
  })
}

/** A socket that a killed run of ours left is removed; anything else stays, and is the reason why there is none. */
async function clearAway(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return
  const user = effectiveUser()
  if (!stats.isSocket()) throw new SsmError('configuration', `${path} is no socket: look who made it, then remove it`)
  if (user !== undefined && stats.uid !== user) {
    throw new SsmError('configuration', `${path} belongs to user ${stats.uid}, we are user ${user}: remove it`)
  }
  if (await isHeard(path)) throw new SsmError('locked', `another process listens at ${path}`)
  unlinkSync(path)
}

/** In doubt yes. */
function isHeard(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const end = (heard: boolean): void => {
      socket.destroy()
      resolve(heard)
    }
    socket.setTimeout(PROBE_MS, () => {
      end(true)
    })
    socket.once('connect', () => {
      end(true)
    })
    socket.once('error', (error) => {
      end(systemCode(error) !== 'ECONNREFUSED')
    })
  })
}

function serve(socket: Socket, { verbs, talkMs = TALK_MS }: SocketOptions): void {
  const gone = new AbortController()
  const chunks: Buffer[] = []
  let length = 0
  let isAsked = false
  // For the whole request, not between two bytes of it.
  let late = setTimeout(() => socket.destroy(), talkMs)
  const take = (line: Buffer): void => {
    isAsked = true
    clearTimeout(late)
    void answered(line, verbs, AbortSignal.any([gone.signal, AbortSignal.timeout(WORK_MS)])).then((answer) => {
      if (socket.destroyed) return
      late = setTimeout(() => socket.destroy(), talkMs)
      socket.end(`${textOf(answer)}\n`)
    })
  }
  socket.on('error', () => undefined)
  socket.once('close', () => {
    clearTimeout(late)
    gone.abort()
  })
  socket.on('data', (chunk: Buffer) => {
    // Read on and forgotten: an end that is not read would not be seen.
    if (isAsked) return
    length += chunk.length
    chunks.push(chunk)
    if (length > MAX_REQUEST) take(Buffer.alloc(0))
    else if (chunk.includes(0x0a)) take(Buffer.concat(chunks))
  })
}

async function answered(line: Buffer, verbs: Verbs, signal: AbortSignal): Promise<Answer> {
  const request: Request | undefined = parseJsonObject(line.toString('utf8', 0, line.indexOf(0x0a)))
  if (request === undefined) {
    return { ok: false, error: `write one JSON object with "verb", and a line end, in at most ${MAX_REQUEST} bytes` }
  }
  const { verb } = request
  const run = typeof verb === 'string' && Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
  if (run === undefined) return { ok: false, error: `there are these verbs: ${Object.keys(verbs).join(', ')}` }
  try {
    return { ok: true, answer: await orAborted(run(request, signal), signal) }
  } catch (error) {
    const words = isSsmError(error) ? error.message : `internal error: ${messageOf(error)}`
    return { ok: false, error: printable(words, PRINTABLE_LIMITS.sentence) }
  }
}

/** A verb that does not look at the signal must not keep whoever asks for ever. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    signal.addEventListener(
      'abort',
      () => {
        reject(new SsmError('aborted', 'not done in time: look into the log, and ask again'))
      },
      { once: true },
    )
    work.then(resolve, reject)
  })
}

function textOf(answer: Answer): string {
  const text = JSON.stringify(answer)
  if (text.length <= MAX_ANSWER) return text
  return JSON.stringify({ ok: false, error: `the answer is longer than ${MAX_ANSWER} characters` } satisfies Answer)
}
