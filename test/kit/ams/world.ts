/**
 * What the server remembers: projects with topics and subscriptions, users with roles. Plain values, so that they can be
 * written to a file and read again; `Map`s and locks are left to `topics` and `subscriptions`.
 */
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { RouteName } from './routes.js'

export type Role = string

export interface Topic {
  readonly name: string
  readonly seq: number
  readonly createdOn: number
  acl: string[]
  /** The offset of the first record that is still there. */
  first: number
  /** Records from `first` on; the empty text is a spoilt one. */
  records: string[]
  /** When each was published, in ms. */
  times: number[]
  messages: number
  bytes: number
  daily: Record<string, number>
  latestPublish: number
  publishRate: number
}

export interface PushConfig {
  type: string
  pushEndpoint: string
  maxMessages: number
  authorizationHeader: { type?: string; value?: string }
  retryPolicy: { type?: string; period?: number }
  verificationHash: string
  verified: boolean
  mattermostUrl: string
  mattermostUsername: string
  mattermostChannel: string
  base64Decode: boolean
}

export interface Subscription {
  readonly name: string
  readonly seq: number
  readonly topic: string
  readonly createdOn: number
  acl: string[]
  deadline: number
  offset: number
  /** One acknowledgement state for everybody: where the last pull ended, and when it was, in whole seconds. */
  nextOffset: number
  pendingAck: number
  push: PushConfig | null
  messages: number
  bytes: number
  latestConsume: number
  consumeRate: number
}

export interface Project {
  readonly name: string
  readonly uuid: string
  readonly createdOn: number
  readonly topics: Record<string, Topic>
  readonly subscriptions: Record<string, Subscription>
}

export interface User {
  readonly name: string
  readonly uuid: string
  token: string
  readonly email: string
  readonly serviceRoles: readonly Role[]
  /** Roles by project. */
  readonly projects: Record<string, readonly Role[]>
  readonly createdOn: number
}

export interface State {
  seq: number
  readonly projects: Record<string, Project>
  readonly users: Record<string, User>
}

/** How the server behaves; each of these the operator of a real one decides, or its age. */
export interface Behaviour {
  /** Where a token is looked for. */
  readonly authOption: 'header' | 'key' | 'both'
  /** Is a publisher or consumer to be in the list of the topic or subscription? */
  readonly perResourceAuth: boolean
  /** `present` answers 500 to a message that is too large, `old` 413. */
  readonly server: 'present' | 'old'
  /** Kafka's `message.max.bytes`. */
  readonly messageMaxBytes: number
  /** What each role may do; `*` is everything. Added to the usual ones. */
  readonly roles: Readonly<Record<Role, readonly (RouteName | '*')[]>>
  /** Routes that somebody in front forbids to everybody. */
  readonly forbidden: readonly RouteName[]
  readonly pushEnabled: boolean
  /** Kafka of the test server never finds an offset by time. */
  readonly timeToOffset: 'found' | 'conflict'
  /** A pull that finds messages takes as long, in ms; the real one half a second. */
  readonly pullTime: number
  /** A write into the topic takes as long, in ms. */
  readonly writeTime: number
  /** How long a pull with `returnImmediately "false"` waits for all its messages, in ms. */
  readonly pullWait: number
  /** This part of the pulls gives fewer messages than there are. */
  readonly shortPulls: number
}

export interface World {
  state: State
  readonly behaviour: Behaviour
  /** ms since 1970; tests move it. */
  now(): number
  /** 0 to 1, the same sequence for the same seed. */
  random(): number
  /** `PROJECT.TOPIC` whenever something was appended; `stop` when waiting is over. */
  readonly events: EventEmitter
  readonly locks: Map<string, Promise<unknown>>
}

export const createState = (): State => ({ seq: 0, projects: {}, users: {} })

export function createWorld(behaviour: Behaviour, state: State, now: () => number, random: () => number): World {
  const events = new EventEmitter()
  events.setMaxListeners(0)
  return { state, behaviour, now, random, events, locks: new Map() }
}

/** A token as the server makes them: 64 hex digits. The same for the same words. */
export const tokenOf = (...words: readonly (string | number)[]): string =>
  createHash('sha256').update(words.join('\0')).digest('hex')

const uuidOf = (...words: readonly string[]): string =>
  tokenOf('uuid', ...words).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/, '$1-$2-$3-$4-$5')

export function addProject(world: World, name: string): Project {
  const made = { name, uuid: uuidOf('project', name), createdOn: world.now(), topics: {}, subscriptions: {} }
  world.state.projects[name] = made
  return made
}

export interface NewUser {
  readonly roles?: readonly Role[]
  readonly serviceRoles?: readonly Role[]
  readonly token?: string
}

/** A user with roles in one project. */
export function addUser(world: World, project: string, name: string, { roles, serviceRoles, token }: NewUser): User {
  const made = {
    name,
    uuid: uuidOf('user', name),
    token: token ?? tokenOf('token', name),
    email: `${name}@example.org`,
    serviceRoles: serviceRoles ?? [],
    projects: roles === undefined ? {} : { [project]: roles },
    createdOn: world.now(),
  }
  world.state.users[name] = made
  return made
}

export const userOfToken = (world: World, token: string): User | undefined =>
  Object.values(world.state.users).find((user) => user.token === token)

export function addTopic(world: World, project: Project, name: string, acl: readonly string[] = []): Topic {
  const made: Topic = {
    name,
    seq: ++world.state.seq,
    createdOn: world.now(),
    acl: [...acl],
    first: 0,
    records: [],
    times: [],
    messages: 0,
    bytes: 0,
    daily: {},
    latestPublish: 0,
    publishRate: 0,
  }
  project.topics[name] = made
  return made
}

export interface NewSubscription {
  readonly topic: string
  readonly deadline?: number
  readonly acl?: readonly string[]
  readonly push?: PushConfig | null
}

/** It begins at the topic's end. */
export function addSubscription(world: World, project: Project, name: string, made: NewSubscription): Subscription {
  const subscription: Subscription = {
    name,
    seq: ++world.state.seq,
    topic: made.topic,
    createdOn: world.now(),
    acl: [...(made.acl ?? [])],
    // 0 or missing is 10; the range is not looked at here.
    deadline: made.deadline === undefined || made.deadline === 0 ? 10 : made.deadline,
    offset: endOf(project.topics[made.topic]),
    nextOffset: 0,
    pendingAck: 0,
    push: made.push ?? null,
    messages: 0,
    bytes: 0,
    latestConsume: 0,
    consumeRate: 0,
  }
  project.subscriptions[name] = subscription
  return subscription
}

/** The offset that the next message will get; 0 for a topic that is gone. */
export const endOf = (topic: Topic | undefined): number =>
  topic === undefined ? 0 : topic.first + topic.records.length

export const secondsText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

/** Moves a subscription; a pending acknowledgement is lost. */
export function moveOffset(subscription: Subscription, offset: number): void {
  subscription.offset = offset
  subscription.nextOffset = 0
  subscription.pendingAck = 0
}
