/**
 * What operators ask the service: is it there, who are we, what is in the project, where does a subscription stand.
 * For checks and `ssmctl ams`; the programs themselves need none of it.
 */
import type { TransportDeps } from '../port.js'
import { createCaller, type Caller } from './call.js'
import { countOf, isObject, listOf, textOf } from './json.js'
import { garbled, refused, type Answer } from './refusals.js'
import * as routes from './routes.js'
import { resource } from './routes.js'
import type { AmsSettings, Endpoint } from './settings.js'

/** Who the token belongs to. The answer has the token in it: it is not kept. */
export interface Profile {
  readonly name: string
  readonly serviceRoles: readonly string[]
  /** In our project; none: it has no role there. */
  readonly roles: readonly string[]
  /** Those whose access list has this user. */
  readonly topics: readonly string[]
  readonly subscriptions: readonly string[]
}

export interface Topic {
  readonly name: string
  readonly created: string
}

/** One endpoint and one project. Each answer is a value or a refusal; rejects as `Caller` does. */
export interface AmsOperator extends AsyncDisposable {
  readonly where: string
  /** Its word for how it is: `ok`, `warning`. */
  status(signal: AbortSignal): Promise<Answer<string>>
  profile(signal: AbortSignal): Promise<Answer<Profile>>
  topics(signal: AbortSignal): Promise<Answer<readonly Topic[]>>
  subscriptions(signal: AbortSignal): Promise<Answer<readonly routes.Subscription[]>>
  topic(name: string, signal: AbortSignal): Promise<Answer<string>>
  /** Names of the subscriptions of a topic. */
  subscribers(topic: string, signal: AbortSignal): Promise<Answer<readonly string[]>>
  subscription(name: string, signal: AbortSignal): Promise<Answer<routes.Subscription>>
  offsets(subscription: string, signal: AbortSignal): Promise<Answer<routes.Offsets>>
  /** Check the bounds first. */
  modifyOffset(subscription: string, offset: number, signal: AbortSignal): Promise<Answer<true>>
  /** The first message published at or after this time, ms. */
  offsetAt(subscription: string, time: number, signal: AbortSignal): Promise<Answer<number>>
  pull(subscription: string, count: number, signal: AbortSignal): Promise<Answer<readonly routes.Pulled[]>>
  acknowledge(subscription: string, ackId: string, signal: AbortSignal): Promise<Answer<true>>
}

/** Pages of a list, and entries of a page. */
const PAGES = 100
const PAGE_SIZE = 200
const PULL_LIMIT = 256 * 1024 * 1024

export function createAmsOperator(settings: AmsSettings, endpoint: Endpoint, deps: TransportDeps): AmsOperator {
  const caller = createCaller(settings, endpoint, deps)
  const { project } = settings
  const subscriptionPath = (name: string) => resource(project, 'subscriptions', name)
  const topicPath = (name: string) => resource(project, 'topics', name)
  const root = `/projects/${encodeURIComponent(project)}`
  return {
    where: caller.where,
    status: (signal) => read(caller, '/status', signal, 'a status', (value) => textOf(value.status), true),
    profile: (signal) => read(caller, '/users/profile', signal, 'a profile', (value) => profileOf(value, project)),
    topics: (signal) => listAll(caller, root, 'topics', signal, topicOf),
    subscriptions: (signal) => listAll(caller, root, 'subscriptions', signal, routes.readSubscription),
    topic: (name, signal) => routes.getTopic(caller, topicPath(name), signal),
    subscribers: (name, signal) =>
      read(caller, `${topicPath(name)}/subscriptions`, signal, 'a list of subscriptions', (value) =>
        namesOf(value.subscriptions ?? []),
      ),
    subscription: (name, signal) => routes.getSubscription(caller, subscriptionPath(name), signal),
    offsets: (name, signal) => routes.offsets(caller, subscriptionPath(name), signal),
    modifyOffset: (name, offset, signal) => routes.modifyOffset(caller, subscriptionPath(name), offset, signal),
    offsetAt: (name, time, signal) =>
      // Exactly three decimals and Z, else it is refused (seen): which is what JavaScript writes.
      read(
        caller,
        `${subscriptionPath(name)}:timeToOffset?time=${encodeURIComponent(new Date(time).toISOString())}`,
        signal,
        'an offset',
        (value) => countOf(value.offset),
      ),
    pull: (name, count, signal) => routes.pull(caller, subscriptionPath(name), count, PULL_LIMIT, signal),
    acknowledge: (name, ackId, signal) => routes.acknowledge(caller, subscriptionPath(name), ackId, signal),
    [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose](),
  }
}

async function read<T>(
  caller: Caller,
  path: string,
  signal: AbortSignal,
  what: string,
  convert: (value: Readonly<Record<string, unknown>>) => T | undefined,
  open = false,
): Promise<Answer<T>> {
  const answer = await caller.call({ method: 'GET', path, ...(open ? { open: true } : {}) }, signal)
  if (!answer.ok) return answer
  const value = isObject(answer.value) ? convert(answer.value) : undefined
  return value === undefined ? refused(garbled(caller.where, 200, what)) : { ok: true, value }
}

async function listAll<T>(
  caller: Caller,
  root: string,
  kind: 'topics' | 'subscriptions',
  signal: AbortSignal,
  convert: (value: unknown) => T | undefined,
): Promise<Answer<readonly T[]>> {
  const all: T[] = []
  let page = ''
  for (let count = 0; count < PAGES; count++) {
    const path = `${root}/${kind}?pageSize=${PAGE_SIZE}${page === '' ? '' : `&pageToken=${encodeURIComponent(page)}`}`
    const answer = await read(caller, path, signal, `a list of ${kind}`, (value) => {
      const list = listOf(value[kind] ?? [])?.map(convert)
      if (list === undefined || list.includes(undefined)) return undefined
      return { list: list.filter((each) => each !== undefined), next: textOf(value.nextPageToken) ?? '' }
    })
    if (!answer.ok) return answer
    all.push(...answer.value.list)
    page = answer.value.next
    if (page === '') break
  }
  return { ok: true, value: all }
}

function topicOf(value: unknown): Topic | undefined {
  const name = isObject(value) ? textOf(value.name) : undefined
  return name === undefined || !isObject(value)
    ? undefined
    : { name: last(name), created: textOf(value.created_on) ?? '' }
}

function profileOf(value: Readonly<Record<string, unknown>>, project: string): Profile | undefined {
  const name = textOf(value.name)
  if (name === undefined) return undefined
  const ours = (listOf(value.projects ?? []) ?? []).find((each) => isObject(each) && each.project === project)
  const found = isObject(ours) ? ours : {}
  return {
    name,
    serviceRoles: namesOf(value.service_roles ?? []) ?? [],
    roles: namesOf(found.roles ?? []) ?? [],
    topics: (namesOf(found.topics ?? []) ?? []).map(last),
    subscriptions: (namesOf(found.subscriptions ?? []) ?? []).map(last),
  }
}

function namesOf(value: unknown): readonly string[] | undefined {
  const names = listOf(value)?.map(textOf)
  return names === undefined || names.includes(undefined) ? undefined : names.filter((each) => each !== undefined)
}

/** `/projects/P/topics/T` is T. */
export function last(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
