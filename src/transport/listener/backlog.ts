/**
 * Complete messages between the connections and the consumer: handed out in order of arrival, a window of them at once.
 */
import type { SsmError } from '../../errors.js'
import type { MessageId } from '../../message.js'
import type { Delivery, Window } from '../port.js'

/** `dropped`: never handed out, because the sender keeps it or we end. */
export type Outcome = 'stored' | 'released' | 'dropped'

export interface Message {
  readonly id: MessageId
  readonly body: Uint8Array
  /** What the client wants to see in RECEIPT; null: it asked for none and will not send again. */
  readonly receipt: string | null
  /** Bytes of memory. */
  readonly cost: number
}

/** The connection that a message came from. */
export interface Owner {
  /** The client is away: no answer can reach it. */
  readonly gone: boolean
  settled(message: Message, outcome: Outcome): void
}

interface Entry {
  readonly message: Message
  readonly owner: Owner
}

export interface Backlog extends AsyncIterable<Delivery> {
  offer(message: Message, owner: Owner): void
  /** Drops what was not handed out and ends the iteration: quietly, or with the failure. */
  close(failure?: SsmError): void
}

class Queue implements Backlog {
  readonly #window: Window
  #entries: Entry[] = []
  /** Index of the oldest entry; an array's shift would move all others. */
  #head = 0
  #outMessages = 0
  #outBytes = 0
  #closed = false
  #failure: SsmError | undefined
  #waiters: (() => void)[] = []

  constructor(window: Window) {
    this.#window = window
  }

  offer(message: Message, owner: Owner): void {
    if (this.#closed) {
      owner.settled(message, 'dropped')
      return
    }
    this.#entries.push({ message, owner })
    this.#changed()
  }

  close(failure?: SsmError): void {
    if (this.#closed) return
    this.#closed = true
    this.#failure = failure
    const dropped = this.#entries.slice(this.#head)
    this.#entries = []
    this.#head = 0
    for (const { message, owner } of dropped) owner.settled(message, 'dropped')
    this.#changed()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Delivery, void, undefined> {
    for (;;) {
      const entry = this.#next()
      if (entry !== undefined) yield this.#handOut(entry)
      else if (this.#failure !== undefined) throw this.#failure
      else if (this.#closed) return
      else {
        await new Promise<void>((resolve) => this.#waiters.push(resolve))
      }
    }
  }

  #changed(): void {
    for (const wake of this.#waiters.splice(0)) wake()
  }

  /** The oldest message if the window has room for it; at least one is always allowed. */
  #next(): Entry | undefined {
    for (;;) {
      const entry = this.#entries[this.#head]
      if (entry === undefined) return undefined
      const { message, owner } = entry
      // Its sender has no receipt, keeps it and sends it again: storing it now would only make a redelivery of that.
      const unwanted = owner.gone && message.receipt !== null
      if (!unwanted && !this.#fits(message)) return undefined
      this.#advance()
      if (!unwanted) return entry
      owner.settled(message, 'dropped')
    }
  }

  #fits(message: Message): boolean {
    if (this.#outMessages === 0) return true
    const { messages, bytes } = this.#window
    return this.#outMessages < messages && this.#outBytes + message.body.length <= bytes
  }

  #advance(): void {
    this.#head += 1
    if (this.#head < 1024 && this.#head < this.#entries.length) return
    this.#entries = this.#entries.slice(this.#head)
    this.#head = 0
  }

  #handOut({ message, owner }: Entry): Delivery {
    const bytes = message.body.length
    this.#outMessages += 1
    this.#outBytes += bytes
    let open = true
    const settle = (outcome: Outcome): void => {
      if (!open) return
      open = false
      this.#outMessages -= 1
      this.#outBytes -= bytes
      owner.settled(message, outcome)
      this.#changed()
    }
    return {
      id: message.id,
      body: message.body,
      stored() {
        settle('stored')
      },
      release() {
        settle('released')
      },
    }
  }
}

export function createBacklog(window: Window): Backlog {
  return new Queue(window)
}
