/**
 * The listening socket and everybody behind it: who may come in, the one clock that looks at all deadlines, and the end.
 */
import type { EventEmitter } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { SsmError, messageOf } from '../../errors.js'
import type { Delivery, Subscriber, TransportDeps } from '../port.js'
import type { Backlog } from './backlog.js'
import type { Door } from './door.js'
import type { ListenerLimits } from './limits.js'
import { Session, type SessionHost } from './session.js'

export interface ListenerOptions {
  readonly maxConnections: number
  readonly perAddress: number
  readonly limits: ListenerLimits
}

/** A connection, from the moment the kernel gives it to us. */
interface Visitor {
  readonly address: string
  readonly since: number
  session: Session | null
}

/** Lives from a bound server to its end. */
export class Listener implements Subscriber {
  readonly #server: Server
  readonly #door: Door
  readonly #backlog: Backlog
  readonly #host: SessionHost
  readonly #options: ListenerOptions
  readonly #deps: TransportDeps
  readonly #visitors = new Map<Socket, Visitor>()
  readonly #ticking = new AbortController()
  readonly #done: Promise<void>
  #complaints = 0
  #complaintsSince: number
  #stopping = false

  constructor(
    server: Server,
    door: Door,
    host: Omit<SessionHost, 'complain'>,
    options: ListenerOptions,
    deps: TransportDeps,
    signal: AbortSignal,
  ) {
    this.#server = server
    this.#door = door
    this.#backlog = host.backlog
    this.#options = options
    this.#deps = deps
    this.#complaintsSince = deps.clock.monotonic()
    this.#host = {
      ...host,
      complain: (address, why) => {
        this.#complain(address, why)
      },
    }
    server.on('connection', (raw) => {
      this.#accept(raw)
    })
    server.on('error', (error) => {
      this.#deps.log.error('Cannot take a connection: %s', error)
    })
    const stop = () => {
      this.#stop()
    }
    signal.addEventListener('abort', stop, { once: true })
    this.#done = closed(server).finally(() => {
      signal.removeEventListener('abort', stop)
      this.#ticking.abort()
    })
    void this.#tick()
    if (signal.aborted) stop()
  }

  readonly listens = true

  get peer(): string {
    const { address, port } = boundTo(this.#server)
    return `${address}, port ${port}`
  }

  [Symbol.asyncIterator](): AsyncIterator<Delivery> {
    return this.#backlog[Symbol.asyncIterator]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop()
    await this.#done
  }

  #accept(raw: Socket): void {
    // On a socket that takes IPv4 and IPv6, IPv4 addresses come in IPv6's clothes.
    const address = raw.remoteAddress?.replace(/^::ffff:(?=[0-9.]+$)/, '') ?? 'an unknown address'
    // Before anything else: an error without a listener would end the program.
    raw.on('error', () => undefined)
    const refused = this.#full(address)
    if (refused !== null) {
      this.#complain(address, refused)
      raw.destroy()
      return
    }
    const visitor: Visitor = { address, since: this.#deps.clock.monotonic(), session: null }
    this.#visitors.set(raw, visitor)
    raw.once('close', () => {
      this.#visitors.delete(raw)
    })
    void this.#admit(raw, visitor)
  }

  #full(address: string): string | null {
    const { maxConnections, perAddress } = this.#options
    if (this.#stopping) return 'the receiver is ending'
    if (this.#visitors.size >= maxConnections) return `there are ${maxConnections} connections (max_connections)`
    let same = 0
    for (const visitor of this.#visitors.values()) if (visitor.address === address) same += 1
    return same < perAddress ? null : `there are ${perAddress} connections from this address`
  }

  async #admit(raw: Socket, visitor: Visitor): Promise<void> {
    try {
      const { socket, judgement } = await this.#door(raw)
      if (raw.destroyed || this.#stopping) {
        socket.destroy()
        raw.destroy()
        return
      }
      visitor.session = new Session(socket, visitor.address, visitor.since, this.#host)
      if (judgement === null) return
      if (judgement.ok) this.#deps.log.debug('Connection from %s is %s.', visitor.address, judgement.dn)
      else visitor.session.refuse(NOT_AUTHORISED, judgement.detail)
    } catch (error) {
      if (!this.#stopping) this.#complain(visitor.address, messageOf(error))
      raw.destroy()
    }
  }

  /** One timer for everybody: a timer each would cost more and be no more exact than anybody needs. */
  async #tick(): Promise<void> {
    const { tickMs, connectMs } = this.#options.limits
    while (await this.#slept(tickMs)) {
      const now = this.#deps.clock.monotonic()
      for (const [raw, { address, since, session }] of [...this.#visitors]) {
        if (session !== null) session.tick(now)
        else if (now - since >= connectMs) {
          this.#complain(address, `no TLS handshake within ${connectMs / 1000} s`)
          raw.destroy()
        }
      }
      if (now - this.#complaintsSince >= 60_000) this.#countComplaints(now)
    }
  }

  async #slept(ms: number): Promise<boolean> {
    try {
      await this.#deps.clock.sleep(ms, this.#ticking.signal)
      return true
    } catch (error) {
      if (this.#ticking.signal.aborted) return false
      throw new SsmError('internal', 'internal error: the clock of the listener failed', { cause: error })
    }
  }

  #complain(address: string, why: string): void {
    this.#complaints += 1
    if (this.#complaints > this.#options.limits.complaints) return
    this.#deps.log.warning('Connection from %s refused: %s', address, why)
  }

  #countComplaints(now: number): void {
    const more = this.#complaints - this.#options.limits.complaints
    if (more > 0) this.#deps.log.warning('%s more connections were refused in the last minute.', more)
    this.#complaints = 0
    this.#complaintsSince = now
  }

  /** Nobody comes in, the iteration ends, what was handed out may still be answered; then the server closes. */
  #stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#backlog.close()
    this.#server.close()
    for (const [raw, { session }] of [...this.#visitors]) {
      if (session === null) raw.destroy()
      else session.stop()
    }
  }
}

/** For the client: what to do about it, without telling whom we do obey. */
const NOT_AUTHORISED =
  'Authentication failed: this certificate is not accepted here; ask the operator of this receiver to add its DN'

function closed(server: EventEmitter): Promise<void> {
  return new Promise((resolve) => {
    server.once('close', resolve)
  })
}

/** Where a server is bound. */
export function boundTo(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new SsmError('internal', 'internal error: not bound')
  return address
}
