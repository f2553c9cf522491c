/**
 * Opening: each address once, in turn, until one lets us in.
 */
import { isSsmError, messageOf, SsmError } from '../../errors.js'
import type { TlsMaterial, Transport, TransportDeps } from '../port.js'
import { ownName } from '../secure.js'
import { within } from '../within.js'
import { viaText } from '../proxy.js'
import { dial } from './dial.js'
import { createHealth, type Health } from './health.js'
import { StompPublisher } from './publisher.js'
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
import { StompSubscriber } from './subscriber.js'

/** A transport to the broker at `settings.addresses`. Opens nothing yet. */
export function createStompTransport(settings: StompSettings, deps: TransportDeps): Transport {
  const health = createHealth(settings.addresses, deps.clock)
  return {
    async openPublisher(signal) {
      const publisher = new StompPublisher(deps)
      // Receipts and errors are all that a sender receives.
      publisher.attach(await openSession(settings, health, deps, publisher, KEPT_OF_OVERSIZED, signal))
      deps.log.info('Will send messages to: %s', settings.destination)
      return publisher
    },
    async openSubscriber(signal) {
      const subscriber = new StompSubscriber(deps, settings.window, signal, settings.durable)
      subscriber.attach(await openSession(settings, health, deps, subscriber, settings.maxMessageSize, signal))
      deps.log.info('Subscribing to: %s', settings.destination)
      return subscriber
    },
  }
}

async function openSession(
  settings: StompSettings,
  health: Health,
  deps: TransportDeps,
  user: SessionUser,
  maxBody: number,
  signal: AbortSignal,
): Promise<Session> {
  const failures: SsmError[] = []
  for (const address of health.inOrder()) {
    try {
      const session = await openAddress(address, settings, deps, user, maxBody, signal)
      health.worked(address)
      return session
    } catch (error) {
      if (!isSsmError(error) || error.code === 'aborted' || error.code === 'configuration') throw error
      const { host, port } = address
      deps.log.warning('Failed to connect to %s:%s: %s', host.includes(':') ? `[${host}]` : host, port, error)
      health.failed(address)
      failures.push(error)
    }
  }
  throw summary(failures)
}

async function openAddress(
  address: Address,
  settings: StompSettings,
  deps: TransportDeps,
  user: SessionUser,
  maxBody: number,
  signal: AbortSignal,
): Promise<Session> {
  const where = addressText(address)
  const scheme = schemeOf(address, settings)
  const material = SCHEMES[scheme].tls ? await tlsMaterial(settings) : null
  // ActiveMQ's plain port does not answer a TLS handshake (5.17, seen): it waits for the rest of a frame.
  const proxy = proxyOf(address, settings)
  const port = material === null ? '' : ', and is this the broker’s TLS port'
  const doubt = proxy === null ? `: does a firewall let us through${port}?` : viaText(proxy)
  const late = () => new SsmError('unreachable', `${where}: not connected within ${CONNECT_MS / 1000} s${doubt}`)
  const stream = await within({ ms: CONNECT_MS, clock: deps.clock, signal, late }, (stop) =>
    dial({ address, scheme, material, maxBody, proxy }, deps, stop),
  )
  const origin = { stream, where, maxBody, ownName: material === null ? null : ownName(material) }
  const session = new Session(origin, settings, deps, user)
  await session.connect(signal)
  return session
}

async function tlsMaterial({ tls }: StompSettings): Promise<TlsMaterial> {
  if (tls === null) throw new SsmError('configuration', 'an address asks for TLS, and there is no certificate for it')
  return await tls()
}

/** One failure speaks for itself; of several, a refusal says more than an unreachable host. */
function summary(failures: readonly SsmError[]): SsmError {
  const telling = failures.find(({ temporary }) => !temporary) ?? failures.at(-1)
  if (telling === undefined) return new SsmError('configuration', 'there is no broker address: set [broker] host')
  if (failures.length === 1) return telling
  return new SsmError(telling.code, `none of ${failures.length} brokers can be used: ${messageOf(telling)}`, {
    cause: telling,
  })
}
