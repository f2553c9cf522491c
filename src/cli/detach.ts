/**
 * Detaching: Node cannot fork, so the receiver starts itself once more in a session of its own, and waits until that one
 * says it is ready (configuration, key, CA directory and DNs are good; the broker may still be down).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { ERROR_KINDS, messageOf } from '../errors.js'
import type { Flags } from './flags.js'
import type { Program } from './program.js'

/** Set for the detached process, so that it does not detach again. */
const DETACHED = 'SSM_DETACHED'
/** The parent waits so long for "ready", ms. */
const READY_TIMEOUT = 30_000

/** What the child tells the parent, once. */
export interface Word {
  readonly ssm: 'ready' | 'failed'
  readonly exit: number
}

export function isDetached(program: Program): boolean {
  return program.env.SSM_DETACHED === '1'
}

/** `auto`: as the reference does, except as pid 1, under a supervisor that set NOTIFY_SOCKET, or with `--foreground`. */
export function shouldDetach(
  mode: 'auto' | 'yes' | 'no',
  flags: Pick<Flags, 'foreground' | 'daemon'>,
  program: Program,
): boolean {
  if (isDetached(program) || flags.foreground) return false
  if (flags.daemon || mode === 'yes') return true
  return mode === 'auto' && program.pid !== 1 && program.env.NOTIFY_SOCKET === undefined
}

/** Starts this program once more, detached. Resolves with the exit code for the parent. */
export async function detach(program: Program): Promise<number> {
  const child = spawn(program.execPath, [...program.execArgv, ...program.argv.slice(1)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...program.env, [DETACHED]: '1' },
  })
  const exit = await firstWord(child, program)
  if (exit !== 0) program.stdout.write('SSM failed to start.  See log file for details.\n')
  if (child.connected) child.disconnect()
  child.unref()
  return exit
}

async function firstWord(child: ChildProcess, program: Program): Promise<number> {
  return await new Promise<number>((resolve) => {
    const timer = setTimeout(() => {
      program.stderr.write(
        `The receiver (pid ${child.pid ?? '?'}) has not said in 30 s that it is ready. See log file for details.\n`,
      )
      resolve(0)
    }, READY_TIMEOUT)
    const settle = (exit: number): void => {
      clearTimeout(timer)
      resolve(exit)
    }
    child.once('message', (word: Word) => {
      settle(word.exit)
    })
    child.once('exit', (code) => {
      settle(code ?? ERROR_KINDS.configuration.exit)
    })
    child.once('error', (error) => {
      program.stderr.write(`The receiver could not be started: ${messageOf(error)}\n`)
      settle(ERROR_KINDS.configuration.exit)
    })
  })
}

/** The detached process tells its parent how it stands; without a parent it does nothing. */
export function tellParent(program: Program, word: Word): void {
  if (!isDetached(program) || program.send === undefined || !program.connected) return
  program.send(word, undefined, undefined, () => {
    if (program.connected) program.disconnect()
  })
}
