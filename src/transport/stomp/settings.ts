/**
 * The STOMP transport: carries sealed bytes to and from a message broker (STOMP 1.0, 1.1, 1.2) over TCP or TLS.
 *
 * `@stomp/stompjs` keeps the protocol's state: CONNECT, versions, outgoing heart-beats, SUBSCRIBE, SEND, ACK, DISCONNECT.
 * Around it lies a socket adapter of ours (`socket.ts`): it reads frames with limits and carries bodies past the
 * library's parser in both directions. The room never sends anything to a peer that was not verified as configured,
 * never NACKs, and never reconnects by itself. It throws SsmError with the codes that the port names.
 */
import type { TlsMaterial, Window } from '../port.js'

/** A host name or IP address, and a port. */
export interface Address {
  readonly host: string
  readonly port: number
}

export interface StompSettings {
  /** Tried in this order, each once per opening. */
  readonly addresses: readonly Address[]
  /** Our side of TLS, read anew at each connection; null: plain TCP. */
  readonly tls: (() => Promise<TlsMaterial>) | null
  readonly login?: { readonly username: string; readonly password: string }
  readonly destination: string
  /** Milliseconds, wished for in both directions; 0 = off. */
  readonly heartBeat: number
  /** Prefetch, and the bytes of bodies beyond which the socket is paused. */
  readonly window: Window
  /** Bytes of a received body. A larger one is delivered cut, and says so. */
  readonly maxMessageSize: number
}

/** TCP and TLS together must be done in this time (design: connect 10 s). */
export const CONNECT_MS = 10_000
/** From CONNECT to CONNECTED. */
export const CONNECTED_MS = 10_000
/** A receipt may take this long, and 1 s more for each MiB that is waiting for one. */
export const RECEIPT_MS = 60_000
export const RECEIPT_MS_PER_MIB = 1_000
/** How long messages may lie here unstored without any progress before they go back to the broker. */
export const STALL_MS = 60_000
/** DISCONNECT is answered in this time, or the socket is closed without it. */
export const CLOSE_MS = 5_000
/** What is kept of a body that is too large: enough for a person to see what it is. */
export const KEPT_OF_OVERSIZED = 64 * 1024
