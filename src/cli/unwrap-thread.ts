/**
 * Private operations of RSA in a thread of their own. Node has no asynchronous form of them, and 0.2 to 0.3 ms a message on the
 * main thread were two fifths of what it did for an encrypted message.
 *
 * The thread is a convenience and nothing rests on it: what it does not answer (it died, it threw, it is silent) is done here, as
 * without it. It starts when there are several messages at once, so a receiver without encrypted ones does not have it.
 */
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { asBuffer } from '../crypto/der.js'
import { unwrapHere, type Unwrap, type WrappedKey } from '../crypto/key-transport.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import { UNWRAP_PROTOCOL, type UnwrapAnswer, type UnwrapBatch } from './unwrap-server.js'

export interface UnwrapThread extends AsyncDisposable {
  readonly unwrap: (...asked: Parameters<Unwrap>) => Promise<Buffer>
  [Symbol.asyncDispose](): Promise<void>
}

export interface UnwrapThreadOptions {
  readonly log: Logger
  /** The program of the thread. Default: ours, in dist and in the bundle beside the programs. */
  readonly program?: URL | string
  /** How long a batch may take, ms. */
  readonly patience?: number
  /** Without a thread after one that ended by itself, ms. */
  readonly pause?: number
}

/** Messages of a batch: 2 to 3 ms of work, and what it costs to hand it over is shared by so many. */
const BATCH = 8
/** Batches with the thread: one that it works on, one that waits for it. */
const AHEAD = 2
/** So many at once, and the thread is worth its 6 MB and 35 ms. */
const WORTH_IT = 2
const PATIENCE = 10_000
/** A thread that cannot be ended holds up the end of the program no longer, ms. */
const LAST_WAIT = 2000
const PAUSE = 60_000

/** MB of V8's heap: the thread has next to nothing there, and takes 16 MB without limits. */
const ROOM = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 24 }

interface Job {
  readonly key: KeyObject
  readonly what: WrappedKey
  readonly resolve: (contentKey: Buffer) => void
  readonly reject: (error: unknown) => void
}

export function createUnwrapThread(options: UnwrapThreadOptions): UnwrapThread {
  const thread = new Thread(options)
  return { unwrap: (key, what) => thread.ask(key, what), [Symbol.asyncDispose]: () => thread.end() }
}

class Thread {
  readonly #log: Logger
  readonly #program: URL | string
  readonly #patience: number
  readonly #pause: number
  #worker: Worker | undefined
  /** Not handed over yet. */
  #waiting: Job[] = []
  /** With the thread, the oldest first. */
  readonly #sent = new Map<number, readonly Job[]>()
  #number = 0
  #planned = false
  #timer: NodeJS.Timeout | undefined
  /** No thread before this. */
  #notBefore = 0
  #ended = false

  constructor({ log, program, patience = PATIENCE, pause = PAUSE }: UnwrapThreadOptions) {
    this.#log = log
    this.#program = program ?? join(import.meta.dirname, '../bin/unwrap-thread.js')
    this.#patience = patience
    this.#pause = pause
  }

