/**
 * Configuration: from the administrator's file to typed, checked, explained values.
 *
 * This room never opens keys, certificates or spools and never touches the network: whether what a path names is any
 * good is said by the room that uses it. It throws SsmError `configuration`, once, with everything that is wrong.
 */
import { SsmError } from '../errors.js'
import { checkAcross, isSecure } from './check.js'
import type {
  BrokerConfig,
  CertificatesConfig,
  LoggingConfig,
  MessagingConfig,
  MonitoringConfig,
  PlaceConfig,
  ReceiverConfig,
  SenderConfig,
  StoringConfig,
} from './config.js'
import { readSmallFile } from '../os/small-file.js'
import { isAmsFile, isStompUrl, protocolOf, receiverAmsOf, senderAmsOf } from './load-ams.js'
import { readSecret } from './secret.js'
import { optional } from './optional.js'
import { type Finding, type Findings, sentence } from './finding.js'
import { INI_LIMITS, parseIni, type IniDocument } from './ini.js'
import { createIniValues } from './interpolate.js'
import type { Program } from './option.js'
import { type Effective, type Values, findUnknown, readValues } from './values.js'

export interface Loaded<Config> {
  readonly config: Config
  /** Sentences with file and line. Values from the file are in them: print through `printable`. */
  readonly warnings: readonly string[]
  /** Every option with what it has, for `--print-config`. */
  readonly effective: readonly Effective[]
}

/** Relative paths inside are taken from `cwd`. Throws SsmError `configuration`; its message has a line per problem. */
export function loadSenderConfig(file: string, cwd: string): Loaded<SenderConfig> {
  const { values, findings, password } = read(file, 'sender', cwd)
  return finished(file, findings, values, () => ({
    protocol: protocolOf(values, 'sender'),
    ...optional('ams', senderAmsOf(values)),
    broker: brokerOf(values, password),
    certificates: {
      ...certificatesOf(values),
      serverCerts: values.find('paths', 'certificates', 'server_cert') ?? [],
      verifyServerCert: values.need('boolean', 'certificates', 'verify_server_cert'),
      cipher: values.word('certificates', 'cipher', ['aes128', 'aes192', 'aes256', 'aes128-gcm', 'aes256-gcm']),
      keyTransport: values.word('certificates', 'key_transport', ['pkcs1', 'oaep']),
    },
    messaging: {
      ...messagingOf(values),
      ...optional('maxMessageSize', values.find('size', 'messaging', 'max_message_size')),
      pathType: values.word('messaging', 'path_type', ['dirq', 'directory']),
      pathTypeGiven: values.isGiven('messaging', 'path_type'),
      ...optional('sentKeep', values.find('duration', 'messaging', 'sent_keep')),
    },
    logging: loggingOf(values),
    daemon: optional('statusSocket', values.find('path', 'daemon', 'status_socket')),
    monitoring: {
      ...monitoringOf(values),
      ...optional('textfile', values.find('path', 'monitoring', 'textfile')),
    },
  }))
}

/** As `loadSenderConfig`. */
export function loadReceiverConfig(file: string, cwd: string): Loaded<ReceiverConfig> {
  const { values, findings, password } = read(file, 'receiver', cwd)
  return finished(file, findings, values, () => ({
    protocol: protocolOf(values, 'receiver'),
    ...optional('ams', receiverAmsOf(values)),
    broker: {
      ...brokerOf(values, password),
      ...optional('listen', values.find('address', 'broker', 'listen')),
      maxConnections: values.need('integer', 'broker', 'max_connections'),
    },
    certificates: {
      ...certificatesOf(values),
      checkCrls: values.need('boolean', 'certificates', 'check_crls'),
      crlPolicy: values.word('certificates', 'crl_policy', ['hold', 'require']),
      holdKeep: values.need('duration', 'certificates', 'hold_keep'),
      dnWildcards: values.need('boolean', 'certificates', 'dn_wildcards'),
    },
    messaging: {
      ...messagingOf(values),
      ...storingOf(values),
      ...optional('durable', values.find('text', 'messaging', 'durable')),
      maxMessageSize: values.need('size', 'messaging', 'max_message_size'),
    },
    logging: loggingOf(values),
    daemon: {
      pidfile: values.need('path', 'daemon', 'pidfile'),
      detach: values.word('daemon', 'detach', ['auto', 'yes', 'no']),
      ...optional('statusSocket', values.find('path', 'daemon', 'status_socket')),
    },
    monitoring: monitoringOf(values),
  }))
}

