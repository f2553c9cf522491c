/**
 * What a program needs to know, typed. Paths are absolute, durations in milliseconds, sizes in bytes.
 */
import type { Address, BrokerUrl } from './parsers.js'

export interface BrokerConfig {
  /** Tried in turn. Empty when a receiver listens itself. */
  readonly addresses: readonly (Address | BrokerUrl)[]
  /** Has any of them TLS? What is no URL has it then. */
  readonly useSsl: boolean
  readonly verify: 'true' | 'warn' | 'false'
  readonly ca: 'both' | 'capath' | 'system' | { readonly file: string }
  /** 0: off. */
  readonly heartBeat: number
  readonly username?: string
  readonly password?: string
}

export interface ReceiverBrokerConfig extends BrokerConfig {
  /** Be the endpoint instead. Port 0: any free one. */
  readonly listen?: Address
  /** With `listen`. */
  readonly maxConnections: number
}

export interface CertificatesConfig {
  readonly certificate: string
  readonly key: string
  readonly capath: string
  readonly allowSha1: readonly ('certificates' | 'crls' | 'messages')[]
  readonly allowWeak: readonly ('rsa1024' | '3des')[]
}

export interface SenderCertificatesConfig extends CertificatesConfig {
  /** Files of the certificates that messages are encrypted for. Empty: they are not encrypted. */
  readonly serverCerts: readonly string[]
  readonly verifyServerCert: boolean
  readonly cipher: 'aes128' | 'aes192' | 'aes256' | 'aes128-gcm' | 'aes256-gcm'
  readonly keyTransport: 'pkcs1' | 'oaep'
}

export interface ReceiverCertificatesConfig extends CertificatesConfig {
  readonly checkCrls: boolean
  readonly crlPolicy: 'hold' | 'require'
}

export interface MessagingConfig {
  readonly destination: string
  /** Sender: the outgoing spool. Receiver: the parent of `incoming` and `reject`. */
  readonly path: string
  readonly binary: boolean
  /** Messages under way at once. */
  readonly window: number
  readonly runLock: boolean
}

export interface SenderMessagingConfig extends MessagingConfig {
  readonly pathType: 'dirq' | 'directory'
  /** false: `path_type` was not written, and dirq is assumed. */
  readonly pathTypeGiven: boolean
  readonly maxMessageSize?: number
}

export interface ReceiverMessagingConfig extends MessagingConfig {
  /** Name of a durable subscription to a topic. */
  readonly durable?: string
  readonly maxMessageSize: number
}

export interface LoggingConfig {
  readonly logfile: string
  readonly level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'
  readonly console: boolean
  readonly format: 'ssm' | 'json'
}

export interface DaemonConfig {
  readonly pidfile: string
  readonly detach: 'auto' | 'yes' | 'no'
}

export interface SenderConfig {
  readonly protocol: 'STOMP'
  readonly broker: BrokerConfig
  readonly certificates: SenderCertificatesConfig
  readonly messaging: SenderMessagingConfig
  readonly logging: LoggingConfig
}

export interface ReceiverConfig {
  readonly protocol: 'STOMP'
  readonly broker: ReceiverBrokerConfig
  readonly certificates: ReceiverCertificatesConfig
  readonly messaging: ReceiverMessagingConfig
  readonly logging: LoggingConfig
  readonly daemon: DaemonConfig
}
