/** The part of the configuration that is about the ARGO Messaging Service. */
import type { AmsConfig, AmsEndpoint, ReceiverAmsConfig, SenderAmsConfig, StompUrl } from './config.js'
import { optional } from './optional.js'
import type { Program } from './option.js'
import type { BrokerUrl } from './parsers.js'
import type { Values } from './values.js'

const HTTPS_PORT = 443

export function protocolOf(values: Values, program: Program): 'STOMP' | 'AMS' {
  return values.find('text', program, 'protocol') === 'AMS' ? 'AMS' : 'STOMP'
}

/** Does this file speak AMS? */
export function isAmsFile(values: Values): boolean {
  return values.all.some(({ option, text }) => option.key === 'protocol' && text === 'AMS')
}

export function isStompUrl(url: BrokerUrl): url is StompUrl {
  return url.scheme !== 'https' && url.scheme !== 'http'
}

export function senderAmsOf(values: Values): SenderAmsConfig | undefined {
  if (!isAmsFile(values)) return undefined
  return { ...amsOf(values), batch: values.need('integer', 'messaging', 'batch') }
}

export function receiverAmsOf(values: Values): ReceiverAmsConfig | undefined {
  if (!isAmsFile(values)) return undefined
  return {
    ...amsOf(values),
    pullMax: values.need('integer', 'messaging', 'pull_max'),
    pollMax: values.need('duration', 'messaging', 'poll_max'),
    ...optional('ackDeadline', values.find('duration', 'messaging', 'ack_deadline')),
    skipPoisoned: values.need('boolean', 'messaging', 'skip_poisoned'),
  }
}

function amsOf(values: Values): AmsConfig {
  const port = values.find('integer', 'broker', 'port')
  return {
    endpoints: endpointsOf(values),
    project: values.need('text', 'messaging', 'ams_project'),
    ...optional('token', values.find('text', 'messaging', 'token')),
    ...optional('tokenFile', values.find('path', 'messaging', 'token_file')),
    authn: {
      ...optional('host', values.find('text', 'messaging', 'authn_host')),
      port: values.need('integer', 'messaging', 'authn_port'),
    },
    // Files in the field have the port of a STOMP broker there: the Python program does not look at it.
    ...optional('ignoredPort', port === HTTPS_PORT ? undefined : port),
  }
}

function endpointsOf(values: Values): readonly AmsEndpoint[] {
  const urls = values.find('urls', 'broker', 'url')
  if (urls !== undefined) {
    return urls.map(({ scheme, host, port }) => ({ host, port, ...(scheme === 'http' ? { plain: true } : {}) }))
  }
  const hosts = values.find('addresses', 'broker', 'host') ?? []
  return hosts.map(({ host, port = HTTPS_PORT }) => ({ host, port }))
}
