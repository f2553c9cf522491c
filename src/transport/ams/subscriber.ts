/**
 * Receiving: pull, hand out, wait until all is stored, acknowledge once, begin again. The server keeps one state for a
 * subscription, so there is never more than one pull under way.
 */
import { SsmError } from '../../errors.js'
import type { Delivery, Subscriber, TransportDeps } from '../port.js'
import { createBatch, type Batch } from './batch.js'
import { deliveryBody, empaidOf, roughSize } from './delivery.js'
import type { Memory } from './memory.js'
import { createPolling, type Polling } from './polling.js'
import type { Pulled } from './routes.js'
import { CLOSE_MS, type AmsSettings } from './settings.js'
import type { Source } from './source.js'

interface Waiter {
  resolve(delivery: Delivery | null): void
  reject(error: Error): void
}

interface Waiting {
  readonly message: Pulled
  readonly batch: Batch
}

export class AmsSubscriber implements Subscriber {
  readonly #deps: TransportDeps
  readonly #settings: AmsSettings
  readonly #source: Source
  readonly #memory: Memory
  readonly #signal: AbortSignal
  readonly #polling: Polling
  /** Fires when nothing new is wanted: the caller's signal, the end of the connection, or dispose. */
  readonly #ending = new AbortController()
  #queue: Waiting[] = []
  #waiters: Waiter[] = []
  #out = 0
  #outBytes = 0
  #batch: Batch | null = null
  #reason: Error | null = null
  #running: Promise<void> | undefined

  constructor(deps: TransportDeps, settings: AmsSettings, source: Source, memory: Memory, signal: AbortSignal) {
    this.#deps = deps
    this.#settings = settings
    this.#source = source
    this.#memory = memory
    this.#signal = signal
    this.#polling = createPolling(settings.pulling.pollMax)
    if (signal.aborted) this.#end(null)
    else signal.addEventListener('abort', this.#stop, { once: true })
  }

  get peer(): string {
    return this.#source.where
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Delivery, void, undefined> {
    this.#running ??= this.#run()
    for (;;) {
      const delivery = await new Promise<Delivery | null>((resolve, reject) => {
        this.#waiters.push({ resolve, reject })
        this.#serve()
      })
      if (delivery === null) return
      yield delivery
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(null)
    // Whoever closes a subscriber waits no more for what is still out.
    this.#batch?.abandon()
    this.#signal.removeEventListener('abort', this.#stop)
    await this.#running
    await this.#source[Symbol.asyncDispose]()
  }

  readonly #stop = (): void => {
    this.#end(null)
  }

  /** Nothing more is handed out. What is out can still be stored, and is acknowledged. */
  #end(reason: Error | null): void {
    if (this.#ending.signal.aborted) return
    this.#reason = reason
    this.#ending.abort()
    for (const { message, batch } of this.#queue.splice(0)) batch.dropped(message)
    this.#serve()
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const ending = this.#ending.signal
    try {
      while (!ending.aborted) {
        const messages = await this.#source.pull(ending)
        const isProgress = messages.length > 0 && (await this.#work(messages))
        if (isProgress) this.#polling.reset()
        else await this.#deps.clock.sleep(this.#polling.next(), ending)
      }
    } catch (error) {
      // When it had ended already, this is how a wait or a request ends: the reason stays what it was.
      this.#end(error instanceof Error ? error : new SsmError('internal', String(error)))
    }
  }

  /** One pull from hand to acknowledge. false: nothing is acknowledged for sure. */
  async #work(messages: readonly Pulled[]): Promise<boolean> {
    const { clock } = this.#deps
    const batch = createBatch(messages, (message) => this.#memory.has(message))
    this.#batch = batch
    const start = clock.monotonic()
    this.#queue.push(...batch.open.map((message) => ({ message, batch })))
    if (this.#ending.signal.aborted) for (const { message } of this.#queue.splice(0)) batch.dropped(message)
    this.#serve()
    await batch.settled()
    this.#batch = null
    this.#source.stored(messages, clock.monotonic() - start)
    const last = batch.prefixEnd()
    const isSure = last !== undefined && (await this.#closingInTime((stop) => this.#source.acknowledge(last, stop)))
    if (isSure) this.#memory.forget(last.offset)
    if (batch.broken) throw new SsmError('connection-lost', 'messages were not stored: they are pulled again')
    return isSure
  }

  /** Once the end has come, there are a few seconds left for `work`. */
  async #closingInTime<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
    const ending = this.#ending.signal
    const stop = new AbortController()
    const done = new AbortController()
    const hurry = () => {
      this.#deps.clock.sleep(CLOSE_MS, done.signal).then(
        () => {
          stop.abort()
        },
        () => undefined, // done in time
      )
    }
    if (ending.aborted) hurry()
    else ending.addEventListener('abort', hurry, { once: true })
    try {
      return await work(stop.signal)
    } finally {
      done.abort()
      ending.removeEventListener('abort', hurry)
    }
  }

  /** Serves who waits: with a delivery that fits into the window, the end, or the failure. */
  #serve(): void {
    while (this.#waiters.length > 0) {
      if (this.#ending.signal.aborted) {
        for (const waiter of this.#waiters.splice(0)) {
          if (this.#reason === null || this.#signal.aborted) waiter.resolve(null)
          else waiter.reject(this.#reason)
        }
        return
      }
      const delivery = this.#take()
      if (delivery === null) return
      this.#waiters.shift()?.resolve(delivery)
    }
  }

  #take(): Delivery | null {
    const { messages, bytes } = this.#settings.window
    const [first] = this.#queue
    if (first === undefined || this.#out >= messages) return null
    if (this.#out > 0 && this.#outBytes + roughSize(first.message) > bytes) return null
    this.#queue.shift()
    return this.#createDelivery(first)
  }

  /** The body is decoded only now: what waits stays as it came. */
  #createDelivery({ message, batch }: Waiting): Delivery {
    const size = roughSize(message)
    this.#out += 1
    this.#outBytes += size
    let isDone = false
    const finish = (act: () => void) => {
      if (isDone) return
      isDone = true
      this.#out -= 1
      this.#outBytes -= size
      act()
      this.#serve()
    }
    return {
      id: empaidOf(message),
      brokerId: message.messageId,
      ...deliveryBody(message, this.#settings.maxMessageSize),
      stored: () => {
        finish(() => {
          this.#memory.add(message)
          batch.stored(message)
        })
      },
      release: () => {
        finish(() => {
          batch.released(message)
        })
      },
    }
  }
}
