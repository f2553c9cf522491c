/**
 * Receiving: at most a window of messages and bytes is out of the broker's hands and not yet stored.
 */
import { SsmError } from '../../errors.js'
import type { Frame } from '../frame.js'
import type { Delivery, Subscriber, TransportDeps, Window } from '../port.js'
import type { Session, SessionUser } from './session.js'
import { STALL_MS } from './settings.js'

interface Waiter {
  resolve(delivery: Delivery | null): void
  reject(error: SsmError): void
}

/** ActiveMQ, and RabbitMQ (a queue of this name, bound to the topic). Each ignores what is the other's. */
function durableHeaders(name: string): Readonly<Record<string, string>> {
  return {
    'activemq.subscriptionName': name,
    durable: 'true',
    'auto-delete': 'false',
    'x-queue-name': name,
  }
}

export class StompSubscriber implements Subscriber, SessionUser {
  readonly #deps: TransportDeps
  readonly #window: Window
  readonly #signal: AbortSignal
  readonly #durable: string | undefined
  readonly #queue: Delivery[] = []
  #waiters: Waiter[] = []
  #session: Session | null = null
  /** Handed out, and neither stored nor released. */
  #out = 0
  #outBytes = 0
  #queuedBytes = 0
  /** Released: the broker still counts them as ours. */
  #released = 0
  #firstRelease = 0
  #progress = 0
  #ended = false

  constructor(deps: TransportDeps, window: Window, signal: AbortSignal, durable?: string) {
    this.#deps = deps
    this.#durable = durable
    this.#window = window
    this.#signal = signal
  }

  get peer(): string {
    return this.#session?.where ?? 'nobody'
  }

  attach(session: Session): void {
    this.#session = session
    this.#signal.addEventListener('abort', this.#wake, { once: true })
    // It may have ended while it was handed over: the iterator says so.
    if (session.isOver) return
    const limit = String(this.#window.messages)
    session.subscribe({
      id: '1',
      ack: 'client-individual',
      'prefetch-count': limit,
      'activemq.prefetchSize': limit,
      ...(this.#durable === undefined ? {} : durableHeaders(this.#durable)),
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Delivery, void, undefined> {
    for (;;) {
      const delivery = await this.#next()
      if (delivery === null) return
      yield delivery
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    this.#wake()
    this.#signal.removeEventListener('abort', this.#wake)
    await this.#session?.close()
  }

  message(frame: Frame): void {
    if (this.#ended) return
    const { headers, body } = frame
    const ack = headers.get(this.#session?.version === '1.2' ? 'ack' : 'message-id')
    if (ack === undefined)
      throw new SsmError('connection-lost', 'the broker sent a message that cannot be acknowledged')
    const id = headers.get('empa-id') ?? 'noid'
    if (id === 'ping' && frame.size === 0) {
      this.#deps.log.info('Received ping message.')
      this.#session?.ack(ack)
      return
    }
    if (this.#out + this.#queue.length === 0) this.#progress = this.#deps.clock.monotonic()
    this.#queue.push(this.#createDelivery(id, ack, body, frame.size))
    this.#queuedBytes += body.length
    this.#wake()
    this.#adjust()
  }

  receipt(id: string): void {
    this.#deps.log.debug('Ignoring a receipt that nobody waits for: %s', id)
  }

  refused(): void {
    // The end of the connection, which follows, says it to the iterator.
  }

  drained(): void {
    // Acknowledgements are small: nobody waits.
  }

  /** What lies here without progress goes back to the broker, where others can have it. */
  tick(): void {
    const now = this.#deps.clock.monotonic()
    const held = this.#out + this.#queue.length > 0
    if (held && now - this.#progress > STALL_MS) this.#giveBack(`nothing was stored for ${STALL_MS / 1000} s`)
    else if (this.#released > 0 && now - this.#firstRelease > STALL_MS) this.#giveBack('messages were not stored')
  }

  ended(): void {
    this.#ended = true
    this.#queue.length = 0
    this.#wake()
  }

  #next(): Promise<Delivery | null> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#wake()
    })
  }

  /** Serves who waits: with a delivery that fits into the window, the end, or the failure. */
  readonly #wake = (): void => {
    while (this.#waiters.length > 0) {
      const reason = this.#session?.reason ?? null
      if (this.#ended || this.#signal.aborted) {
        const quiet = reason === null || this.#signal.aborted
        for (const waiter of this.#waiters.splice(0)) {
          if (quiet) waiter.resolve(null)
          else waiter.reject(reason)
        }
        return
      }
      const delivery = this.#take()
      if (delivery === null) return
      this.#waiters.shift()?.resolve(delivery)
    }
  }

  #take(): Delivery | null {
    const [first] = this.#queue
    if (first === undefined || this.#out >= this.#window.messages) return null
    if (this.#out > 0 && this.#outBytes + first.body.length > this.#window.bytes) return null
    this.#queue.shift()
    this.#queuedBytes -= first.body.length
    this.#out++
    this.#outBytes += first.body.length
    this.#progress = this.#deps.clock.monotonic()
    return first
  }

  #createDelivery(id: string, ack: string, body: Uint8Array, size: number): Delivery {
    let done = false
    const finish = (act: () => void) => {
      if (done) return
      done = true
      this.#out--
      this.#outBytes -= body.length
      this.#progress = this.#deps.clock.monotonic()
      if (this.#session?.isOver === false) act()
      this.#wake()
      this.#adjust()
    }
    return {
      id,
      body,
      ...(size > body.length ? { truncated: size } : {}),
      stored: () => {
        finish(() => {
          this.#session?.ack(ack)
        })
      },
      release: () => {
        finish(() => {
          this.#release()
        })
      },
    }
  }

  /** The broker's prefetch counts released messages: when they are all it gives us, nothing else would ever come. */
  #release(): void {
    if (this.#released++ === 0) this.#firstRelease = this.#deps.clock.monotonic()
    if (this.#released >= this.#window.messages) this.#giveBack('messages were not stored')
  }

  #giveBack(why: string): void {
    this.#session?.end(new SsmError('connection-lost', `${why}: disconnected, so that the broker has them again`))
  }

  /** Reads on or stops reading. A broker that keeps to the prefetch limit is stopped by bytes only. */
  #adjust(): void {
    const session = this.#session
    if (session === null || session.isOver) return
    const full = this.#outBytes + this.#queuedBytes >= this.#window.bytes || this.#queue.length > this.#window.messages
    if (full && !session.paused) session.pause()
    else if (!full) session.resume()
  }
}