  ask(key: KeyObject, what: WrappedKey): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, what, resolve, reject })
      if (this.#planned) return
      this.#planned = true
      // What came with the same read of the socket goes along.
      setImmediate(() => {
        this.#planned = false
        this.#handOver()
      })
    })
  }

  async end(): Promise<void> {
    this.#ended = true
    const worker = this.#worker
    this.#giveUp()
    if (worker === undefined) return
    const late = AbortSignal.timeout(LAST_WAIT)
    await Promise.race([
      worker.terminate(),
      new Promise((resolve) => {
        late.addEventListener('abort', resolve)
      }),
    ])
    worker.unref()
  }

  #handOver(): void {
    const worker = this.#worker ?? this.#start()
    if (worker === undefined) {
      for (const job of this.#waiting.splice(0)) doHere(job)
      return
    }
    try {
      while (this.#waiting.length > 0 && this.#sent.size < AHEAD) this.#post(worker, this.#nextBatch())
      this.#watch(worker)
    } catch (error) {
      this.#lost(messageOf(error), worker)
    }
  }

  /** Undefined when there is none for now. */
  #start(): Worker | undefined {
    if (this.#ended || this.#waiting.length < WORTH_IT || systemClock.monotonic() < this.#notBefore) return undefined
    try {
      const worker = new Worker(this.#program, { resourceLimits: ROOM, env: {}, execArgv: [] })
      worker.on('message', (answer: unknown) => {
        if (this.#worker !== worker) return
        if (this.#settle(answer)) this.#handOver()
        else this.#lost('its answer is none', worker)
      })
      const gone = (error: unknown): void => {
        this.#lost(messageOf(error), worker)
      }
      worker.on('error', gone)
      worker.on('messageerror', gone)
      worker.on('exit', (code) => {
        this.#lost(`it ended with code ${code}`, worker)
      })
      this.#log.debug('Private keys are used in a thread of their own.')
      this.#worker = worker
      return worker
    } catch (error) {
      this.#say(messageOf(error))
      return undefined
    }
  }

  /** As many as have the key of the first. */
  #nextBatch(): Job[] {
    const key = this.#waiting[0]?.key
    const other = this.#waiting.findIndex((job) => job.key !== key)
    return this.#waiting.splice(0, Math.min(BATCH, other === -1 ? BATCH : other))
  }

  #post(worker: Worker, jobs: readonly Job[]): void {
    const [first] = jobs
    if (first === undefined) return
    const number = ++this.#number
    this.#sent.set(number, jobs)
    const batch: UnwrapBatch = { number, key: first.key, wrapped: jobs.map(({ what }) => apart(what)) }
    worker.postMessage(batch)
  }

  /** False for what is no answer to what was asked. */
  #settle(answer: unknown): boolean {
    const jobs = isAnswer(answer) ? this.#sent.get(answer.number) : undefined
    if (!isAnswer(answer) || jobs?.length !== answer.keys.length) return false
    this.#sent.delete(answer.number)
    clearTimeout(this.#timer)
    this.#timer = undefined
    jobs.forEach((job, at) => {
      const contentKey = answer.keys[at]
      if (contentKey instanceof Uint8Array && contentKey.length === job.what.length) job.resolve(asBuffer(contentKey))
      else doHere(job)
    })
    return true
  }

  /** While it owes an answer, the program lives and has patience; idle it keeps nobody from ending. */
  #watch(worker: Worker): void {
    if (this.#sent.size === 0) {
      worker.unref()
      return
    }
    worker.ref()
    this.#timer ??= setTimeout(() => {
      this.#lost(`it has not answered for ${this.#patience / 1000} s`, worker)
    }, this.#patience)
  }

  #lost(why: string, worker: Worker): void {
    if (this.#worker !== worker) return
    this.#say(why)
    this.#giveUp()
    worker.unref()
    void worker.terminate()
  }

  #say(why: string): void {
    this.#notBefore = systemClock.monotonic() + this.#pause
    this.#log.warning('Private keys are used in the main thread for a while, their own thread is gone: %s', why)
  }

  /** Whatever waits is done here. */
  #giveUp(): void {
    this.#worker = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    const jobs = [...this.#sent.values(), this.#waiting.splice(0)].flat()
    this.#sent.clear()
    for (const job of jobs) doHere(job)
  }
}

/** Copies: with a view all the memory that it is a part of would go along. */
function apart({ wrapped, length, oaep }: WrappedKey): WrappedKey {
  const octets = { wrapped: Uint8Array.from(wrapped), length }
  return oaep === undefined ? octets : { ...octets, oaep: { ...oaep, label: Uint8Array.from(oaep.label) } }
}

function isAnswer(answer: unknown): answer is UnwrapAnswer {
  if (typeof answer !== 'object' || answer === null || !('protocol' in answer && 'keys' in answer)) return false
  return answer.protocol === UNWRAP_PROTOCOL && Array.isArray(answer.keys)
}

function doHere({ key, what, resolve, reject }: Job): void {
  try {
    resolve(unwrapHere(key, what))
  } catch (error) {
    reject(error)
  }
}
