/**
 * Child processes of the demonstration: every one has a time-out and is ended with it, and what it said is kept.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { SsmError } from '../errors.js'
import { systemClock } from '../os/clock.js'
import type { CtlProgram } from './ssmctl-process.js'

const READY_MS = 30_000
const END_MS = 25_000
/** Of what a child says, the last bytes. */
const KEPT = 16 * 1024

export interface Running {
  /** Resolves with the exit code, or null after a signal. */
  readonly ended: Promise<number | null>
  said(): string
  /** SIGTERM, and SIGKILL when that does not help. */
  end(): Promise<void>
}

export function start(program: CtlProgram, name: 'ssmsend' | 'ssmreceive', args: readonly string[]): Running {
  const script = join(import.meta.dirname, '..', 'bin', `${name}.js`)
  const child = spawn(program.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: program.env })
  let said = ''
  const keep = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-KEPT)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const ended = endOf(child, name)
  // Whoever waits for it hears of a failure; nobody may be waiting.
  ended.catch(() => undefined)
  return { ended, said: () => said, end: () => endChild(child, ended) }
}

async function endOf(child: ChildProcess, name: string): Promise<number | null> {
  try {
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  } catch (cause) {
    throw new SsmError('internal', `${name} could not be started`, { cause })
  }
}

async function endChild(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  if (!(await within(END_MS, ended))) {
    child.kill('SIGKILL')
    await within(END_MS, ended)
  }
}

/** Did it settle in this time? */
async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const timeOut = new AbortController()
  const late = systemClock.sleep(ms, timeOut.signal).then(
    () => false,
    () => false,
  )
  const done = promise.then(
    () => true,
    () => true,
  )
  const result = await Promise.race([done, late])
  timeOut.abort()
  return result
}

/** Runs to its end. Throws SsmError when that takes longer than `ms`. */
export async function runToEnd(running: Running, what: string, ms: number, signal: AbortSignal): Promise<number> {
  const stop = (): void => void running.end()
  signal.addEventListener('abort', stop, { once: true })
  try {
    if (!(await within(ms, running.ended))) {
      throw new SsmError('internal', `${what} did not end in ${ms / 1000} s. It said:\n${running.said()}`)
    }
    return (await running.ended) ?? 1
  } finally {
    signal.removeEventListener('abort', stop)
    await running.end()
  }
}

/** Resolves when something listens there. Throws SsmError when `running` ends instead, or after 30 s. */
export async function waitForPort(port: number, running: Running, signal: AbortSignal): Promise<void> {
  let exit: number | null | undefined
  void running.ended.then((code) => {
    exit = code
  })
  for (const start = systemClock.monotonic(); systemClock.monotonic() - start < READY_MS;) {
    if (exit !== undefined) break
    if (await answers(port)) return
    await systemClock.sleep(50, signal)
  }
  throw new SsmError('internal', `the receiver did not come up (exit ${exit ?? 'none'}). It said:\n${running.said()}`)
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false // refused: not yet there
  } finally {
    socket.destroy()
  }
}

/** A port of the loopback that nobody used a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('internal error: a TCP server without a port')
  return address.port
}
