/**
 * The listener as a transport: settings are checked, the address is bound.
 */
import { BlockList, createServer, isIP, type Server } from 'node:net'
import { SsmError, isSsmError, messageOf, systemCode } from '../../errors.js'
import type { TlsMaterial, Transport, TransportDeps, Window } from '../port.js'
import { createBacklog } from './backlog.js'
import { createBudget } from './budget.js'
import { createTlsDoor, openDoor, type AuthorizePeer, type Door } from './door.js'
import { LISTENER_LIMITS, type ListenerLimits } from './limits.js'
import { boundTo, Listener } from './listener.js'

export interface ListenerSettings {
  /** Port 0: any free port; see `address()`. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Our certificate pair and the CAs whose names clients are told; read at each connection. Null: no TLS, loopback only. */
  readonly tls: (() => Promise<TlsMaterial>) | null
  /** Needed with TLS. Its `detail` is for our log and should name the DN; clients never see it. */
  readonly authorizePeer?: AuthorizePeer
  readonly destination: string
  /** Deliveries handed out at once. */
  readonly window: Window
  readonly maxConnections: number
  /** Bytes of a body. */
  readonly maxMessageSize: number
  /** Milliseconds between heart-beats, both ways, for clients that want them; 0 = off. Default 30 s. */
  readonly heartBeat?: number
  /** Other than the defaults; for tests. */
  readonly limits?: Partial<ListenerLimits>
}

export interface ListenerTransport extends Transport {
  /** Where it is bound while a subscriber is open; null otherwise. */
  address(): { readonly host: string; readonly port: number } | null
}

const HEART_BEAT = 30_000

export function createListenerTransport(settings: ListenerSettings, deps: TransportDeps): ListenerTransport {
  let server: Server | undefined
  return {
    openPublisher() {
      return Promise.reject(
        new SsmError('usage', 'a listener receives only: a sender needs `host` or `url` in [broker]'),
      )
    },
    async openSubscriber(signal) {
      assertNotAborted(signal)
      const door = await createDoor(settings)
      const bound = await bind(settings, signal)
      server = bound
      bound.once('close', () => {
        if (server === bound) server = undefined
      })
      const { address, port } = boundTo(bound)
      deps.log.info('Listening on %s, port %s', address, port)
      return createListener(bound, door, settings, deps, signal)
    },
    address() {
      if (server?.listening !== true) return null
      const { address, port } = boundTo(server)
      return { host: address, port }
    },
  }
}

function createListener(
  server: Server,
  door: Door,
  settings: ListenerSettings,
  deps: TransportDeps,
  signal: AbortSignal,
): Listener {
  const { destination, maxMessageSize, maxConnections } = settings
  const limits = { ...LISTENER_LIMITS, ...settings.limits }
  const heartBeat = settings.heartBeat ?? HEART_BEAT
  // No one address can keep all others out. On loopback there is only one.
  const perAddress = settings.tls === null ? maxConnections : Math.ceil(maxConnections / 2)
  const budget = createBudget(limits.bodiesInFlight)
  const backlog = createBacklog(settings.window)
  const host = { destination, maxMessageSize, heartBeat, limits, log: deps.log, clock: deps.clock, budget, backlog }
  return new Listener(server, door, host, { maxConnections, perAddress, limits }, deps, signal)
}

async function createDoor({ listen, tls, authorizePeer }: ListenerSettings): Promise<Door> {
  if (tls === null) {
    if (!isLoopback(listen.host)) throw notLoopback(listen.host)
    return openDoor
  }
  if (authorizePeer === undefined)
    throw new SsmError('internal', 'internal error: a TLS listener without authorizePeer')
  return await createTlsDoor(tls, authorizePeer)
}

/** Resolves with a server that listens. Sockets come paused: whoever takes one over starts it. */
async function bind({ listen, tls }: ListenerSettings, signal: AbortSignal): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: listen.host, port: listen.port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    assertNotAborted(signal)
    // A name that means another machine's address here is found out only now.
    const { address } = boundTo(server)
    if (tls === null && !isLoopback(address)) throw notLoopback(`${listen.host} (${address})`)
    return server
  } catch (cause) {
    if (server.listening) server.close()
    throw isSsmError(cause) ? cause : cannotListen(listen, cause)
  }
}

function cannotListen({ host, port }: ListenerSettings['listen'], cause: unknown): SsmError {
  const words = `cannot listen on ${host}, port ${port}: ${messageOf(cause)}`
  // Somebody may be about to leave, a former self for instance; everything else is for a person to change.
  if (systemCode(cause) === 'EADDRINUSE') return new SsmError('unreachable', words, { cause })
  return new SsmError('configuration', `${words}; check \`listen\` in [broker]`, { cause })
}

function notLoopback(host: string): SsmError {
  return new SsmError(
    'configuration',
    `listening on ${host} without TLS would take messages from anybody: use 127.0.0.1 or ::1, or use_ssl = true`,
  )
}

function assertNotAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new SsmError('aborted', 'opening the listener was aborted')
}

/** 127.0.0.0/8, ::1, also as IPv4 in IPv6, and the name `localhost` (whose address is looked at once it is bound). */
function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
