/** What is asked of the service itself: status, version, who am I, metrics. */
import { ok, refuse, type Answer } from './answers.js'
import { assertListed, own, subscriptionOf, topicOf, type Call } from './call.js'
import { secondsText, tokenOf, userOfToken, type User, type World } from './world.js'

const SERVICE_ROLES = ['service_admin', 'admin_viewer']
const seesService = (user: User | undefined): boolean =>
  user?.serviceRoles.some((role) => SERVICE_ROLES.includes(role)) === true

export function status(world: World, call: Call): Answer {
  if (call.query.get('details') === 'true') {
    const user = userOfToken(world, call.token)
    if (user === undefined) throw refuse.forbidden()
    if (!seesService(user)) throw refuse.unauthorized()
  }
  return ok(world.behaviour.pushEnabled ? { status: 'ok' } : { status: 'ok', push_functionality: 'disabled' }, 1)
}

export function version(_: World, call: Call): Answer {
  const shown = {
    build_time: '2026-01-01T00:00:00Z',
    golang: 'go1.21',
    compiler: 'gc',
    os: 'linux',
    architecture: 'amd64',
  }
  const release = seesService(call.user) ? { release: '1.7.0' } : {}
  return ok({ ...shown, ...release, distro: 'Debian GNU/Linux 12 (bookworm)' }, 1)
}

function profileOf(world: World, user: User) {
  const projects = Object.entries(user.projects).map(([name, roles]) => {
    const listed = (each: { readonly acl: readonly string[] }) => each.acl.includes(user.uuid)
    const project = own(world.state.projects, name)
    return {
      project: name,
      roles,
      topics: Object.values(project?.topics ?? {}).filter(listed).map((topic) => topic.name), // prettier-ignore
      subscriptions: Object.values(project?.subscriptions ?? {}).filter(listed).map((each) => each.name), // prettier-ignore
    }
  })
  return {
    uuid: user.uuid,
    ...(projects.length > 0 ? { projects } : {}),
    name: user.name,
    token: user.token,
    email: user.email,
    service_roles: user.serviceRoles,
    created_on: secondsText(user.createdOn),
    modified_on: secondsText(user.createdOn),
  }
}

/** Any good token may ask; a missing and an unknown one are the same. */
export function profile(world: World, call: Call): Answer {
  if (call.user === undefined) throw refuse.unauthorized()
  return ok(profileOf(world, call.user))
}

/** How the authentication service gets a user's token. */
export function userByUuid(world: World, call: Call): Answer {
  const user = Object.values(world.state.users).find(({ uuid }) => uuid === call.route.params.uuid)
  if (user === undefined) throw refuse.absent('User')
  return ok(profileOf(world, user))
}

export function refreshToken(world: World, call: Call): Answer {
  const user = own(world.state.users, call.route.params.user ?? '')
  if (user === undefined) throw refuse.absent('User')
  user.token = tokenOf('token', user.name, world.random())
  return ok(profileOf(world, user))
}

export const showProject = (_: World, { project }: Call): Answer =>
  ok({ name: project.name, created_on: secondsText(project.createdOn), modified_on: secondsText(project.createdOn) })

interface Point {
  readonly timestamp: string
  readonly value: number
}

function metric(name: string, on: string, value: number | readonly Point[], about: string, at: string) {
  const rate = name.endsWith('_rate')
  return {
    metric: name,
    metric_type: rate ? 'rate' : 'counter',
    value_type: rate ? 'float64' : 'int64',
    resource_type: name.split('.')[0],
    resource_name: on,
    timeseries: typeof value === 'number' ? [{ timestamp: at, value }] : value,
    description: about,
  }
}

const pointsOf = (daily: Readonly<Record<string, number>>): Point[] =>
  Object.entries(daily).map(([day, value]) => ({ timestamp: `${day}T00:00:00Z`, value }))

export function projectMetrics(world: World, { project }: Call): Answer {
  const now = secondsText(world.now())
  const topics = Object.values(project.topics)
  const daily: Record<string, number> = {}
  for (const topic of topics) {
    for (const [day, value] of Object.entries(topic.daily)) daily[day] = (daily[day] ?? 0) + value
  }
  const subscriptions = Object.keys(project.subscriptions).length
  return ok({
    metrics: [
      metric('project.number_of_topics', project.name, topics.length, 'Topics of the project', now),
      metric('project.number_of_subscriptions', project.name, subscriptions, 'Subscriptions of the project', now),
      metric('project.number_of_daily_messages', project.name, pointsOf(daily), 'Messages of each day', now),
    ],
  })
}

export function topicMetrics(world: World, call: Call): Answer {
  assertListed(world, call, 'publisher', own(call.project.topics, call.route.params.topic ?? ''))
  const topic = topicOf(call)
  const now = secondsText(world.now())
  const subscriptions = Object.values(call.project.subscriptions).filter((each) => each.topic === topic.name).length
  const latest = secondsText(topic.latestPublish)
  return ok({
    metrics: [
      metric('topic.number_of_subscriptions', topic.name, subscriptions, 'Subscriptions of the topic', now),
      metric('topic.number_of_messages', topic.name, topic.messages, 'Messages published', now),
      metric('topic.number_of_bytes', topic.name, topic.bytes, 'Bytes of data published', now),
      metric('topic.number_of_daily_messages', topic.name, pointsOf(topic.daily), 'Messages of each day', now),
      metric('topic.publishing_rate', topic.name, topic.publishRate, 'Messages per second, lately', latest),
    ],
  })
}

export function subscriptionMetrics(world: World, call: Call): Answer {
  const name = call.route.params.subscription ?? ''
  assertListed(world, call, 'consumer', own(call.project.subscriptions, name))
  const subscription = subscriptionOf(call)
  const now = secondsText(world.now())
  const latest = secondsText(subscription.latestConsume)
  return ok({
    metrics: [
      metric('subscription.number_of_messages', name, subscription.messages, 'Messages handed out', now),
      metric('subscription.number_of_bytes', name, subscription.bytes, 'Bytes of data handed out', now),
      metric('subscription.consumption_rate', name, subscription.consumeRate, 'Messages per second, lately', latest),
    ],
  })
}

/** The node is as busy as nothing at all. */
export function nodeMetrics(world: World): Answer {
  const now = secondsText(world.now())
  return ok({
    metrics: ['ams_node.cpu_usage', 'ams_node.memory_usage'].map((name) => ({
      ...metric(name, 'localhost', [{ timestamp: now, value: 0 }], 'Per cent', now),
      metric_type: 'percentage',
      value_type: 'float64',
    })),
  })
}
