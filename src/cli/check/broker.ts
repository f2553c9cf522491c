/**
 * The other end: name, TCP, TLS and what it presents, login, and the destination when that is asked for. A listener: can its
 * address be bound.
 */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, isIP } from 'node:net'
import { isSsmError, messageOf, systemCode } from '../../errors.js'
import { filled, silentLogger } from '../../observe/create-log.js'
import type { Logger } from '../../observe/log.js'
import { systemClock } from '../../os/clock.js'
import { probeStomp, proxyOf, stagesTo, type ProbeStep, type StompSettings } from '../../transport/index.js'
import { brokerSettings } from '../broker-settings.js'
import { livingHolder } from '../pidfile.js'
import { failed, ok, unchecked, warning, type Check, type Finding, type Subject } from './finding.js'
import { loadPair } from './identity.js'

type Address = StompSettings['addresses'][number]

export const BROKER_CHECKS: readonly Check[] = [
  // Name, TCP, TLS, WebSocket and CONNECT have about 10 s each, the end of a connection 5 s. All addresses at once.
  { about: 'broker', limit: 70_000, run: checkBrokers },
  { about: 'listener', only: 'receiver', run: checkListener },
]

async function checkBrokers(subject: Subject, signal: AbortSignal): Promise<readonly Finding[]> {
  const { addresses } = subject.config.broker
  if (addresses.length === 0) return []
  const settings = settingsOf(subject)
  const all = await Promise.all(addresses.map((address) => checkAddress(subject, address, settings, signal)))
  return all.flat()
}

function settingsOf(subject: Subject): StompSettings {
  const { broker, certificates, messaging } = subject.config
  const pair = loadPair(subject)
  const holder = { current: () => pair, all: () => [pair], reload: () => Promise.resolve() }
  return {
    ...brokerSettings(broker, certificates, holder, subject.program.env),
    destination: messaging.destination,
    window: { messages: 1, bytes: 1 },
    maxMessageSize: 0,
  }
}

async function checkAddress(
  subject: Subject,
  address: Address,
  settings: StompSettings,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const about = `broker ${address.host}:${address.port}`
  const findings: Finding[] = []
  // Through a proxy it is the proxy that looks up the name.
  if (isIP(address.host) === 0 && proxyOf(address, settings) === null) {
    const named = await checkName(about, address.host)
    findings.push(named)
    if (named.level === 'failed') return findings
  }
  const rehearsal = !subject.tryDestination ? null : subject.role === 'sender' ? 'send' : 'receive'
  const log: Logger = {
    ...silentLogger,
    // What a connection warns about (verify = warn, a clock that differs) is worth a look.
    warning: (format, ...values) => findings.push(warning(about, filled(format, values))),
  }
  const stages = stagesTo(address, settings)
  try {
    const deps = { log, clock: systemClock }
    for await (const step of probeStomp(address, settings, rehearsal, deps, signal)) findings.push(passed(about, step))
  } catch (error) {
    const isPassed = (stage: string) => findings.some(({ text }) => text.startsWith(`${stage}: `))
    // Ours, whatever the broker does: it names its remedy itself.
    if (isSsmError(error, 'configuration', 'no-trust')) return [...findings, failed(about, error.message)]
    const stage = stages.find((each) => !isPassed(each)) ?? 'destination'
    return [...findings, failed(about, `${stage}: ${messageOf(error)}`, REMEDIES[stage])]
  }
  if (!stages.includes('tls')) {
    const text = 'TLS is off: what is not encrypted can be read on the way'
    findings.push(warning(about, text, 'set use_ssl = true and the broker’s TLS port'))
  }
  if (rehearsal === null) findings.push(untried(about, subject))
  return findings
}

/** Is the host known? */
export async function checkName(about: string, host: string): Promise<Finding> {
  try {
    const found = await lookup(host, { all: true })
    return ok(about, `name: ${host} is ${found.map(({ address }) => address).join(', ')}`)
  } catch (error) {
    const words = systemCode(error) === 'ENOTFOUND' ? 'is unknown' : `cannot be looked up (${messageOf(error)})`
    return failed(about, `name: ${host} ${words}`, 'check the spelling of [broker] host, and /etc/resolv.conf')
  }
}

function passed(about: string, { stage, text, doubt }: ProbeStep): Finding {
  const line = `${stage}: ${doubt === undefined ? text : `${doubt}; ${text}`}`
  return doubt === undefined ? ok(about, line) : warning(about, line)
}

const REMEDIES: Readonly<Record<ProbeStep['stage'], string>> = {
  tcp: 'check [broker] host and port, then the firewall, then the broker',
  tls: 'check [broker] port and use_ssl; verify, ca and capath say whom to believe',
  web: 'check [broker] url',
  login: 'check port and use_ssl; else ask the broker’s operator to add our certificate or user',
  destination: 'check [messaging] destination; else ask the broker’s operator for the right to use it',
}

function untried(about: string, { role, config: { messaging } }: Subject): Finding {
  const what =
    role === 'sender'
      ? 'no broker lets a right be tried without making the queue if it is not there'
      : 'subscribing would take a message for a moment'
  const text = `destination: ${messaging.destination} was not tried: ${what}`
  return unchecked(about, text, '--try-destination tries it all the same')
}

/** Binds the address for a moment, unless a receiver has it. */
async function checkListener(subject: Subject): Promise<readonly Finding[]> {
  if (subject.role !== 'receiver' || subject.config.broker.listen === undefined) return []
  const about = 'listener'
  const { host, port } = subject.config.broker.listen
  const where = `${host}, port ${port}`
  const server = createServer((socket) => socket.destroy())
  try {
    server.listen({ host, port })
    await once(server, 'listening')
    return [ok(about, `can listen on ${where}`)]
  } catch (error) {
    const running = livingHolder(subject.config.daemon.pidfile, subject.program)
    if (systemCode(error) === 'EADDRINUSE' && running !== null) {
      return [ok(about, `the running receiver, pid ${running}, listens on ${where}`)]
    }
    return [
      failed(about, `cannot listen on ${where}: ${messageOf(error)}`, 'check [broker] listen; end what uses this port'),
    ]
  } finally {
    server.close()
  }
}