/**
 * `[logging]` alone, when that part of the file is good: so that what is wrong with the rest can be logged where
 * operators look. Never throws.
 */
export function findLogging(file: string, program: Program, cwd: string): LoggingConfig | undefined {
  try {
    const { values, findings } = read(file, program, cwd)
    const bad = findings.problems.some(({ section }) => section === 'logging')
    return bad || values.find('path', 'logging', 'logfile') === undefined ? undefined : loggingOf(values)
  } catch (error) {
    if (error instanceof SsmError) return undefined // an unreadable file says so when it is loaded
    throw error
  }
}

const PLACE_KEYS = ['messaging path', 'messaging path_type', 'daemon status_socket']

/**
 * Where a program with this file works, whatever is wrong with the rest: an operator may not be able to read its secrets.
 * Throws SsmError `configuration`.
 */
export function loadPlace(file: string, role: Program, cwd: string): PlaceConfig {
  const { values, findings } = read(file, role, cwd)
  const needed = findings.problems.filter(({ section, key }) => PLACE_KEYS.includes(`${section} ${key ?? ''}`))
  return finished(file, { warnings: [], problems: needed }, values, () => {
    const path = values.need('path', 'messaging', 'path')
    const pathType = role === 'sender' ? values.word('messaging', 'path_type', ['dirq', 'directory']) : 'dirq'
    const daemon = optional('statusSocket', values.find('path', 'daemon', 'status_socket'))
    const keep = role === 'receiver' ? values.find('duration', 'certificates', 'hold_keep') : undefined
    return { role, path, pathType, daemon, ...optional('holdKeep', keep) }
  }).config
}

interface Reading {
  readonly values: Values
  readonly findings: Findings
  readonly password: string | undefined
}

function read(file: string, program: Program, cwd: string): Reading {
  const { bytes, worldReadable } = readSmallFile(file, INI_LIMITS.bytes, `Config file not found at ${file}`)
  const findings: Findings = { warnings: [], problems: [] }
  const document = parseIni(bytes, findings)
  const ini = createIniValues(document, findings)
  const values = readValues(program, ini, findings, cwd)
  findUnknown(document, ini, findings)
  findOtherRole(program, document, findings)
  const secret = values.all.find(({ option, line }) => option.secret === true && line !== undefined)
  if (worldReadable && secret !== undefined) {
    const text = `everybody on this machine can read this secret: chmod o-r ${file}`
    findings.warnings.push({ ...placeOf(secret), text })
  }
  checkAcross(program, values, findings)
  readSecret(values, findings, file, 'messaging', 'token_file')
  const inFile = readSecret(values, findings, file, 'broker', 'password_file')
  return { values, findings, password: inFile ?? values.find('text', 'broker', 'password') }
}

/** The file of the other program is mostly complete enough to work with, on the wrong directory. */
function findOtherRole(program: Program, { sections }: IniDocument, { warnings }: Findings): void {
  const other = program === 'sender' ? 'receiver' : 'sender'
  const section = sections.get(other)
  if (section === undefined || sections.has(program)) return
  const [ours, theirs] = program === 'sender' ? ['ssmsend', 'ssmreceive'] : ['ssmreceive', 'ssmsend']
  const text = `this looks like the file of ${theirs}: that of ${ours} has a section [${program}].`
  warnings.push({ line: section.line, section: other, text })
}

function placeOf({ option, line }: Effective) {
  return { section: option.section, key: option.key, ...(line === undefined ? {} : { line }) }
}

