/**
 * From the configuration to what the AMS transport is told, for both programs, the checks and `ssmctl ams` alike.
 */
import type { AmsConfig, ReceiverAmsConfig, ReceiverConfig, SenderConfig } from '../config/config.js'
import { rereadSecret } from '../config/secret.js'
import type { Logger } from '../observe/log.js'
import type { AmsSettings } from '../transport/ams/index.js'
import type { Window } from '../transport/port.js'
import { createPeerTrust, createTlsMaterial } from './broker-trust.js'
import type { HostPair } from './host-pair.js'

/** The window of publishing is of requests; its bytes are limited by the pipeline. */
export interface AmsParts {
  readonly window: Window
  readonly pair: HostPair
  readonly env: Readonly<Record<string, string | undefined>>
}

/** As the server has them when nothing is configured; a sender does not pull. */
const NO_PULLING = { pullMax: 1, pollMax: 5_000, skipPoisoned: false } as const

/** undefined: the configuration is not for AMS. */
export function amsSettings(config: SenderConfig | ReceiverConfig, parts: AmsParts): AmsSettings | undefined {
  const { ams, broker, certificates, messaging } = config
  if (ams === undefined) return undefined
  const { window, pair, env } = parts
  const batch = 'batch' in ams ? ams.batch : 1
  const credentials = credentialsOf(ams)
  const pulling = 'pullMax' in ams ? pullingOf(ams) : NO_PULLING
  return {
    endpoints: ams.endpoints,
    tls:
      credentials.kind === 'x509'
        ? createTlsMaterial(broker, certificates, pair, env)
        : createPeerTrust(broker, certificates, env),
    credentials,
    project: ams.project,
    destination: messaging.destination,
    window,
    maxMessageSize: messaging.maxMessageSize ?? Infinity,
    batch,
    pulling,
    env,
  }
}

function pullingOf({ pullMax, pollMax, skipPoisoned, ackDeadline }: ReceiverAmsConfig): AmsSettings['pulling'] {
  const deadline = ackDeadline === undefined ? {} : { ackDeadline: Math.round(ackDeadline / 1000) }
  return { pullMax, pollMax, skipPoisoned, ...deadline }
}

function credentialsOf({ token, tokenFile, authn }: AmsConfig): AmsSettings['credentials'] {
  if (token !== undefined) return { kind: 'token', token }
  // eslint-disable-next-line @typescript-eslint/require-await -- reading a small file is synchronous, and may throw
  if (tokenFile !== undefined) return { kind: 'file', read: async () => rereadSecret(tokenFile) }
  return { kind: 'x509', ...authn }
}

/** The lines that belong to the beginning of a run. */
export function sayAms({ ams }: SenderConfig | ReceiverConfig, log: Logger): void {
  if (ams === undefined) return
  if (ams.token === undefined && ams.tokenFile === undefined) {
    log.info('No AMS token provided, using cert/key pair instead.')
  }
  if (ams.ignoredPort !== undefined) {
    log.info('[broker] port %s is ignored: AMS is at port 443 unless host or url name another.', ams.ignoredPort)
  }
}
