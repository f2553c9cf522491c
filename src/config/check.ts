/**
 * What must be true across options: each rule is one function of the values.
 */
import { checkAms } from './check-ams.js'
import type { Finding, Findings } from './finding.js'
import { quoted } from './finding.js'
import type { Program } from './option.js'
import { isLoopback, type UrlScheme } from './parsers.js'
import type { Values } from './values.js'

export interface Context {
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
  checkMonitoring(context)
  const isAms = values.find('text', program, 'protocol') === 'AMS'
  const rules = isAms ? AMS_RULES : program === 'receiver' ? [...RULES, ...RECEIVER_RULES] : RULES
  for (const rule of rules) rule(context)
}

const RULES: readonly Rule[] = [checkProtocol, checkHosts, checkUrl, checkHeartBeat, checkLogin, checkDestination]
const AMS_RULES: readonly Rule[] = [checkAms]
const RECEIVER_RULES: readonly Rule[] = [checkListen, checkTopic]

function checkProtocol({ program, values, problem, warn }: Context): void {
  const protocol = values.find('text', program, 'protocol')
  if (!values.isGiven(program, 'protocol')) {
    warn(program, 'protocol', "No option set for 'protocol'. Defaulting to STOMP.")
  } else if (protocol !== undefined && protocol !== 'STOMP' && protocol !== 'AMS') {
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
  if (listens || values.isGiven('broker', 'url')) return
  if (!values.isGiven('broker', 'host')) {
    problem('broker', 'host', `missing. Name the broker, or set url${program === 'receiver' ? ' or listen' : ''}.`)
  } else if (!values.isGiven('broker', 'port')) {
    const bare = hosts.filter(({ port }) => port === undefined).map(({ host }) => host)
    if (bare.length > 0)
      problem(
        'broker',
        'port',
        `missing, and ${bare.map(quoted).join(', ')} names no port itself: often it is 61614 with TLS, 61613 without.`,
      )
  }
  if (hosts.some(({ port }) => port === 0)) problem('broker', 'host', 'a port is at least 1.')
}

/** Does this scheme bring TLS? */
export function isSecure(scheme: UrlScheme): boolean {
  return scheme === 'stomp+ssl' || scheme === 'wss' || scheme === 'https'
}

/** A URL says everything: what else says the same thing, or another, is one too many. */
function checkUrl({ program, values, problem }: Context): void {
  if (!values.isGiven('broker', 'url')) return
  for (const key of program === 'receiver' ? ['host', 'port', 'listen'] : ['host', 'port']) {
    if (values.isGiven('broker', key)) problem('broker', key, 'url says where the broker is: remove this line, or url.')
  }
  const web = values.find('urls', 'broker', 'url')?.find(({ scheme }) => scheme === 'https' || scheme === 'http')
  if (web !== undefined) {
    problem('broker', 'url', `${web.scheme}:// is AMS: set protocol: AMS (a WebSocket of a broker is wss://).`)
    return
  }
  if (!values.isGiven('broker', 'use_ssl')) return
  const ssl = values.find('boolean', 'broker', 'use_ssl')
  const other = values.find('urls', 'broker', 'url')?.find(({ scheme }) => isSecure(scheme) !== ssl)
  if (other === undefined || ssl === undefined) return
  const words = `${String(ssl)}, and url begins with ${other.scheme}://: remove use_ssl, the url says it.`
  problem('broker', 'use_ssl', words)
}

function checkListen({ values, problem }: Context): void {
  const listen = values.find('address', 'broker', 'listen')
  if (listen === undefined || values.find('boolean', 'broker', 'use_ssl') !== false) return
  if (!isLoopback(listen.host)) {
    const words = 'without TLS only this machine may connect: listen at 127.0.0.1, or set use_ssl: true.'
    problem('broker', 'listen', words)
  }
}

/** Names protect browsers of this network from being led here (DNS rebinding); and whoever writes them means it. */
function checkMonitoring({ values, problem }: Context): void {
  const listen = values.find('address', 'monitoring', 'listen')
  const named = values.isGiven('monitoring', 'names')
  if (listen === undefined) {
    if (named) problem('monitoring', 'names', 'needs listen.')
  } else if (!isLoopback(listen.host) && !named) {
    const words =
      'other machines may then look, without a login: set names to the host names by which they ask, or listen at 127.0.0.1.'
    problem('monitoring', 'listen', words)
  }
}

function checkHeartBeat({ values, problem, warn }: Context): void {
  const beat = values.find('duration', 'broker', 'heart_beat')
  if (beat !== undefined && beat > 0 && beat < 1000) problem('broker', 'heart_beat', 'write 0 (off) or at least 1 s.')
  const web = values.find('urls', 'broker', 'url')?.some(({ scheme }) => scheme === 'ws' || scheme === 'wss') === true
  // RabbitMQ 3.10 (web_stomp.ws_opts.idle_timeout), and proxies alike.
  if (web && (beat === 0 || (beat ?? 0) >= 60_000)) {
    warn('broker', 'heart_beat', 'web servers end a connection that is silent for a minute: write less than 60 s.')
  }
}

function checkLogin({ values, problem, warn }: Context): void {
  const user = values.isGiven('broker', 'username')
  const inline = values.isGiven('broker', 'password')
  const file = values.isGiven('broker', 'password_file')
  if (inline && file) problem('broker', 'password_file', 'write password or password_file, not both.')
  if (user && !inline && !file) problem('broker', 'username', 'needs password_file (or password).')
  if (!user && (inline || file)) problem('broker', inline ? 'password' : 'password_file', 'needs username.')
  if (user && isOpenAbroad(values)) {
    const words =
      'without TLS everybody on the way can read the password: set use_ssl: true (or stomp+ssl, wss in url).'
    warn('broker', 'username', words)
  }
}

/** Is a broker on another machine reached without TLS? */
function isOpenAbroad(values: Values): boolean {
  const open = values.find('boolean', 'broker', 'use_ssl') === false
  const hosts = open ? (values.find('addresses', 'broker', 'host') ?? []) : []
  const urls = (values.find('urls', 'broker', 'url') ?? []).filter(({ scheme }) => !isSecure(scheme))
  return [...hosts, ...urls].some(({ host }) => !isLoopback(host))
}

function checkDestination({ values, problem }: Context): void {
  const destination = values.find('text', 'messaging', 'destination')
  // A frame's header line is limited to 64 KiB; brokers take far less.
  if (destination !== undefined && destination.length > 1024) {
    problem('messaging', 'destination', 'longer than 1024 characters.')
  }
}

/** A topic keeps nothing for who is not there; a queue does. */
function checkTopic({ values, problem, warn }: Context): void {
  const destination = values.find('text', 'messaging', 'destination')
  if (destination === undefined || values.isGiven('broker', 'listen')) return
  const topic = /^\/(?:topic|exchange)\//u.test(destination)
  const durable = values.find('text', 'messaging', 'durable')
  if (durable === undefined) {
    const words = 'messages sent to a topic while this program is away are lost: set durable to a name, or use a queue.'
    if (topic) warn('messaging', 'destination', words)
  } else if (!topic) {
    problem('messaging', 'durable', 'for topics only (/topic/…, /exchange/…): a queue keeps messages by itself.')
  } else if (!/^[\w.-]{1,100}$/u.test(durable)) {
    // It becomes a client id, a queue's name and a header.
    problem('messaging', 'durable', 'write at most 100 letters, digits, dots, dashes and underscores.')
  }
}
