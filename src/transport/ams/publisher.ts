/**
 * Sending: a window of requests in flight, each with one message unless `batch` says otherwise. A batch that fails is sent
 * again one message at a time: nobody knows which of them were taken.
 */
import { setMaxListeners } from 'node:events'
import { SsmError } from '../../errors.js'
import type { MessageId, Sealed } from '../../message.js'
import type { Publisher, Receipt, TransportDeps } from '../port.js'
import { createBlame, type Blame } from './blame.js'
import type { Caller } from './call.js'
import { errorOf, isTemporary, type Answer, type Refusal } from './refusals.js'
import { tryAgain, type RetryLimits } from './retry.js'
import { publish, type Outbound } from './routes.js'
import type { AmsSettings } from './settings.js'
import { assertSize, attributeOf, DEFAULT_BROKER_LIMIT, storedSize } from './size.js'

/** About as long as a balancer takes to restart. What lasts longer is the pipeline's to wait for. */
const RETRY: RetryLimits = { tries: 20, ms: 20_000, backendTries: 4 }

interface Waiting {
  readonly message: Outgoing
  /**
   * Ends its request: the caller aborts, or the publisher is closed. Its own: `AbortSignal.any` over a signal that lives as
   * long as the program would keep a trace of each message (Node 20).
   */
  readonly stop: AbortController
  resolve(receipt: Receipt): void
  reject(error: unknown): void
}

interface Outgoing {
  readonly id: MessageId
  readonly body: Sealed
}

export class AmsPublisher implements Publisher {
  readonly #deps: TransportDeps
  readonly #settings: AmsSettings
  readonly #caller: Caller
  readonly #topic: string
  readonly #blame: Blame = createBlame()
  readonly #flying = new Set<Waiting>()
  #queue: Waiting[] = []
  #isClosed = false
  #busy = 0
  #scheduled = false

  constructor(deps: TransportDeps, settings: AmsSettings, caller: Caller, topic: string) {
    this.#deps = deps
    this.#settings = settings
    this.#caller = caller
    this.#topic = topic
  }

  get peer(): string {
    return this.#caller.where
  }

  publish(message: Outgoing, signal: AbortSignal): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#assertPossible(message, signal)
      const abort = () => {
        this.#queue = this.#queue.filter((each) => each !== waiting)
        waiting.reject(new SsmError('aborted', `sending ${message.id} was aborted`))
        waiting.stop.abort()
      }
      const waiting: Waiting = {
        message,
        stop: new AbortController(),
        resolve: (receipt) => {
          signal.removeEventListener('abort', abort)
          resolve(receipt)
        },
        reject: (error) => {
          signal.removeEventListener('abort', abort)
          reject(error instanceof Error ? error : new SsmError('internal', String(error)))
        },
      }
      // One listener for each message in flight is no leak.
      setMaxListeners(0, signal)
      signal.addEventListener('abort', abort, { once: true })
      this.#queue.push(waiting)
      this.#schedule()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const waiting of [...this.#queue.splice(0), ...this.#flying]) {
      waiting.reject(closed())
      waiting.stop.abort()
    }
    await this.#caller[Symbol.asyncDispose]()
  }

  #assertPossible({ id, body }: Outgoing, signal: AbortSignal): void {
    if (signal.aborted) throw new SsmError('aborted', `sending ${id} was aborted`)
    if (this.#isClosed) throw closed()
    // A receiver in Python never gets past a message without data.
    if (body.length === 0) throw new SsmError('cannot-seal', 'the service carries no empty messages')
    const stored = storedSize(body.length, attributeOf(id))
    assertSize(stored, this.#settings.maxMessageSize)
    if (isLarge({ id, body })) {
      this.#deps.log.warning(
        'Message %s takes %s bytes at the service: some take at most %s.',
        id,
        stored,
        DEFAULT_BROKER_LIMIT,
      )
    }
  }

  /** After what is published in the same turn, so that a batch has a chance to fill. */
  #schedule(): void {
    if (this.#scheduled || this.#busy >= this.#settings.window.messages) return
    if (this.#settings.batch === 1) {
      this.#start()
      return
    }
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#start()
    })
  }

  #start(): void {
    const { window, batch } = this.#settings
    while (this.#busy < window.messages && this.#queue.length > 0) {
      const taken = this.#queue.splice(0, batch)
      this.#busy += 1
      for (const waiting of taken) this.#flying.add(waiting)
      void this.#carry(taken).finally(() => {
        this.#busy -= 1
        for (const waiting of taken) this.#flying.delete(waiting)
        this.#schedule()
      })
    }
  }

  /** Never rejects: each message of the batch learns for itself. */
  async #carry(batch: readonly Waiting[]): Promise<void> {
    if (batch.length > 1) {
      const answer = await this.#together(batch)
      if (answer?.ok === true) {
        batch.forEach((waiting, index) => {
          waiting.resolve(receiptOf(answer.value[index]))
        })
        return
      }
    }
    for (const waiting of batch) if (!waiting.stop.signal.aborted) await this.#alone(waiting)
  }

  async #together(batch: readonly Waiting[]): Promise<Answer<readonly string[]> | null> {
    // Those of one batch belong to one caller, who stops all of them or none.
    const { signal } = batch[0]?.stop ?? new AbortController()
    const messages = batch.map(({ message }) => outbound(message))
    try {
      return await publish(this.#caller, this.#topic, messages, signal)
    } catch {
      return null // aborted, or trouble of ours: each then learns its own
    }
  }

  async #alone(waiting: Waiting): Promise<void> {
    const { message } = waiting
    const stop = waiting.stop.signal
    try {
      const messages = [outbound(message)]
      const trial = this.#blame.trial(isLarge(message))
      const answer = await tryAgain(RETRY, this.#deps.clock, stop, async () => {
        const tried = await publish(this.#caller, this.#topic, messages, stop)
        if (tried.ok) this.#blame.passed()
        else if (tried.refusal.kind === 'backend') trial.failed()
        return tried
      })
      if (answer.ok) waiting.resolve(receiptOf(answer.value[0]))
      else if (trial.isGuilty()) waiting.reject(guilty(answer.refusal))
      else waiting.reject(errorOf(answer.refusal, isTemporary(answer.refusal.kind) ? 'connection-lost' : undefined))
    } catch (error) {
      // After an abort it has been rejected already.
      waiting.reject(error)
    }
  }
}

/** Larger than the broker behind the service takes when nobody has told it otherwise. */
function isLarge({ id, body }: Outgoing): boolean {
  return storedSize(body.length, attributeOf(id)) > DEFAULT_BROKER_LIMIT
}

function receiptOf(brokerId: string | undefined): Receipt {
  return brokerId === undefined ? {} : { brokerId }
}

function outbound({ id, body }: Outgoing): Outbound {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return { empaid: attributeOf(id), data: bytes.toString('base64') }
}

/** It is set aside, whatever becomes of the others. */
function guilty({ words }: Refusal): SsmError {
  const guess = 'it is probably too large for the broker behind the service'
  return new SsmError('cannot-seal', `the service takes others meanwhile, and this message never: ${guess}; ${words}`)
}

function closed(): SsmError {
  return new SsmError('connection-lost', 'the connection to the service was closed')
}
