/**
 * The routes that carrying messages needs, each a function from what is asked to what was answered. `specs` of the server:
 * options of a pull are strings, offsets are numbers, and an acknowledge counts for everything up to its id.
 */
import type { Caller, Route } from './call.js'
import { countOf, isObject, listOf, textOf, type JsonObject } from './json.js'
import { garbled, refused, type Answer } from './refusals.js'
import { PULL_MS } from './settings.js'

/** One message as it was pulled; the body is not decoded yet. */
export interface Pulled {
  /** Its place in the subscription. */
  readonly offset: number
  readonly ackId: string
  readonly messageId: string
  /** Base64 as the publisher wrote it: nobody checked. */
  readonly data: string
  readonly attributes: JsonObject
  /** As the server stamped it. */
  readonly publishTime: string
}

export interface Offsets {
  readonly min: number
  /** The next published message gets it. */
  readonly max: number
  /** The next pull begins here. */
  readonly current: number
}

export interface Subscription {
  readonly name: string
  readonly topic: string
  /** Seconds. */
  readonly ackDeadline: number
  /** Where the service pushes to; absent: it is pulled. */
  readonly pushEndpoint?: string
}

export interface Outbound {
  readonly empaid: string
  readonly data: string
}

/** The path of a topic or subscription; the names were checked by `isResourceName`. */
export function resource(project: string, kind: 'topics' | 'subscriptions', name: string): string {
  return `/projects/${encodeURIComponent(project)}/${kind}/${encodeURIComponent(name)}`
}

async function ask<T>(
  caller: Caller,
  route: Route,
  signal: AbortSignal,
  what: string,
  read: (value: unknown) => T | undefined,
): Promise<Answer<T>> {
  const answer = await caller.call(route, signal)
  if (!answer.ok) return answer
  const value = read(answer.value)
  return value === undefined ? refused(garbled(caller.where, 200, what)) : { ok: true, value }
}

/** The ids, in the order of the messages. */
export function publish(
  caller: Caller,
  topic: string,
  messages: readonly Outbound[],
  signal: AbortSignal,
): Promise<Answer<readonly string[]>> {
  // Base64 needs no escape: megabytes need not go through JSON.stringify.
  const items = messages.map(({ empaid, data }) => `{"attributes":${JSON.stringify({ empaid })},"data":"${data}"}`)
  const route: Route = { method: 'POST', path: `${topic}:publish`, body: `{"messages":[${items.join(',')}]}` }
  return ask(caller, route, signal, 'a list of message ids', (value) => {
    const ids = isObject(value) ? listOf(value.messageIds)?.map(textOf) : undefined
    if (ids?.length !== messages.length) return undefined
    return ids.every((id) => id !== undefined && id.length <= 256) ? ids.map((id) => id ?? '') : undefined
  })
}

/** At most `count` messages, from the subscription's offset on; perhaps none though there are some. */
export function pull(
  caller: Caller,
  subscription: string,
  count: number,
  limit: number,
  signal: AbortSignal,
): Promise<Answer<readonly Pulled[]>> {
  // `returnImmediately "false"` waits until all of `count` are there, and everybody else on the topic with it (seen).
  const body = JSON.stringify({ maxMessages: String(count), returnImmediately: 'true' })
  const route: Route = { method: 'POST', path: `${subscription}:pull`, body, ms: PULL_MS, limit }
  return ask(caller, route, signal, 'a list of messages', (value) => {
    const list = isObject(value) ? listOf(value.receivedMessages) : undefined
    if (list === undefined || list.length > count) return undefined
    const messages = list.map(readPulled)
    return isAscending(messages) ? messages : undefined
  })
}

function readPulled(value: unknown): Pulled | undefined {
  if (!isObject(value)) return undefined
  const ackId = textOf(value.ackId) ?? ''
  const digits = /:(\d{1,16})$/u.exec(ackId)?.[1]
  const offset = countOf(Number(digits ?? NaN))
  const message = value.message
  if (offset === undefined || ackId.length > 2048 || !isObject(message)) return undefined
  const attributes = isObject(message.attributes) ? message.attributes : {}
  const messageId = textOf(message.messageId) ?? String(offset)
  const publishTime = textOf(message.publishTime) ?? ''
  return { offset, ackId, messageId, data: textOf(message.data) ?? '', attributes, publishTime }
}

/** The order is what the acknowledge rests on. */
function isAscending(messages: readonly (Pulled | undefined)[]): messages is readonly Pulled[] {
  return messages.every((each, index) => {
    const before = index === 0 ? undefined : messages[index - 1]
    return each !== undefined && (before === undefined || each.offset > before.offset)
  })
}

/** Everything up to this id is done. */
export function acknowledge(
  caller: Caller,
  subscription: string,
  ackId: string,
  signal: AbortSignal,
): Promise<Answer<true>> {
  const body = JSON.stringify({ ackIds: [ackId] })
  const route: Route = { method: 'POST', path: `${subscription}:acknowledge`, body, bodyless: true }
  return ask(caller, route, signal, 'an acknowledgement', (value) =>
    value === null || isObject(value) ? true : undefined,
  )
}

export function offsets(caller: Caller, subscription: string, signal: AbortSignal): Promise<Answer<Offsets>> {
  return ask(caller, { method: 'GET', path: `${subscription}:offsets` }, signal, 'offsets', (value) => {
    if (!isObject(value)) return undefined
    const [min, max, current] = [value.min, value.max, value.current].map(countOf)
    return min === undefined || max === undefined || current === undefined ? undefined : { min, max, current }
  })
}

/** Check first that it lies within min and max: out of bounds, the server answers 400 and sets it nevertheless (seen). */
export function modifyOffset(
  caller: Caller,
  subscription: string,
  offset: number,
  signal: AbortSignal,
): Promise<Answer<true>> {
  const body = JSON.stringify({ offset })
  const route: Route = { method: 'POST', path: `${subscription}:modifyOffset`, body, bodyless: true }
  return ask(caller, route, signal, 'an answer', () => true as const)
}

/** For the whole subscription and everybody. */
export function modifyAckDeadline(
  caller: Caller,
  subscription: string,
  seconds: number,
  signal: AbortSignal,
): Promise<Answer<true>> {
  const body = JSON.stringify({ ackDeadlineSeconds: seconds })
  const route: Route = { method: 'POST', path: `${subscription}:modifyAckDeadline`, body, bodyless: true }
  return ask(caller, route, signal, 'an answer', () => true as const)
}

export function getSubscription(
  caller: Caller,
  subscription: string,
  signal: AbortSignal,
): Promise<Answer<Subscription>> {
  return ask(caller, { method: 'GET', path: subscription }, signal, 'a subscription', readSubscription)
}

export function readSubscription(value: unknown): Subscription | undefined {
  if (!isObject(value)) return undefined
  const [name, topic] = [textOf(value.name), textOf(value.topic)]
  const ackDeadline = countOf(value.ackDeadlineSeconds)
  if (name === undefined || topic === undefined || ackDeadline === undefined) return undefined
  const push = isObject(value.pushConfig) ? (textOf(value.pushConfig.pushEndpoint) ?? '') : ''
  return { name, topic, ackDeadline, ...(push === '' ? {} : { pushEndpoint: push }) }
}

/** Its name. */
export function getTopic(caller: Caller, topic: string, signal: AbortSignal): Promise<Answer<string>> {
  return ask(caller, { method: 'GET', path: topic }, signal, 'a topic', (value) =>
    isObject(value) ? textOf(value.name) : undefined,
  )
}
