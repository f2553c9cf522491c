/**
 * Telling a supervisor (sd_notify(3)) that we are ready, alive, or stopping. Node has no datagram sockets of Unix, so
 * `systemd-notify` does it; the unit needs `NotifyAccess=all`, for it is another process that speaks.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { messageOf, systemCode } from '../errors.js'
import type { Logger } from '../observe/log.js'
import type { Program } from './program.js'

/** Without a supervisor every method does nothing. */
export interface Notifier extends Disposable {
  /** READY=1; from then on WATCHDOG=1 twice in each period that the supervisor asks for. */
  ready(): void
  /** STOPPING=1, once, and no more signs of life: resolves when it is said, at most 2 s later. */
  stopping(): Promise<void>
}

/** `sun_path` of unix(7) has 108 bytes, the last of which is 0. */
const LONGEST_PATH = 107
/** A word that is not delivered by then is not waited for, ms. */
const WORD_TIMEOUT = 10_000
const LAST_WORD_TIMEOUT = 2000
const NOTIFY = 'systemd-notify'

export function createNotifier(program: Program, log: Logger): Notifier {
  const { NOTIFY_SOCKET: socket } = program.env
  const trouble = socket === undefined || socket === '' ? 'none' : troubleOf(socket)
  if (trouble !== undefined) {
    if (trouble !== 'none') log.warning('The supervisor is not told anything: %s', { message: trouble })
    return { ready: nothing, stopping: () => Promise.resolve(), [Symbol.dispose]: nothing }
  }
  return new SystemdNotifier(program, log)
}

function nothing(): void {
  // There is nobody to tell.
}

function troubleOf(socket: string): string | undefined {
  const bytes = Buffer.byteLength(socket)
  if (bytes <= LONGEST_PATH) return undefined
  return `NOTIFY_SOCKET has ${bytes} bytes, and the path of a socket at most ${LONGEST_PATH}`
}

/** The period in ms; undefined: no watchdog, or not ours (sd_watchdog_enabled(3)). */
function periodOf({ env, pid }: Program): number | undefined {
  const period = Number(env.WATCHDOG_USEC) / 1000
  const isOurs = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid)
  return isOurs && Number.isFinite(period) && period > 0 ? period : undefined
}

class SystemdNotifier implements Notifier {
  readonly #program: Program
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  /** The last word, while it is under way. */
  #speaking: ChildProcess | undefined
  #lastWord: Promise<void> | undefined
  #isMissing = false
  #said = false

  constructor(program: Program, log: Logger) {
    this.#program = program
    this.#log = log
  }

  ready(): void {
    void this.#say('READY=1', WORD_TIMEOUT)
    const period = periodOf(this.#program)
    if (period === undefined) return
    // A blocked event loop gives no sign of life, which is what it is for.
    this.#timer = setInterval(() => {
      // One at a time: the supervisor may take its time to answer the one before.
      if (this.#speaking === undefined) void this.#say('WATCHDOG=1', WORD_TIMEOUT)
    }, period / 2)
    this.#timer.unref()
  }

  async stopping(): Promise<void> {
    clearInterval(this.#timer)
    await (this.#lastWord ??= this.#say('STOPPING=1', LAST_WORD_TIMEOUT))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#speaking?.kill()
  }

  #say(word: string, timeout: number): Promise<void> {
    if (this.#isMissing) return Promise.resolve()
    return new Promise((resolve) => {
      const child = spawn(NOTIFY, [word], { env: this.#program.env, stdio: 'ignore', timeout })
      this.#speaking = child
      const end = (): void => {
        if (this.#speaking === child) this.#speaking = undefined
        resolve()
      }
      child.once('error', (error) => {
        this.#fail(error)
        end()
      })
      child.once('exit', (code) => {
        if (code !== 0 && code !== null) this.#fail(new Error(`${NOTIFY} ${word} ended with ${code}`))
        end()
      })
      child.unref()
    })
  }

  /** Said once. What is not installed is not tried again. */
  #fail(error: Error): void {
    const isMissing = systemCode(error) === 'ENOENT'
    if (!this.#said) {
      const why = isMissing ? `${NOTIFY} is not installed` : messageOf(error)
      this.#log.warning('The supervisor is not told anything: %s', { message: why })
    }
    this.#said = true
    if (!isMissing) return
    this.#isMissing = true
    clearInterval(this.#timer)
  }
}
