/** What a test puts into the server and looks up in it, without HTTP. */
import { append } from './messages.js'
import { storedRecord } from './record.js'
import {
  addProject,
  addSubscription,
  addTopic,
  addUser,
  endOf,
  tokenOf,
  type NewSubscription,
  type NewUser,
  type Project,
  type Subscription,
  type Topic,
  type User,
  type World,
} from './world.js'

/** Tokens of the users that are there from the start, in the lists of all topics and subscriptions made by `Scene`. */
export interface Tokens {
  /** project_admin */
  readonly admin: string
  /** publisher */
  readonly sender: string
  /** consumer */
  readonly receiver: string
  /** `puller`, also a consumer by his ACL, whose role may only pull and acknowledge. */
  readonly puller: string
}

/** A message as it lies in a topic. */
export interface Lying {
  readonly offset: number
  /** As it is stored; the empty text when it is spoilt. */
  readonly record: string
}

export interface Scene {
  readonly world: World
  readonly project: Project
  readonly tokens: Tokens
  /** Throws when it is not there. */
  user(name: string): User
  topic(name: string): Topic
  subscription(name: string): Subscription
  addUser(name: string, user: NewUser): User
  addTopic(name: string): Topic
  addSubscription(name: string, subscription: NewSubscription): Subscription
  /** A new token for a user; the old one is worth nothing. */
  refreshToken(name: string): string
  /** Puts a message into a topic, whatever its attributes. Returns its offset. */
  put(topic: string, data: Uint8Array | string, attributes?: Readonly<Record<string, string>>): number
  /** Puts a spoilt record into a topic: every pull that reaches it fails. Returns its offset. */
  putSpoilt(topic: string): number
  lying(topic: string): readonly Lying[]
  /** What has gone out of retention: records before `offset` are no more. */
  forgetBefore(topic: string, offset: number): void
}

function found<T>(what: string, name: string, table: Readonly<Record<string, T>>): T {
  const value = Object.hasOwn(table, name) ? table[name] : undefined
  if (value === undefined) throw new Error(`the AMS double has no ${what} ${name}`)
  return value
}

/** The roles of the users that are there from the start. */
const USERS: Readonly<Record<keyof Tokens, readonly string[]>> = {
  admin: ['project_admin'],
  sender: ['publisher'],
  receiver: ['consumer'],
  puller: ['puller'],
}

export function createScene(world: World, name: string, subscriptions: Readonly<Record<string, string>>): Scene {
  const fresh = !Object.hasOwn(world.state.projects, name)
  const project = fresh ? addProject(world, name) : found('project', name, world.state.projects)
  if (fresh) for (const [user, roles] of Object.entries(USERS)) addUser(world, name, user, { roles })
  const user = (who: string) => found('user', who, world.state.users)
  const topic = (which: string) => found('topic', which, project.topics)
  const uuids = (...who: readonly string[]) => who.map((each) => user(each).uuid)
  const scene: Scene = {
    world,
    project,
    get tokens() {
      // The table has a user for each.
      return Object.fromEntries(Object.keys(USERS).map((who) => [who, user(who).token])) as unknown as Tokens
    },
    user,
    topic,
    subscription: (which) => found('subscription', which, project.subscriptions),
    addUser: (who, made) => addUser(world, name, who, made),
    addTopic: (which) => addTopic(world, project, which, uuids('sender')),
    addSubscription: (which, made) =>
      addSubscription(world, project, which, { acl: uuids('receiver', 'puller'), ...made }),
    refreshToken(who) {
      const one = user(who)
      one.token = tokenOf('token', one.token)
      return one.token
    },
    put(which, data, attributes = {}) {
      const into = topic(which)
      const offset = endOf(into)
      const message = {
        attributes: new Map(Object.entries(attributes)),
        data: Buffer.from(data as string).toString('base64'),
        publishTime: new Date(world.now()).toISOString(),
      }
      append(world, project, into, storedRecord(String(offset), message))
      return offset
    },
    putSpoilt(which) {
      const into = topic(which)
      append(world, project, into, '')
      return endOf(into) - 1
    },
    lying: (which) => topic(which).records.map((record, at) => ({ offset: topic(which).first + at, record })),
    forgetBefore(which, offset) {
      const from = topic(which)
      const gone = Math.min(Math.max(0, offset - from.first), from.records.length)
      from.records.splice(0, gone)
      from.times.splice(0, gone)
      from.first += gone
    },
  }
  if (fresh) {
    for (const [subscription, of] of Object.entries(subscriptions)) {
      if (!Object.hasOwn(project.topics, of)) scene.addTopic(of)
      scene.addSubscription(subscription, { topic: of })
    }
  }
  return scene
}
