/**
 * The ARGO Messaging Service: does it answer, who are we there, does the topic or subscription exist, may we use it, where
 * does it stand. Nothing is published, pulled or changed. What the token may not ask is said and not held against it.
 */
import { isIP } from 'node:net'
import { messageOf } from '../../errors.js'
import { filled, silentLogger } from '../../observe/create-log.js'
import type { Logger } from '../../observe/log.js'
import { systemClock } from '../../os/clock.js'
import type { Answer, AmsOperator, AmsSettings, Endpoint, Profile } from '../../transport/ams/index.js'
import { amsSettings } from '../ams-settings.js'
import { checkName } from './broker.js'
import { failed, few, ok, unchecked, warning, type Check, type Finding, type Subject } from './finding.js'
import { loadPair } from './identity.js'

export const AMS_CHECKS: readonly Check[] = [{ about: 'AMS', limit: 120_000, run: checkAms }]

async function checkAms(subject: Subject, signal: AbortSignal): Promise<readonly Finding[]> {
  if (subject.config.ams === undefined) return []
  // Not read when there is a token: whether it is good is said by another check.
  const current = () => loadPair(subject)
  const holder = { current, all: () => [current()], reload: () => Promise.resolve() }
  const parts = { window: { messages: 1, bytes: 1 }, pair: holder, env: subject.program.env }
  const settings = amsSettings(subject.config, parts)
  if (settings === undefined) return []
  const all = await Promise.all(settings.endpoints.map((each) => checkEndpoint(subject, settings, each, signal)))
  return all.flat()
}

async function checkEndpoint(
  subject: Subject,
  settings: AmsSettings,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { createAmsOperator, endpointText } = await import('../../transport/ams/index.js')
  const about = `AMS ${endpointText(endpoint)}`
  const findings: Finding[] = []
  if (isIP(endpoint.host) === 0) {
    const named = await checkName(about, endpoint.host)
    findings.push(named)
    if (named.level === 'failed') return findings
  }
  const log: Logger = {
    ...silentLogger,
    warning: (format, ...values) => findings.push(warning(about, filled(format, values))),
  }
  await using operator = createAmsOperator(settings, endpoint, { log, clock: systemClock })
  try {
    for await (const finding of look({ subject, settings, operator, about, signal })) findings.push(finding)
  } catch (error) {
    findings.push(failed(about, messageOf(error)))
  }
  return findings
}

interface Looking {
  readonly subject: Subject
  readonly settings: AmsSettings
  readonly operator: AmsOperator
  readonly about: string
  readonly signal: AbortSignal
}

/** Step by step; ends where going on makes no sense. */
async function* look(looking: Looking): AsyncGenerator<Finding, void, undefined> {
  const { operator, about, signal, settings } = looking
  const status = await operator.status(signal)
  if (!status.ok && status.refusal.status === 0) {
    yield failed(about, status.refusal.words, 'check [broker] host, then the firewall and https_proxy')
    return
  }
  const plain = settings.endpoints.some((each) => each.plain === true)
  const says = status.ok ? `its status is ${status.value}` : status.refusal.words
  const text = `service: it answers${plain ? '' : ', with a certificate that is accepted'}; ${says}`
  yield status.ok && status.value === 'ok' ? ok(about, text) : warning(about, text, 'ask its operator')
  const profile = await operator.profile(signal)
  if (!profile.ok && profile.refusal.kind !== 'forbidden') {
    yield failed(about, `token: ${profile.refusal.words}`, tokenRemedy(settings))
    return
  }
  yield* whoAmI(looking, profile)
  if (looking.subject.role === 'sender') yield* checkTopic(looking, profile)
  else yield* checkSubscription(looking, profile)
}

function tokenRemedy({ credentials }: AmsSettings): string {
  if (credentials.kind === 'x509')
    return 'check authn_host and authn_port; else ask the operator to bind our certificate'
  return 'check token or token_file; else ask the operator for a token'
}

/** By the names the service comes with; what each role may do is its operator's choice. */
const ROLES = { sender: ['publisher', 'project_admin'], receiver: ['consumer', 'project_admin'] } as const

