/**
 * Trying a broker without sending or taking anything: TCP, TLS and what it presents, CONNECT. Step by step, so that a
 * person sees how far it goes. Uses the same connection, judgement and session as the real thing.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { SsmError } from '../../errors.js'
import type { TlsMaterial, TransportDeps } from '../port.js'
import { viaText, type Proxy } from '../proxy.js'
import { describe, judgePeer, ownName, peerCertificate, secure } from '../secure.js'
import { openWay } from './dial.js'
import { Session, type SessionUser } from './session.js'
import {
  addressText,
  CONNECT_MS,
  KEPT_OF_OVERSIZED,
  proxyOf,
  SCHEMES,
  schemeOf,
  type Address,
  type StompSettings,
} from './settings.js'
import { upgrade } from './upgrade.js'
import { within } from '../within.js'

/** In this order; `tls` and `web` where the address has them, `destination` when it is asked for. */
export const PROBE_STAGES = ['tcp', 'tls', 'web', 'login', 'destination'] as const
export type ProbeStage = (typeof PROBE_STAGES)[number]

/** A stage that was passed. */
export interface ProbeStep {
  readonly stage: ProbeStage
  /** What was found. Outside text is in it. */
  readonly text: string
  /** Passed, and somebody should look at it. */
  readonly doubt?: string
}

/**
 * How the destination is tried. `send`: a transaction that is taken back (RabbitMQ 3.10, seen: looks at the form of the
 * destination and at the right to configure a queue, which it makes; not at the right to write). `receive`: a
 * subscription that acknowledges nothing (RabbitMQ: hands out one message, which goes back marked as redelivered).
 */
export type Rehearsal = 'send' | 'receive'

/** RabbitMQ 3.10 makes the queue of a SEND on the side: a DISCONNECT right behind it overtakes the refusal (seen). */
const OBJECTION_MS = 1_000
const DAY_MS = 24 * 3600 * 1000
const SOON_MS = 30 * DAY_MS

/** What is gone through on the way to this address. */
export function stagesTo(address: Address, settings: StompSettings): readonly ProbeStage[] {
  const { tls, web } = SCHEMES[schemeOf(address, settings)]
  return PROBE_STAGES.filter((stage) => (stage !== 'tls' || tls) && (stage !== 'web' || web))
}

function connected(socket: Socket, { host, port }: Address, proxy: Proxy | null): ProbeStep {
  const place = proxy === null ? (socket.remoteAddress ?? host) : host
  return { stage: 'tcp', text: `connected to ${place}, port ${port}${viaText(proxy)}` }
}

/** Yields each stage that is passed; throws what a real connection would throw at the one that is not. */
export async function* probeStomp(
  address: Address,
  settings: StompSettings,
  rehearsal: Rehearsal | null,
  deps: TransportDeps,
  signal: AbortSignal,
): AsyncGenerator<ProbeStep, void, undefined> {
  const where = addressText(address)
  const { tls, web } = SCHEMES[schemeOf(address, settings)]
  const material = tls && settings.tls !== null ? await settings.tls() : null
  const proxy = proxyOf(address, settings)
  const late = () =>
    new SsmError('unreachable', `${where}: not connected within ${CONNECT_MS / 1000} s${viaText(proxy)}`)
  const limit = { ms: CONNECT_MS, clock: deps.clock, signal, late }
  let socket: Socket = await within(limit, (stop) => openWay({ address, proxy, material }, stop))
  let session: Session | undefined
  try {
    yield connected(socket, address, proxy)
    if (material !== null) {
      const tcp = socket
      const secured = await within(limit, (stop) => secure(tcp, { ...address, where }, material, deps.log, stop))
      socket = secured
      yield presented(secured, where, material, deps.clock.now())
    }
    const own = material === null ? null : ownName(material)
    const line = { socket, address, own, maxBody: KEPT_OF_OVERSIZED }
    const stream: Duplex = !web ? socket : await within(limit, (stop) => upgrade(line, deps, stop))
    if (web) yield { stage: 'web', text: `a WebSocket at ${where}` }
    const visitor = new Visitor()
    session = new Session({ stream, where, maxBody: KEPT_OF_OVERSIZED, ownName: own }, settings, deps, visitor)
    await session.connect(signal)
    yield { stage: 'login', text: `STOMP ${session.version}, accepted as ${identity(settings, own)}` }
    if (rehearsal === null) return
    await rehearse(session, rehearsal, (ms) => deps.clock.sleep(ms, signal))
    if (visitor.reason !== null) throw visitor.reason
    yield { stage: 'destination', text: REHEARSED[rehearsal] }
  } finally {
    await session?.close()
    socket.destroy()
  }
}

const REHEARSED: Readonly<Record<Rehearsal, string>> = {
  send: 'no objection to a message in a transaction, which was taken back (RabbitMQ does not look at the right to write before a message is really sent)',
  receive: 'no objection to a subscription, which was ended again',
}

async function rehearse(session: Session, rehearsal: Rehearsal, pause: (ms: number) => Promise<void>): Promise<void> {
  if (rehearsal === 'send') {
    session.rehearse()
  } else {
    session.subscribe({
      id: '1',
      ack: 'client-individual',
      'prefetch-count': '1',
      'activemq.prefetchSize': '1',
      // ActiveMQ: of all messages none. RabbitMQ does not know the header.
      selector: '1=0',
    })
  }
  await pause(OBJECTION_MS)
  await session.close()
}

function identity({ login }: StompSettings, own: string | null): string {
  if (login !== undefined) return `user ${login.username}`
  return own ?? 'the broker’s default user'
}

function presented(tls: TLSSocket, where: string, { verify }: TlsMaterial, now: number): ProbeStep {
  const text = `${tls.getProtocol() ?? 'TLS'}, ${describe(tls)}`
  const refusal = judgePeer(tls, where)
  if (refusal !== null) {
    // With `warn` the connection has logged why.
    const doubt = verify === 'false' ? 'the broker is not verified ([broker] verify = false)' : undefined
    return { stage: 'tls', text: `not verified, ${text}`, ...(doubt === undefined ? {} : { doubt }) }
  }
  const left = Date.parse(peerCertificate(tls)?.validTo ?? '') - now
  const doubt = left < SOON_MS ? `the broker’s certificate expires in ${Math.floor(left / DAY_MS)} days` : undefined
  return { stage: 'tls', text: `verified, ${text}`, ...(doubt === undefined ? {} : { doubt }) }
}

/** Takes nothing; remembers why it was thrown out. */
class Visitor implements SessionUser {
  reason: SsmError | null = null

  message(): void {
    // Never acknowledged: it goes back when the connection ends.
  }

  receipt(): void {
    // Only DISCONNECT asks for one, and the session waits for that.
  }

  refused(_receipt: string, error: SsmError): void {
    this.reason ??= error
  }

  tick(): void {
    // Every wait has its own limit.
  }

  drained(): void {
    // What is written is small.
  }

  ended(reason: SsmError | null): void {
    this.reason ??= reason
  }
}
