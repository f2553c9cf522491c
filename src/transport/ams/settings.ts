/**
 * The AMS transport: carries sealed bytes through the ARGO Messaging Service, an HTTP service with topics (we publish) and
 * subscriptions (we pull and acknowledge). `undici` is the HTTP client, loaded at the first request.
 *
 * The room knows how the server behaves, not how its documentation says it does. It never puts a token into a URL, an
 * error or a log line, never presents the client certificate to anybody but the authentication service, never repeats an
 * acknowledge blindly, and never steps over a message that somebody could read. It throws SsmError with the codes that the
 * port names.
 */
import type { PeerTrust, TlsMaterial, Window } from '../port.js'

/** Where the service is. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** No TLS: for this machine only. */
  readonly plain?: boolean
}

/** Where the token comes from. */
export type Credentials =
  | { readonly kind: 'token'; readonly token: string }
  /** Read anew when the server no longer knows the old one. Rejects with SsmError. */
  | { readonly kind: 'file'; read(): Promise<string> }
  /** Our certificate is exchanged for one. `host` absent: the endpoint's own. */
  | { readonly kind: 'x509'; readonly host?: string; readonly port: number; readonly plain?: boolean }

export interface AmsSettings {
  /** Each is tried once per opening, in this order. */
  readonly endpoints: readonly Endpoint[]
  /**
   * Read anew at each connection; null: no endpoint has TLS. The certificate goes to the authentication service alone, and
   * may be missing when there is a token.
   */
  readonly tls: (() => Promise<PeerTrust | TlsMaterial>) | null
  readonly credentials: Credentials
  readonly project: string
  /** Publisher: the topic. Subscriber: the subscription. */
  readonly destination: string
  /** Publisher: requests in flight. Subscriber: messages handed out and not yet stored. */
  readonly window: Window
  /** Publisher: bytes of the stored message (see size.ts). Subscriber: bytes of a received body. */
  readonly maxMessageSize: number
  /** Messages a publish request may hold. */
  readonly batch: number
  readonly pulling: PullSettings
  /** `https_proxy`, `no_proxy` and their like are looked up here. */
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface PullSettings {
  /** Most messages of a pull. */
  readonly pullMax: number
  /** Longest pause between two looks at an empty subscription, ms. */
  readonly pollMax: number
  /** Seconds to set as the subscription's deadline; absent: it is left as it is. */
  readonly ackDeadline?: number
  /** Step over a record that the server itself can no longer read? */
  readonly skipPoisoned: boolean
}

const MIB = 1024 * 1024

/** A connection, with TLS and proxy, must be there in this time, ms. */
export const CONNECT_MS = 10_000
/** One request, and 1 s more for each MiB of it. */
export const REQUEST_MS = 30_000
export const REQUEST_MS_PER_MIB = 1_000
/** A pull: its answer may have some MiB. */
export const PULL_MS = 40_000
/** The last acknowledge of a subscriber that is closed. */
export const CLOSE_MS = 5_000

/** An answer of a pull should stay below this (the next pull asks for fewer), bytes of JSON. */
export const PULL_TARGET = 8 * MIB
/** No answer is read beyond this: a pull is then made smaller. A single message may be as large as it must. */
export const ANSWER_LIMIT = 32 * MIB
/** Nesting, and values and separators, of an answer's JSON. */
export const JSON_LIMITS = { depth: 16, tokens: 500_000 } as const
/** What is kept of a body that is too large: enough for a person to see what it is. */
export const KEPT_OF_OVERSIZED = 64 * 1024

/** When the token may not read the subscription: the server's default, s. */
export const DEFAULT_DEADLINE = 10
/** The server's default port, and that of the authentication service. */
export const AMS_PORT = 443
export const AUTHN_PORT = 8443

/** The server refuses names that are anything else, before it looks at the token. */
export function isResourceName(name: string): boolean {
  return /^[\w-]{1,249}$/u.test(name)
}

/** For sentences. */
export function endpointText({ host, port, plain }: Endpoint): string {
  const name = host.includes(':') ? `[${host}]` : host
  return plain === true ? `http://${name}:${port}` : port === AMS_PORT ? name : `${name}:${port}`
}
