/**
 * What a program needs to know, typed. Paths are absolute, durations in milliseconds, sizes in bytes.
 */
import type { Scheme } from '../transport/stomp/settings.js'
import type { Address } from './parsers.js'

/** A broker as a URL. */
export interface StompUrl extends Address {
  readonly scheme: Scheme
  readonly path?: string
}

export interface BrokerConfig {
  /** Tried in turn. Empty when a receiver listens itself, and with AMS. */
  readonly addresses: readonly (Address | StompUrl)[]
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
  readonly signingPolicy: 'auto' | 'enforce' | 'ignore'
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
  readonly holdKeep: number
  readonly dnWildcards: boolean
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
  /** Copies of what was sent are kept so long; undefined: there are none. */
  readonly sentKeep?: number
}

/** Storing once, and the room for it. */
export interface StoringConfig {
  /** 0: off. */
  readonly duplicateWindow: number
  readonly replay: 'store' | 'reject'
  readonly journalKeep: { readonly age: number; readonly count: number }
  /** 0: off. */
  readonly maxSpoolMessages: number
  /** 0: off. */
  readonly minFreeSpace: number
  /** ms. */
  readonly rejectKeep?: number
  /** 0: no limit. */
  readonly rejectMaxBytes: number
}

export interface ReceiverMessagingConfig extends MessagingConfig, StoringConfig {
  /** Name of a durable subscription to a topic. */
  readonly durable?: string
  readonly maxMessageSize: number
}

/** What both programs are told about the ARGO Messaging Service. */
export interface AmsConfig {
  /** Tried in turn. */
  readonly endpoints: readonly AmsEndpoint[]
  readonly project: string
  readonly token?: string
  readonly tokenFile?: string
  /** Who exchanges certificates for tokens; without a host, that of the endpoint. */
  readonly authn: { readonly host?: string; readonly port: number }
  /** [broker] port, when it says something else than 443 and is ignored. */
  readonly ignoredPort?: number
}

export interface AmsEndpoint extends Address {
  /** Without TLS, on this machine. */
  readonly plain?: true
}

export interface SenderAmsConfig extends AmsConfig {
  /** Messages of a request. */
  readonly batch: number
}

export interface ReceiverAmsConfig extends AmsConfig {
  readonly pullMax: number
  readonly pollMax: number
  /** ms. */
  readonly ackDeadline?: number
  readonly skipPoisoned: boolean
}

export interface LoggingConfig {
  readonly logfile: string
  readonly level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'
  readonly console: boolean
  readonly format: 'ssm' | 'json'
}

/** Who may look from outside. */
export interface MonitoringConfig {
  /** undefined: nobody. */
  readonly listen?: Address
  /** Host names that may be asked for; lower case. */
  readonly names: readonly string[]
  /** Of a sender. */
  readonly textfile?: string
}

/** Where a program works: enough to ask it how it is. */
export interface PlaceConfig {
  readonly role: 'sender' | 'receiver'
  readonly path: string
  /** Of a sender. */
  readonly pathType: 'dirq' | 'directory'
  readonly daemon: SenderDaemonConfig
  /** Of a receiver: how long a message is held, ms. undefined: the file has it wrong. */
  readonly holdKeep?: number
}

export interface SenderDaemonConfig {
  /** undefined: in the folder `.ssm` of the spool. */
  readonly statusSocket?: string
}

export interface DaemonConfig extends SenderDaemonConfig {
  readonly pidfile: string
  readonly detach: 'auto' | 'yes' | 'no'
}

export interface SenderConfig {
  readonly protocol: 'STOMP' | 'AMS'
  /** With protocol AMS, and only then. */
  readonly ams?: SenderAmsConfig
  readonly broker: BrokerConfig
  readonly certificates: SenderCertificatesConfig
  readonly messaging: SenderMessagingConfig
  readonly logging: LoggingConfig
  readonly daemon: SenderDaemonConfig
  readonly monitoring: MonitoringConfig
}

export interface ReceiverConfig {
  readonly protocol: 'STOMP' | 'AMS'
  /** With protocol AMS, and only then. */
  readonly ams?: ReceiverAmsConfig
  readonly broker: ReceiverBrokerConfig
  readonly certificates: ReceiverCertificatesConfig
  readonly messaging: ReceiverMessagingConfig
  readonly logging: LoggingConfig
  readonly daemon: DaemonConfig
  readonly monitoring: Omit<MonitoringConfig, 'textfile'>
}
