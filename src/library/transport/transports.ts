/** The transports, with the settings that most programs leave as they are. */
import { silentLogger } from '../../observe/create-log.js'
import { systemClock } from '../../os/clock.js'
import { createAmsTransport, type AmsSettings } from '../../transport/ams/index.js'
import {
  createListenerTransport,
  type ListenerSettings,
  type ListenerTransport,
} from '../../transport/listener/index.js'
import type { Transport, TransportDeps } from '../../transport/port.js'
import { createStompTransport, type StompSettings } from '../../transport/stomp/index.js'

/** What must be said; the rest may be. */
export type Chosen<Settings, Defaulted extends keyof Settings> = Omit<Settings, Defaulted> &
  Partial<Pick<Settings, Defaulted>>

const MIB = 1024 * 1024
const WINDOW = { messages: 64, bytes: 32 * MIB }
const SMALL_WINDOW = { messages: 16, bytes: 32 * MIB }
const SILENT: TransportDeps = { log: silentLogger, clock: systemClock }

/** STOMP 1.0 to 1.2 over TCP, TLS or WebSocket. */
export function stompTransport(
  settings: Chosen<StompSettings, 'heartBeat' | 'window' | 'maxMessageSize'>,
  deps: TransportDeps = SILENT,
): Transport {
  return createStompTransport({ heartBeat: 30_000, window: WINDOW, maxMessageSize: 128 * MIB, ...settings }, deps)
}

/** Being the endpoint: receives only. */
export function listenerTransport(
  settings: Chosen<ListenerSettings, 'window' | 'maxConnections' | 'maxMessageSize'>,
  deps: TransportDeps = SILENT,
): ListenerTransport {
  return createListenerTransport({ window: WINDOW, maxConnections: 100, maxMessageSize: 128 * MIB, ...settings }, deps)
}

/** The ARGO Messaging Service. */
export function amsTransport(
  settings: Chosen<AmsSettings, 'window' | 'maxMessageSize' | 'batch' | 'pulling' | 'env'>,
  deps: TransportDeps = SILENT,
): Transport {
  const pulling = { pullMax: 1000, pollMax: 5000, skipPoisoned: true }
  const defaults = { window: SMALL_WINDOW, maxMessageSize: 1_500_000, batch: 1, pulling, env: {} }
  return createAmsTransport({ ...defaults, ...settings }, deps)
}
