/**
 * What must be true across options: each rule is one function of the values.
 */
import type { Finding, Findings } from './finding.js'
import { quoted } from './finding.js'
import type { Program } from './option.js'
import type { Values } from './values.js'

interface Context {
  readonly program: Program
  readonly values: Values
  readonly problem: Tell
  readonly warn: Tell
}

type Tell = (section: string, key: string, text: string) => void
type Rule = (context: Context) => void

/** Adds what it finds to `findings`. */
export function checkAcross(program: Program, values: Values, findings: Findings): void {
  const to =
    (list: Finding[]): Tell =>
    (section, key, text) => {
      const line = values.lineOf(section, key)
      list.push({ section, key, text, ...(line === undefined ? {} : { line }) })
    }
  const context = { program, values, problem: to(findings.problems), warn: to(findings.warnings) }
  for (const rule of program === 'receiver' ? [...RULES, ...RECEIVER_RULES] : RULES) rule(context)
}

const RULES: readonly Rule[] = [checkProtocol, checkHosts, checkHeartBeat, checkLogin, checkDestination]
const RECEIVER_RULES: readonly Rule[] = [checkListen]

function checkProtocol({ program, values, problem, warn }: Context): void {
  const protocol = values.find('text', program, 'protocol')
  if (!values.isGiven(program, 'protocol')) {
    warn(program, 'protocol', "No option set for 'protocol'. Defaulting to STOMP.")
  } else if (protocol === 'AMS') {
    problem(program, 'protocol', 'AMS comes with the next release.')
  } else if (protocol !== undefined && protocol !== 'STOMP') {
    const shown = quoted(protocol)
    problem(program, 'protocol', `Invalid protocol ${shown} set. Must be either 'STOMP' or 'AMS'.`)
  }
}

function checkHosts({ program, values, problem }: Context): void {
  const listens = program === 'receiver' && values.isGiven('broker', 'listen')
  const hosts = values.find('addresses', 'broker', 'host') ?? []
  if (listens && values.isGiven('broker', 'host')) {
    problem('broker', 'listen', 'a receiver either listens or takes from a broker: remove host, or remove listen.')
  }
  if (listens || values.find('text', program, 'protocol') === 'AMS') return
  if (!values.isGiven('broker', 'host')) {
    problem('broker', 'host', `missing. Name the broker${program === 'receiver' ? ', or set listen' : ''}.`)
  } else if (!values.isGiven('broker', 'port')) {
    const bare = hosts.filter(({ port }) => port === undefined).map(({ host }) => host)
    if (bare.length > 0) problem('broker', 'port', `missing, and ${bare.map(quoted).join(', ')} names no port itself.`)
  }
  if (hosts.some(({ port }) => port === 0)) problem('broker', 'host', 'a port is at least 1.')
}

function checkListen({ values, problem }: Context): void {
  const listen = values.find('address', 'broker', 'listen')
  if (listen === undefined || values.find('boolean', 'broker', 'use_ssl') !== false) return
  if (!isLoopback(listen.host)) {
    const words = 'without TLS only this machine may connect: listen at 127.0.0.1, or set use_ssl: true.'
    problem('broker', 'listen', words)
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/u.test(host)
}

function checkHeartBeat({ values, problem }: Context): void {
  const beat = values.find('duration', 'broker', 'heart_beat')
  if (beat !== undefined && beat > 0 && beat < 1000) problem('broker', 'heart_beat', 'write 0 (off) or at least 1 s.')
}

function checkLogin({ values, problem, warn }: Context): void {
  const user = values.isGiven('broker', 'username')
  const inline = values.isGiven('broker', 'password')
  const file = values.isGiven('broker', 'password_file')
  if (inline && file) problem('broker', 'password_file', 'write password or password_file, not both.')
  if (user && !inline && !file) problem('broker', 'username', 'needs password_file (or password).')
  if (!user && (inline || file)) problem('broker', inline ? 'password' : 'password_file', 'needs username.')
  const hosts = values.find('addresses', 'broker', 'host') ?? []
  const abroad = hosts.some(({ host }) => !isLoopback(host))
  if (user && abroad && values.find('boolean', 'broker', 'use_ssl') === false) {
    warn('broker', 'username', 'without TLS everybody on the way can read the password: set use_ssl: true.')
  }
}

function checkDestination({ values, problem }: Context): void {
  const destination = values.find('text', 'messaging', 'destination')
  // A frame's header line is limited to 64 KiB; brokers take far less.
  if (destination !== undefined && destination.length > 1024) {
    problem('messaging', 'destination', 'longer than 1024 characters.')
  }
}
