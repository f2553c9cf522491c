/**
 * The STOMP transport: carries sealed bytes to and from a message broker (STOMP 1.0, 1.1, 1.2) over TCP, TLS, or
 * a WebSocket over either.
 *
 * `@stomp/stompjs` keeps the protocol's state: CONNECT, versions, outgoing heart-beats, SUBSCRIBE, SEND, ACK, DISCONNECT.
 * Around it lies a socket adapter of ours (`socket.ts`): it reads frames with limits and carries bodies past the
 * library's parser in both directions. The room never sends anything to a peer that was not verified as configured,
 * never NACKs, and never reconnects by itself. It throws SsmError with the codes that the port names.
 */
import type { TlsMaterial, Window } from '../port.js'
import { proxyFor, type Env, type Proxy } from '../proxy.js'

/** What lies below STOMP. */
export const SCHEMES = {
  stomp: { tls: false, web: false },
  'stomp+ssl': { tls: true, web: false },
  ws: { tls: false, web: true },
  wss: { tls: true, web: true },
} as const

export type Scheme = keyof typeof SCHEMES

/** A host name or IP address, a port, and how to talk to it. */
export interface Address {
  readonly host: string
  readonly port: number
  /** Absent: TCP, with TLS when the settings have `tls`. */
  readonly scheme?: Scheme
  /** Path and query of a WebSocket. Absent: `/`. */
  readonly path?: string
}

/** How to talk to this address. */
export function schemeOf({ scheme }: Address, { tls }: Pick<StompSettings, 'tls'>): Scheme {
  return scheme ?? (tls === null ? 'stomp' : 'stomp+ssl')
}

/** The proxy on the way to this address: for a WebSocket alone, as the environment has it. Throws SsmError `configuration`. */
export function proxyOf(address: Address, settings: Pick<StompSettings, 'tls' | 'env'>): Proxy | null {
  const { web, tls } = SCHEMES[schemeOf(address, settings)]
  return web ? proxyFor({ host: address.host, port: address.port, tls }, settings.env ?? {}) : null
}

/** For sentences: `host:port`, or the URL of a WebSocket. */
export function addressText({ host, port, scheme, path = '/' }: Address): string {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return scheme !== undefined && SCHEMES[scheme].web ? `${scheme}://${place}${path}` : place
}

export interface StompSettings {
  /** Each is tried once per opening, in this order; those that failed a short while ago come last. */
  readonly addresses: readonly Address[]
  /** Our side of TLS, read anew at each connection; null: no address has TLS. */
  readonly tls: (() => Promise<TlsMaterial>) | null
  readonly login?: { readonly username: string; readonly password: string }
  /** Where the proxy for a WebSocket is looked up. Absent: there is none. */
  readonly env?: Env
  readonly destination: string
  /** The name of a durable subscription to a topic: the broker keeps messages while nobody is subscribed. */
  readonly durable?: string
  /** Milliseconds, wished for in both directions; 0 = off. */
  readonly heartBeat: number
  /** Prefetch, and the bytes of bodies beyond which the socket is paused. */
  readonly window: Window
  /** Bytes of a received body. A larger one is delivered cut, and says so. */
  readonly maxMessageSize: number
}

/** TCP, TLS and WebSocket together must be done in this time (design: connect 10 s). */
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

const MIB = 1024 * 1024
/**
 * A message of a WebSocket is whole in memory before we see it; one larger than this, or than max_message_size, ends the
 * connection. It is RabbitMQ's own limit, so that what is too large for us only is rejected and does not come again.
 */
export const LARGEST_WEB_BODY = 128 * MIB
/** What a message of a WebSocket may have besides a body: the head of a frame. */
export const WEB_HEAD = MIB
