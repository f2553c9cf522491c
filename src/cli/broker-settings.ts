/**
 * From `[broker]` to what the STOMP transport is told, for both programs alike.
 */
import type { BrokerConfig } from '../config/config.js'
import type { StompSettings } from '../transport/stomp/index.js'
import { createTlsMaterial, type PeerCertificates } from './broker-trust.js'
import type { HostPair } from './host-pair.js'

/** The part of the settings that is about reaching the broker and being let in. */
export type BrokerSettings = Pick<StompSettings, 'addresses' | 'tls' | 'login' | 'heartBeat' | 'env'>

/** `pair` and `env` are for TLS: our certificate, and where the system's CAs are; `env` names the proxy, too. */
export function brokerSettings(
  broker: BrokerConfig,
  certificates: PeerCertificates,
  pair: HostPair,
  env: Readonly<Record<string, string | undefined>>,
): BrokerSettings {
  const { addresses, heartBeat, username, password } = broker
  return {
    addresses,
    tls: broker.useSsl ? createTlsMaterial(broker, certificates, pair, env) : null,
    heartBeat,
    env,
    ...(username === undefined || password === undefined ? {} : { login: { username, password } }),
  }
}
