/**
 * Sending: each message waits for the receipt that bears its own id.
 */
import { SsmError } from '../../errors.js'
import type { MessageId, Sealed } from '../../message.js'
import type { Publisher, Receipt, TransportDeps } from '../port.js'
import type { Session, SessionUser } from './session.js'
import { DISCONNECT_RECEIPT } from './socket.js'
import { RECEIPT_MS, RECEIPT_MS_PER_MIB } from './settings.js'

const MIB = 1024 * 1024

interface Pending {
  readonly id: MessageId
  /** Its receipt header. */
  readonly receipt: string
  readonly bytes: number
  readonly signal: AbortSignal
  /** Handed to the connection: a receipt that comes before is for something else. */
  isSent: boolean
  deadline: number
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: SsmError) => void
}

/** One listener for all messages in flight that share a signal: one for each of them costs 5 us a message. */
interface Watch {
  inFlight: number
  readonly abort: () => void
}

export class StompPublisher implements Publisher, SessionUser {
  readonly #deps: TransportDeps
  /** By receipt header. */
  readonly #pending = new Map<string, Pending>()
  readonly #watches = new Map<AbortSignal, Watch>()
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
      const { id, body } = message
      const pending: Pending = {
        id,
        receipt: this.#freeReceipt(id),
        bytes: body.length,
        signal,
        isSent: false,
        deadline: 0,
        resolve,
        reject,
      }
      this.#pending.set(pending.receipt, pending)
      this.#bytes += pending.bytes
      this.#allowTime(pending)
      this.#watch(signal)
      if (signal.aborted) this.#fail(pending, aborted(pending))
      else this.#transmit(pending, body)
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
    if (pending?.isSent !== true) {
      this.#deps.log.debug('Ignoring a receipt that nobody waits for: %s', id)
      return
    }
    this.#deps.log.info('Broker received message: %s', pending.id)
    if (this.#settle(pending)) pending.resolve({})
  }

  refused(receipt: string, error: SsmError): void {
    const pending = this.#pending.get(receipt)
    if (pending?.isSent === true) this.#fail(pending, error)
  }

  tick(): void {
    const now = this.#deps.clock.monotonic()
    for (const pending of this.#pending.values()) {
      if (now < pending.deadline) continue
      this.#fail(pending, new SsmError('receipt-late', `the broker did not confirm ${pending.id} in time`))
    }
  }

  drained(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const proceed of waiting) proceed()
  }

  ended(reason: SsmError | null): void {
    const error = lost(reason)
    for (const pending of this.#pending.values()) this.#fail(pending, error)
    this.drained()
    this.#lost.abort(error)
  }

  #watch(signal: AbortSignal): void {
    const known = this.#watches.get(signal)
    if (known !== undefined) {
      known.inFlight += 1
      return
    }
    const abort = (): void => {
      for (const pending of this.#pending.values()) if (pending.signal === signal) this.#fail(pending, aborted(pending))
    }
    this.#watches.set(signal, { inFlight: 1, abort })
    signal.addEventListener('abort', abort)
  }

  /** False: it was settled before. */
  #settle({ receipt, bytes, signal }: Pending): boolean {
    if (!this.#pending.delete(receipt)) return false
    this.#bytes -= bytes
    const watch = this.#watches.get(signal)
    if (watch === undefined) return true
    watch.inFlight -= 1
    if (watch.inFlight > 0) return true
    this.#watches.delete(signal)
    signal.removeEventListener('abort', watch.abort)
    return true
  }

  #fail(pending: Pending, error: SsmError): void {
    if (this.#settle(pending)) pending.reject(error)
  }

  #transmit(pending: Pending, body: Uint8Array): void {
    const session = this.#session
    if (session === null || session.isOver) {
      this.#fail(pending, lost(session?.reason ?? null))
      return
    }
    if (session.blocked) {
      this.#waiting.push(() => {
        if (this.#pending.get(pending.receipt) === pending) this.#transmit(pending, body)
      })
      return
    }
    try {
      const id = session.header(pending.id)
      session.send({ receipt: session.header(pending.receipt), 'empa-id': id, persistent: 'true' }, body)
    } catch (error) {
      this.#fail(
        pending,
        error instanceof SsmError ? error : new SsmError('connection-lost', String(error), { cause: error }),
      )
      return
    }
    pending.isSent = true
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

function aborted({ id }: Pending): SsmError {
  return new SsmError('aborted', `sending ${id} was aborted`)
}

/** What a message in flight sees of the connection's end. Refusals of login and destination stay what they are. */
function lost(reason: SsmError | null): SsmError {
  if (reason === null) return new SsmError('connection-lost', 'the connection was closed before the receipt')
  return reason
}
