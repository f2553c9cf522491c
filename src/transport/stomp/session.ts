/**
 * One STOMP connection from CONNECT to its end. It ends once, with a reason (null: as we wished), and then nothing of it
 * is left: no timer, no socket, no listener.
 */
import { Client, StompHeaders, Versions } from '@stomp/stompjs'
import type { Duplex } from 'node:stream'
import { isSsmError, messageOf, SsmError } from '../../errors.js'
import type { Frame, StompVersion } from '../frame.js'
import type { TransportDeps } from '../port.js'
import { recogniseStranger, judgeError, withoutTrace } from './refusals.js'
import { judgeSocketError } from '../socket-error.js'
import { CLOSE_MS, CONNECTED_MS, type StompSettings } from './settings.js'
import { DISCONNECT_RECEIPT, StompSocket } from './socket.js'
import { within } from '../within.js'

/** What a publisher or a subscriber wants to know of its connection. */
export interface SessionUser {
  message(frame: Frame): void
  receipt(id: string): void
  /** An ERROR that names a receipt. The connection ends right after it. */
  refused(receipt: string, error: SsmError): void
  /** About once a second: the place for time-outs. */
  tick(): void
  drained(): void
  /** Called once, for a connection that was established. Null: we closed it. */
  ended(reason: SsmError | null): void
}

export interface SessionOrigin {
  readonly stream: Duplex
  /** `host:port`, for sentences. */
  readonly where: string
  /** Our DN when we showed a certificate. */
  readonly ownName: string | null
  /** Bytes of a received body. */
  readonly maxBody: number
}

const TICK_MS = 1_000
const VERSIONS: readonly string[] = ['1.0', '1.1', '1.2'] satisfies readonly StompVersion[]

/** What a header value cannot hold: there is no escape for it. */
const IMPOSSIBLE: Readonly<Record<StompVersion, readonly string[]>> = {
  '1.0': ['\0', '\r', '\n'],
  '1.1': ['\0', '\r'],
  '1.2': ['\0'],
}

type Headers = Readonly<Record<string, string>>

/** Of the library's class: it copies own properties only, and `constructor` would be none. */
function libraryHeaders(headers: Headers): StompHeaders {
  return Object.assign(new StompHeaders(), headers)
}

function isVersion(text: string): text is StompVersion {
  return VERSIONS.includes(text)
}

export class Session {
  version: StompVersion = '1.0'
  readonly #origin: SessionOrigin
  readonly #settings: StompSettings
  readonly #deps: TransportDeps
  readonly #user: SessionUser
  readonly #socket: StompSocket
  readonly #client: Client
  readonly #over = new AbortController()
  #reason: SsmError | null = null
  #connected: { resolve(): void; reject(error: SsmError): void } | null = null
  #established = false
  #closing = false
  #silenceLimit = 0
  #lastActivity: number

