/**
 * Push: what a subscription is told about it, and the check that the endpoint is ours. Delivering is the work of another
 * program, which is not here.
 */
import { okText, refuse, type Answer } from './answers.js'
import { parsed, subscriptionOf, type Call } from './call.js'
import type { Fields } from './go-json.js'
import { tokenOf, type PushConfig, type World } from './world.js'

const RETRY_TYPES = ['linear', 'slowstart']
const HEADER_TYPES = ['autogen', 'disabled']
const DEFAULT_PERIOD = 3000

interface Parts {
  readonly type: string
  readonly endpoint: string
  readonly maxMessages: number
  readonly retry: { readonly type: string; readonly period: number }
  readonly header: string
  readonly mattermost: readonly [url: string, username: string, channel: string]
  readonly base64Decode: boolean
}

const partsOf = (wanted: Fields): Parts => ({
  type: wanted.text('type'),
  endpoint: wanted.text('pushEndpoint'),
  maxMessages: wanted.integer('maxMessages'),
  retry: { type: wanted.object('retryPolicy').text('type'), period: wanted.object('retryPolicy').integer('period') },
  header: wanted.object('authorizationHeader').text('type'),
  mattermost: [wanted.text('mattermostUrl'), wanted.text('mattermostUsername'), wanted.text('mattermostChannel')],
  base64Decode: wanted.flag('base64Decode'),
})

function isHttps(text: string): boolean {
  return URL.canParse(text) && /^https:\/\/[^/]/i.test(text)
}

/** `before`: what the subscription had. Throws Refusal. */
export function newPushConfig(world: World, wanted: Fields, before: PushConfig | null): PushConfig {
  const parts = parsed(
    () => partsOf(wanted),
    () => refuse.invalidArguments('Subscription'),
  )
  const retryType = parts.retry.type === '' ? 'linear' : parts.retry.type
  if (!RETRY_TYPES.includes(retryType)) {
    throw refuse.invalidData(`Retry policy can only be of 'linear' or 'slowstart' type`)
  }
  const period = parts.retry.period <= 0 ? DEFAULT_PERIOD : parts.retry.period
  const common = {
    retryPolicy: retryType === 'slowstart' ? { type: retryType } : { type: retryType, period },
    base64Decode: parts.base64Decode,
  }
  if (parts.type === 'http_endpoint') return { ...common, ...httpPart(world, parts, before) }
  if (parts.type === 'mattermost') return { ...common, ...mattermostPart(parts) }
  throw refuse.invalidData(`Push configuration type can only be of 'http_endpoint' or 'mattermost'`)
}

type Kind = Omit<PushConfig, 'retryPolicy' | 'base64Decode'>

function httpPart(world: World, parts: Parts, before: PushConfig | null): Kind {
  if (!isHttps(parts.endpoint)) throw refuse.invalidData('Push endpoint should be addressed by a valid https url')
  const header = parts.header === '' ? (before?.authorizationHeader.type ?? 'autogen') : parts.header
  if (!HEADER_TYPES.includes(header)) {
    throw refuse.invalidData(`Authorization header type can only be of 'autogen' or 'disabled' type`)
  }
  const same = before?.pushEndpoint === parts.endpoint
  const kept = parts.header === '' ? before?.authorizationHeader.value : undefined
  return {
    type: 'http_endpoint',
    pushEndpoint: parts.endpoint,
    maxMessages: parts.maxMessages === 0 ? (before?.maxMessages ?? 1) : parts.maxMessages,
    authorizationHeader:
      header === 'disabled' ? { type: header } : { type: header, value: kept ?? tokenOf('push', world.random()) },
    verificationHash: same ? before.verificationHash : tokenOf('hash', world.random()),
    verified: same && before.verified,
    mattermostUrl: '',
    mattermostUsername: '',
    mattermostChannel: '',
  }
}

function mattermostPart({ mattermost: [url, username, channel] }: Parts): Kind {
  if (url === '') throw refuse.invalidData('Field mattermostUrl cannot be empty')
  return {
    type: 'mattermost',
    pushEndpoint: '',
    maxMessages: 1,
    authorizationHeader: { type: 'autogen' },
    verificationHash: '',
    verified: true,
    mattermostUrl: url,
    mattermostUsername: username,
    mattermostChannel: channel,
  }
}

/** Asks the endpoint's host for the hash; nothing is delivered before. */
export async function verifyPushEndpoint(world: World, call: Call): Promise<Answer> {
  if (!world.behaviour.pushEnabled) throw refuse.conflict('Push functionality is currently disabled')
  const { push } = subscriptionOf(call)
  if (push?.type !== 'http_endpoint') throw refuse.conflict('Subscription is not in http push mode')
  if (push.verified) throw refuse.conflict('Push endpoint is already verified')
  const said = await fetch(new URL('/ams_verification_hash', push.pushEndpoint), {
    signal: AbortSignal.timeout(10_000),
  })
    .then(async (answer) => (answer.status === 200 ? await answer.text() : undefined))
    .catch((error: unknown) => {
      throw refuse.unverified(String(error))
    })
  if (said === undefined) throw refuse.unverified('Wrong response status code')
  if (said !== push.verificationHash) throw refuse.unverified('Wrong verification hash')
  push.verified = true
  return okText('')
}
