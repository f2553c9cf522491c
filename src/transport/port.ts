/**
 * The transport port: what the pipeline needs of any way to carry sealed bytes. Each transport is a folder beside this
 * file and passes the contract suite (test/contract/transport.ts).
 */
import type { MessageId, Sealed } from '../message.js'
import type { Logger } from '../observe/log.js'
import type { Clock } from '../os/clock.js'

/** What the broker said when it took the message. */
export interface Receipt {
  /** The broker's own number for it (AMS). */
  readonly brokerId?: string
}

/** A connection that sends. Several `publish` calls may be under way; the caller keeps the window. */
export interface Publisher extends AsyncDisposable {
  /**
   * Fires when the connection ended by itself, with an SsmError as its reason: so that a sender that has nothing to send
   * notices. Absent where there is no connection between two messages.
   */
  readonly lost?: AbortSignal
  /** What it is connected to, for people. */
  readonly peer?: string
  /**
   * Resolves when the broker has taken *this* message. Rejects with SsmError:
   * temporary (`connection-lost`, `receipt-late`), `message-refused` (this message only, says the broker), `cannot-seal`
   * (this message only, say we), `destination-refused`, `login-refused` (all messages), `aborted`. After `connection-lost` the publisher is of no more use.
   */
  publish(message: { readonly id: MessageId; readonly body: Sealed }, signal: AbortSignal): Promise<Receipt>
}

/** One received message. Exactly one of `stored` and `release` is called. */
export interface Delivery {
  readonly id: MessageId
  readonly brokerId?: string
  readonly body: Uint8Array
  /**
   * The body was larger than the transport's limit and was cut: its whole size in bytes. Such a message is to be refused
   * (`too-large`) and stored(): it would come again and again otherwise.
   */
  readonly truncated?: number
  /** It is durable: tell the broker when and how the transport likes. Returns at once; trouble surfaces from the iterator. */
  stored(): void
  /** Not stored: never NACKed; it goes back when the subscription or connection ends. */
  release(): void
}

/**
 * A connection that receives. The iterator throws SsmError when the connection ends (temporary or not), and ends quietly
 * after dispose or abort. At most `window.messages` and `window.bytes` are handed out and not yet stored or released;
 * beyond it the transport stops reading.
 */
export interface Subscriber extends AsyncDisposable, AsyncIterable<Delivery> {
  /** Senders connect to it. */
  readonly listens?: true
  /** What it is connected to, or where it listens, for people. */
  readonly peer?: string
}

/** How to reach the other end. Opening tries every configured address once, in turn, and logs each failure. */
export interface Transport {
  /** Connects. Rejects with SsmError `unreachable`, `peer-certificate`, `login-refused`, `not-the-protocol`, `aborted`. */
  openPublisher(signal: AbortSignal): Promise<Publisher>
  openSubscriber(signal: AbortSignal): Promise<Subscriber>
}

/** A window: messages, and bytes of bodies, in flight. */
export interface Window {
  readonly messages: number
  readonly bytes: number
}

/** What every transport is given besides its settings. */
export interface TransportDeps {
  readonly log: Logger
  readonly clock: Clock
}

/** Our side of TLS, read anew at each connection so that a renewed pair is taken up. PEM throughout. */
export interface TlsMaterial extends PeerTrust {
  readonly certificate: string
  readonly key: string
}

/** Whom we take for the other end. Alone, for whoever shows no certificate. */
export interface PeerTrust {
  /** PEM certificates that the peer's path may end in. */
  readonly ca: readonly string[]
  /** `warn` connects in spite of a failed check and logs it; `false` does not look. */
  readonly verify: 'true' | 'warn' | 'false'
  /** Take RSA of 1024 bits, ours and the other end's, where Node would not. */
  readonly weakKeys?: boolean
}