  constructor(origin: SessionOrigin, settings: StompSettings, deps: TransportDeps, user: SessionUser) {
    this.#origin = origin
    this.#settings = settings
    this.#deps = deps
    this.#user = user
    this.#lastActivity = deps.clock.monotonic()
    this.#socket = new StompSocket(origin.stream, `stomp://${origin.where}`, origin.maxBody, {
      broken: (error) => {
        this.#broken(error)
      },
      closed: (error) => {
        this.#closed(error)
      },
      drained: () => {
        this.#guard(() => {
          user.drained()
        })
      },
      receipt: (id) => {
        if (this.isOver) return
        this.#guard(() => {
          user.receipt(id)
        })
      },
      activity: () => {
        this.#lastActivity = deps.clock.monotonic()
      },
    })
    this.#client = this.#createClient()
  }

  /** What it is connected to, for sentences. */
  get where(): string {
    return this.#origin.where
  }

  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Why it ended; null while it lives, and when we closed it. */
  get reason(): SsmError | null {
    return this.#reason
  }

  get blocked(): boolean {
    return this.#socket.blocked
  }

  get paused(): boolean {
    return this.#socket.paused
  }

  /** Sends CONNECT; resolves with CONNECTED. Rejects as `Transport.openPublisher` does; then the session is over. */
  async connect(signal: AbortSignal): Promise<void> {
    const late = () => this.#noAnswer(`no answer to CONNECT within ${CONNECTED_MS / 1000} s: is this a STOMP port?`)
    try {
      await within({ ms: CONNECTED_MS, clock: this.#deps.clock, signal, late }, (stop) => this.#handshake(stop))
    } catch (error) {
      this.end(isSsmError(error) ? error : new SsmError('internal', messageOf(error), { cause: error }))
      throw error
    }
    this.#deps.log.info('Connected.')
    void this.#watch()
  }

  /** Hands SEND to the library, and the body around it. The caller looks at `blocked` first. */
  send(headers: Headers, body: Uint8Array): void {
    const destination = this.header(this.#settings.destination)
    this.#socket.nextBody = body
    try {
      this.#client.publish({
        destination,
        headers: libraryHeaders({ ...headers, 'content-length': String(body.length) }),
      })
    } finally {
      // When the library sent nothing, the body must not go out in another frame.
      this.#socket.nextBody = null
    }
  }

  subscribe(headers: Headers): void {
    this.#client.subscribe(
      this.header(this.#settings.destination),
      () => {
        this.#withFrame((frame) => {
          this.#user.message(frame)
        })
      },
      libraryHeaders(headers),
    )
  }

  /**
   * SEND within a transaction that is taken back at once: nothing is delivered, and the broker says what it thinks of the
   * destination as far as it looks before a commit.
   */
  rehearse(): void {
    const transaction = this.#client.begin('check')
    this.send({ transaction: transaction.id }, Buffer.from('check'))
    transaction.abort()
  }

  /** `id` is the `ack` header of the MESSAGE in 1.2, else its `message-id`. */
  ack(id: string): void {
    this.#client.ack(this.header(id), '1')
  }

  /**
   * A value as the library must get it: it escapes for 1.2 only, so for 1.1 we do (STOMP 1.1, "Value Encoding").
   * Throws SsmError `message-refused` for what this version cannot express: it would end in the middle of the frame.
   */
  header(value: string): string {
    const impossible = IMPOSSIBLE[this.version]
    if (impossible.some((character) => value.includes(character))) {
      throw new SsmError('message-refused', `a header with a control character cannot go over STOMP ${this.version}`)
    }
    if (this.version !== '1.1') return value
    return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll(':', '\\c')
  }

  /** Stops reading; the other end's silence does not count meanwhile. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#socket.paused) return
    this.#lastActivity = this.#deps.clock.monotonic()
    this.#socket.resume()
  }

  /** DISCONNECT, its receipt, and the end; by force after 5 s. Everything sent before has then reached the broker. */
  async close(): Promise<void> {
    if (this.isOver) return
    this.#closing = true
    this.#socket.resume()
    const late = () => new SsmError('connection-lost', 'DISCONNECT was not answered')
    try {
      await within({ ms: CLOSE_MS, clock: this.#deps.clock, late }, (stop) =>
        Promise.race([this.#client.deactivate(), aborted(stop)]),
      )
    } catch (error) {
      this.#deps.log.debug('Closing the connection by force: %s', messageOf(error))
    }
    this.end(null)
  }

  /** Ends it now, by force. The first reason counts. */
  end(reason: SsmError | null): void {
    if (this.isOver) return
    this.#reason = reason
    this.#over.abort()
    this.#socket.terminate()
    // Its reconnection is off; this only makes it forget the connection. It waits for the socket's end by itself.
    void this.#client.deactivate({ force: true })
    this.#connected?.reject(reason ?? new SsmError('aborted', 'the connection was closed'))
    this.#connected = null
    // The user belongs to the next address when this one did not let us in.
    if (!this.#established) return
    this.#deps.log.info('Disconnected from broker.')
    this.#user.ended(reason)
  }

  #createClient(): Client {
    const { heartBeat, login, durable } = this.#settings
    const client = new Client()
    client.webSocketFactory = () => this.#socket
    client.stompVersions = new Versions([Versions.V1_2, Versions.V1_1, Versions.V1_0])
    // No `host`: RabbitMQ takes it for the virtual host and refuses names it does not have; without it the broker's
    // own default counts (seen: RabbitMQ 3.10 `Virtual host '127.0.0.1' access denied`).
    client.connectHeaders = libraryHeaders({
      ...(login === undefined ? {} : { login: login.username, passcode: login.password }),
      // ActiveMQ: a durable subscription belongs to a client of this name.
      ...(durable === undefined ? {} : { 'client-id': durable }),
    })
    client.disconnectHeaders = libraryHeaders({ receipt: DISCONNECT_RECEIPT })
    client.reconnectDelay = 0
    client.heartbeatOutgoing = heartBeat
    client.heartbeatIncoming = heartBeat
    // Its check of the other end's silence goes by the wall clock and cannot be suspended: ours is in `#watch`.
    client.heartbeatToleranceMultiplier = Infinity
    client.discardWebsocketOnCommFailure = true
    // Its log goes nowhere, but it makes the text: raw frames are text already, others are serialised again (1 of 2.5 us a SEND).
    client.logRawCommunication = true
    client.onConnect = () => {
      this.#withFrame((frame) => {
        this.#onConnected(frame)
      })
    }
    client.onStompError = () => {
      this.#withFrame((frame) => {
        this.#onError(frame)
      })
    }
    client.onUnhandledMessage = () => {
      this.#deps.log.debug('Ignoring a message without a subscription')
    }
    return client
  }

  #handshake(stop: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connected = { resolve, reject }
      stop.addEventListener(
        'abort',
        () => {
          reject(toError(stop.reason))
        },
        { once: true },
      )
      this.#client.activate()
    })
  }

  #onConnected(frame: Frame): void {
    const version = frame.headers.get('version') ?? '1.0'
    if (!isVersion(version)) {
      this.end(
        new SsmError(
          'not-the-protocol',
          `${this.#origin.where}: the broker speaks STOMP ${version}, we speak 1.0, 1.1, 1.2`,
        ),
      )
      return
    }
    this.version = version
    this.#socket.version = version
    const [theirs = 0] = (frame.headers.get('heart-beat') ?? '').split(',').map(Number)
    const { heartBeat } = this.#settings
    const agreed = version !== '1.0' && heartBeat > 0 && theirs > 0
    this.#silenceLimit = agreed ? 2 * Math.max(heartBeat, theirs) : 0
    this.#established = true
    this.#connected?.resolve()
    this.#connected = null
  }

  #onError(frame: Frame): void {
    const title = frame.headers.get('message') ?? ''
    const text = frame.body.toString('utf8', 0, 4096)
    const receipt = frame.headers.get('receipt-id')
    const { ownName } = this.#origin
    const unauthorised = /No user for client certificate: *(.*)/.exec(title)
    if (unauthorised === null) this.#deps.log.error('Error message received: %s', withoutTrace(text) || title)
    else this.#deps.log.error('The following certificate is not authorised: %s', unauthorised[1] ?? '')
    if (receipt !== undefined) this.#user.refused(receipt, judgeError(title, text, 'message-refused', ownName))
    // Both specifications: the broker closes after an ERROR. RabbitMQ does not always (seen after `Bad CONNECT`).
    this.end(judgeError(title, text, this.#established ? 'connection-lost' : 'login-refused', ownName))
  }

  #broken(error: SsmError): void {
    const { where } = this.#origin
    if (this.#established) {
      this.end(
        new SsmError('connection-lost', `${where}: the broker sent what we do not take: ${error.message}`, {
          cause: error,
        }),
      )
      return
    }
    const stranger = recogniseStranger(this.#socket.first) ?? `${error.message}, ${quote(this.#socket.first)}`
    this.end(new SsmError('not-the-protocol', notABroker(where, stranger), { cause: error }))
  }

  /** Instead of CONNECTED nothing came, or a few bytes that tell enough. */
  #noAnswer(what: string): SsmError {
    const { where, ownName } = this.#origin
    const stranger = recogniseStranger(this.#socket.first)
    // A broker that drops our certificate may reset the connection before its alert is read.
    const doubt = ownName === null ? '' : `; it may not accept our certificate ${ownName}`
    if (stranger === null) return new SsmError('unreachable', `${where}: ${what}${doubt}`)
    return new SsmError('not-the-protocol', notABroker(where, stranger))
  }

  #closed(error: Error | null): void {
    const { where, ownName } = this.#origin
    if (this.#closing) {
      this.end(null)
    } else if (this.#established) {
      const why = error === null ? 'the broker closed the connection' : judgeSocketError(error, where, ownName).message
      this.end(new SsmError('connection-lost', error === null ? `${where}: ${why}` : why, { cause: error }))
    } else if (error === null) {
      this.end(this.#noAnswer('the connection was closed instead of an answer to CONNECT'))
    } else {
      const judged = judgeSocketError(error, where, ownName)
      this.end(judged.code === 'unreachable' ? this.#noAnswer(messageOf(error)) : judged)
    }
  }

  /** Time-outs and silence. Ends with the session. */
  async #watch(): Promise<void> {
    const { clock } = this.#deps
    const pace = this.#silenceLimit === 0 ? TICK_MS : Math.min(TICK_MS, Math.max(10, this.#silenceLimit / 8))
    try {
      for (;;) {
        await clock.sleep(pace, this.#over.signal)
        this.#guard(() => {
          this.#user.tick()
        })
        if (this.#isSilent()) await this.#confirmSilence()
      }
    } catch (error) {
      if (!isSsmError(error, 'aborted')) this.end(new SsmError('internal', messageOf(error), { cause: error }))
    }
  }

  #isSilent(): boolean {
    if (this.#silenceLimit === 0 || this.#socket.paused) return false
    return this.#deps.clock.monotonic() - this.#lastActivity > this.#silenceLimit
  }

  /** It may be we who were busy: what waits in the socket is read before the judgement. */
  async #confirmSilence(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (!this.#isSilent()) return
    this.end(
      new SsmError(
        'connection-lost',
        `${this.#origin.where}: no heart-beat from the broker for ${this.#silenceLimit} ms`,
      ),
    )
  }

  #withFrame(act: (frame: Frame) => void): void {
    const { frame } = this.#socket
    if (frame === null || this.isOver) return
    this.#guard(() => {
      act(frame)
    })
  }

  /** The library prints and forgets what its callbacks throw: here it ends the connection. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.end(isSsmError(error) ? error : new SsmError('internal', messageOf(error), { cause: error }))
    }
  }
}

function notABroker(where: string, seen: string): string {
  return `${where}: what answers is not a STOMP broker: ${seen}; set [broker] port (or url) to where it speaks STOMP`
}

function quote(first: Buffer): string {
  return `it begins with ${JSON.stringify(first.toString('latin1').slice(0, 32))}`
}

function toError(reason: unknown): SsmError {
  return isSsmError(reason) ? reason : new SsmError('aborted', 'aborted')
}

/** Rejects with the signal's reason. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener(
      'abort',
      () => {
        reject(toError(signal.reason))
      },
      { once: true },
    )
  })
}