function* whoAmI({ about, settings, subject }: Looking, profile: Answer<Profile>): Generator<Finding, void, undefined> {
  const how = { token: 'the token', file: 'the token of token_file', x509: 'the certificate, exchanged for a token,' }
  if (!profile.ok) {
    yield unchecked(about, `who am I: ${how[settings.credentials.kind]} may not ask`)
    return
  }
  const { name, roles, serviceRoles } = profile.value
  const all = [...roles, ...serviceRoles]
  const text = `who am I: ${how[settings.credentials.kind]} is user ${name}, in ${settings.project} ${all.join(', ') || 'without a role'}`
  const wanted = ROLES[subject.role]
  const isFit = all.some((role) => role === 'service_admin' || wanted.some((each) => each === role))
  const remedy = `ask the operator for the role ${wanted[0]} in the project ${settings.project}`
  yield isFit ? ok(about, text) : all.length === 0 ? failed(about, text, remedy) : warning(about, text, remedy)
}

async function* checkTopic(looking: Looking, profile: Answer<Profile>): AsyncGenerator<Finding, void, undefined> {
  const { operator, about, signal, settings } = looking
  const name = settings.destination
  const found = await operator.topic(name, signal)
  yield exists(about, `topic ${name}`, found, 'there')
  if (!found.ok && found.refusal.kind !== 'forbidden') return
  yield* checkList(looking, profile, 'topics', 'publisher')
  const subscribers = await operator.subscribers(name, signal)
  if (!subscribers.ok) return
  const count = subscribers.value.length
  yield count > 0
    ? ok(about, `subscriptions of ${name}: ${count}`)
    : warning(about, `nobody has subscribed to ${name}: what is published now never arrives`, 'tell the operator')
}

async function* checkSubscription(
  looking: Looking,
  profile: Answer<Profile>,
): AsyncGenerator<Finding, void, undefined> {
  const { operator, about, signal, settings } = looking
  const name = settings.destination
  const found = await operator.subscription(name, signal)
  yield exists(about, `subscription ${name}`, found, found.ok ? `there, of topic ${shortName(found.value.topic)}` : '')
  if (!found.ok && found.refusal.kind !== 'forbidden') return
  if (found.ok && found.value.pushEndpoint !== undefined) {
    const text = `subscription ${name} is pushed to ${found.value.pushEndpoint}, and cannot be pulled`
    yield failed(about, text, 'ask the operator for a pull subscription')
  }
  yield* checkList(looking, profile, 'subscriptions', 'consumer')
  yield found.ok
    ? deadlineOf(about, found.value.ackDeadline)
    : unchecked(about, 'deadline for acknowledging: the token may not ask; 10 s are assumed')
  const offsets = await operator.offsets(name, signal)
  if (!offsets.ok) {
    yield unchecked(about, `backlog: ${offsets.refusal.words}`, 'ask the operator for the right to see :offsets')
    return
  }
  const { min, max, current } = offsets.value
  yield ok(about, `backlog: ${max - current} messages (offset ${current} of ${min} to ${max})`)
}

/** Below it, a busy disk is late now and then. */
const SHORT_DEADLINE = 10

function deadlineOf(about: string, seconds: number): Finding {
  const text = `deadline for acknowledging: ${seconds} s`
  return seconds < SHORT_DEADLINE ? warning(about, text, 'ack_deadline = 30 s, or ask the operator') : ok(about, text)
}

function exists(about: string, what: string, found: Answer<unknown>, words: string): Finding {
  if (found.ok) return ok(about, `${what} is ${words}`)
  const { kind, words: why } = found.refusal
  if (kind === 'forbidden') return unchecked(about, `${what}: the token may not look at it`)
  return failed(about, `${what}: ${why}`, 'check [messaging] destination and ams_project; else ask the operator')
}

function* checkList(
  { about, settings, operator }: Looking,
  profile: Answer<Profile>,
  kind: 'topics' | 'subscriptions',
  role: 'publisher' | 'consumer',
): Generator<Finding, void, undefined> {
  // Administrators need not be in the lists.
  if (!profile.ok || !profile.value.roles.includes(role)) return
  const { destination } = settings
  const listed = profile.value[kind]
  if (listed.includes(destination)) yield ok(about, `access list of ${destination}: has ${profile.value.name}`)
  else {
    const others = listed.length === 0 ? 'of none' : `of ${few(listed)}`
    const text = `access list: ${profile.value.name} is not in that of ${destination} (${others})`
    yield failed(about, text, `ask the operator of ${operator.where} to add it`)
  }
}

function shortName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