function finished<Config>(file: string, findings: Findings, values: Values, make: () => Config): Loaded<Config> {
  const { problems, warnings } = findings
  if (problems.length > 0) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
    // A misspelled key is only odd by itself, and often the reason why another one is missing.
    const also = warnings.length === 0 ? '' : `\nAlso noticed:${indented(file, warnings)}`
    throw new SsmError('configuration', `The configuration has ${count}:${indented(file, problems)}${also}`)
  }
  return { config: make(), warnings: warnings.map((warning) => sentence(file, warning)), effective: values.all }
}

function indented(file: string, findings: readonly Finding[]): string {
  const inOrder = [...findings].sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity))
  return inOrder.map((finding) => `\n  ${sentence(file, finding)}`).join('')
}

function monitoringOf(values: Values): Omit<MonitoringConfig, 'textfile'> {
  return {
    ...optional('listen', values.find('address', 'monitoring', 'listen')),
    names: (values.find('addresses', 'monitoring', 'names') ?? []).map(({ host }) => host.toLowerCase()),
  }
}

function brokerOf(values: Values, password: string | undefined): BrokerConfig {
  const port = values.find('integer', 'broker', 'port')
  const isAms = isAmsFile(values)
  const hosts = isAms ? [] : (values.find('addresses', 'broker', 'host') ?? [])
  const urls = values.find('urls', 'broker', 'url')?.filter(isStompUrl)
  return {
    // `checkHosts` saw that each has a port.
    addresses: urls ?? hosts.map((entry) => ({ host: entry.host, port: entry.port ?? port ?? 0 })),
    useSsl: urls?.some(({ scheme }) => isSecure(scheme)) ?? values.need('boolean', 'broker', 'use_ssl'),
    verify: values.word('broker', 'verify', ['true', 'warn', 'false']),
    ca: values.need('ca', 'broker', 'ca'),
    heartBeat: values.need('duration', 'broker', 'heart_beat'),
    ...optional('username', values.find('text', 'broker', 'username')),
    ...optional('password', password),
  }
}

function certificatesOf(values: Values): CertificatesConfig {
  return {
    certificate: values.need('path', 'certificates', 'certificate'),
    key: values.need('path', 'certificates', 'key'),
    capath: values.need('path', 'certificates', 'capath'),
    signingPolicy: values.word('certificates', 'signing_policy', ['auto', 'enforce', 'ignore']),
    allowSha1: values.words('certificates', 'allow_sha1', ['certificates', 'crls', 'messages']),
    allowWeak: values.words('certificates', 'allow_weak', ['rsa1024', '3des']),
  }
}

function messagingOf(values: Values): MessagingConfig {
  return {
    destination: values.need('text', 'messaging', 'destination'),
    path: values.need('path', 'messaging', 'path'),
    binary: values.need('boolean', 'messaging', 'binary'),
    window: values.need('integer', 'messaging', 'window'),
    runLock: values.need('boolean', 'messaging', 'run_lock'),
  }
}

/** Messages remembered when `journal_keep` names an age alone. */
const JOURNAL_COUNT = 1_000_000

function storingOf(values: Values): StoringConfig {
  const { age, count = JOURNAL_COUNT } = values.need('keep', 'messaging', 'journal_keep')
  return {
    duplicateWindow: values.need('duration', 'messaging', 'duplicate_window'),
    replay: values.word('messaging', 'replay', ['store', 'reject']),
    journalKeep: { age, count },
    maxSpoolMessages: values.need('integer', 'messaging', 'max_spool_messages'),
    minFreeSpace: values.need('size', 'messaging', 'min_free_space'),
    ...optional('rejectKeep', values.find('duration', 'messaging', 'reject_keep')),
    rejectMaxBytes: values.need('size', 'messaging', 'reject_max_bytes'),
  }
}

function loggingOf(values: Values): LoggingConfig {
  const level = values.word('logging', 'level', ['DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL'])
  return {
    logfile: values.need('path', 'logging', 'logfile'),
    level: level === 'WARN' ? 'WARNING' : level,
    console: values.need('boolean', 'logging', 'console'),
    format: values.word('logging', 'format', ['ssm', 'json']),
  }
}
