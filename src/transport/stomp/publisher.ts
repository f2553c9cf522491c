/**
 * Sending: each message waits for the receipt that bears its own id.
 */
import { setMaxListeners } from 'node:events'
import { SsmError } from '../../errors.js'
import type { MessageId, Sealed } from '../../message.js'
import type { Publisher, Receipt, TransportDeps } from '../port.js'
import type { Session, SessionUser } from './session.js'
import { DISCONNECT_RECEIPT } from './socket.js'
import { RECEIPT_MS, RECEIPT_MS_PER_MIB } from './settings.js'

const MIB = 1024 * 1024

interface Pending {
  readonly id: MessageId
  readonly bytes: number
  deadline: number
  resolve(receipt: Receipt): void
  reject(error: SsmError): void
}

export class StompPublisher implements Publisher, SessionUser {
  readonly #deps: TransportDeps
  /** By receipt header. */
  readonly #pending = new Map<string, Pending>()
  readonly #lost = new AbortController()
  #session: Session | null = null
  #bytes = 0
  #waiting: (() => void)[] = []

  constructor(deps: TransportDeps) {
    this.#deps = deps
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get peer(): string {
    return this.#session?.where ?? 'nobody'
  }

  attach(session: Session): void {
    this.#session = session
  }

  publish(message: { readonly id: MessageId; readonly body: Sealed }, signal: AbortSignal): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const receipt = this.#freeReceipt(message.id)
      const settle = (act: () => void) => {
        if (!this.#pending.delete(receipt)) return
        this.#bytes -= message.body.length
        signal.removeEventListener('abort', abort)
        act()
      }
      const pending: Pending = {
        id: message.id,
        bytes: message.body.length,
        deadline: 0,
        resolve: (value) => {
          settle(() => {
            resolve(value)
          })
        },
        reject: (error) => {
          settle(() => {
            reject(error)
          })
        },
      }
      const abort = () => {
        pending.reject(new SsmError('aborted', `sending ${message.id} was aborted`))
      }
      this.#pending.set(receipt, pending)
      this.#bytes += pending.bytes
      this.#allowTime(pending)
      // One listener for each message in flight is no leak.
      setMaxListeners(0, signal)
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
      else this.#transmit(receipt, pending, message.body)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.close()
  }

  message(): void {
    this.#deps.log.debug('Ignoring a message on a connection that only sends')
  }

  receipt(id: string): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) {
      this.#deps.log.debug('Ignoring a receipt that nobody waits for: %s', id)
      return
    }
    this.#deps.log.info('Broker received message: %s', pending.id)
    pending.resolve({})
  }

  refused(receipt: string, error: SsmError): void {
    this.#pending.get(receipt)?.reject(error)
  }

  tick(): void {
    const now = this.#deps.clock.monotonic()
    for (const pending of this.#pending.values()) {
      if (now < pending.deadline) continue
      pending.reject(new SsmError('receipt-late', `the broker did not confirm ${pending.id} in time`))
    }
  }

  drained(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const proceed of waiting) proceed()
  }

  ended(reason: SsmError | null): void {
    const error = lost(reason)
    for (const pending of this.#pending.values()) pending.reject(error)
    this.drained()
    this.#lost.abort(error)
  }

  #transmit(receipt: string, pending: Pending, body: Uint8Array): void {
    const session = this.#session
    if (session === null || session.isOver) {
      pending.reject(lost(session?.reason ?? null))
      return
    }
    if (session.blocked) {
      this.#waiting.push(() => {
        if (this.#pending.get(receipt) === pending) this.#transmit(receipt, pending, body)
      })
      return
    }
    try {
      const id = session.header(pending.id)
      session.send({ receipt: session.header(receipt), 'empa-id': id, persistent: 'true' }, body)
    } catch (error) {
      pending.reject(
        error instanceof SsmError ? error : new SsmError('connection-lost', String(error), { cause: error }),
      )
      return
    }
    this.#allowTime(pending)
    this.#deps.log.info('Waiting for broker to accept message.')
  }

  /** The broker writes everything that is before it first: its bytes count too. */
  #allowTime(pending: Pending): void {
    pending.deadline = this.#deps.clock.monotonic() + RECEIPT_MS + (this.#bytes / MIB) * RECEIPT_MS_PER_MIB
  }

  /** The id; when it is under way already, or would be taken for another receipt, something distinct. */
  #freeReceipt(id: MessageId): string {
    if (!this.#pending.has(id) && id !== DISCONNECT_RECEIPT) return id
    let count = 2
    while (this.#pending.has(`${id}#${count}`)) count++
    return `${id}#${count}`
  }
}

/** What a message in flight sees of the connection's end. Refusals of login and destination stay what they are. */
function lost(reason: SsmError | null): SsmError {
  if (reason === null) return new SsmError('connection-lost', 'the connection was closed before the receipt')
  return reason
}
