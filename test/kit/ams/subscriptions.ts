/** Subscriptions: show, list, create, delete, offsets and deadline. */
import { ok, okText, refuse, type Answer } from './answers.js'
import { own, parsed, subscriptionOf, type Call } from './call.js'
import { decodeObject, encode, type Fields } from './go-json.js'
import { pageOf } from './listing.js'
import { newPushConfig } from './push.js'
import {
  addSubscription,
  endOf,
  moveOffset,
  secondsText,
  type PushConfig,
  type Subscription,
  type World,
} from './world.js'

const NO_PUSH: PushConfig = {
  type: '',
  pushEndpoint: '',
  maxMessages: 0,
  authorizationHeader: {},
  retryPolicy: {},
  verificationHash: '',
  verified: false,
  mattermostUrl: '',
  mattermostUsername: '',
  mattermostChannel: '',
  base64Decode: false,
}

const shown = (call: Call, subscription: Subscription) => ({
  name: `/projects/${call.project.name}/subscriptions/${subscription.name}`,
  topic: `/projects/${call.project.name}/topics/${subscription.topic}`,
  pushConfig: subscription.push ?? NO_PUSH,
  ackDeadlineSeconds: subscription.deadline,
  ...(subscription.push?.verified === true ? { pushStatus: `Subscription ${subscription.name} is active` } : {}),
  createdOn: secondsText(subscription.createdOn),
})

export const showSubscription = (_: World, call: Call): Answer => ok(shown(call, subscriptionOf(call)))

export function listSubscriptions(_: World, call: Call): Answer {
  const { items, ...page } = pageOf(call, Object.values(call.project.subscriptions), 'consumer')
  return ok({ subscriptions: items.map((each) => shown(call, each)), ...page })
}

/** The short name in `projects/P/topics/T`. With a slash in front there are five parts. Throws Refusal. */
function topicNamed(full: string): string {
  const parts = full.split('/')
  if (parts.length !== 4 || (parts[0] !== 'projects' && parts[2] !== 'topics')) throw refuse.invalidName('Topic')
  return parts[3] ?? ''
}

export function createSubscription(world: World, call: Call): Answer {
  const wanted = parsed(
    () => {
      const fields = decodeObject(call.body)
      const deadline = fields.integer('ackDeadlineSeconds')
      return { topic: fields.text('topic'), deadline, push: fields.object('pushConfig') }
    },
    () => refuse.invalidArguments('Subscription'),
  )
  const topic = topicNamed(wanted.topic)
  if (own(call.project.topics, topic) === undefined) throw refuse.absent('Topic')
  const push = pushOf(world, wanted.push, null)
  const name = call.route.params.subscription ?? ''
  if (own(call.project.subscriptions, name) !== undefined) throw refuse.exists('Subscription')
  return ok(shown(call, addSubscription(world, call.project, name, { topic, deadline: wanted.deadline, push })))
}

/** null: pulled. Throws Refusal. */
function pushOf(world: World, wanted: Fields, before: PushConfig | null): PushConfig | null {
  if (wanted.size === 0) return null
  if (!world.behaviour.pushEnabled) throw refuse.conflict('Push functionality is currently disabled')
  return newPushConfig(world, wanted, before)
}

export function modifyPushConfig(world: World, call: Call): Answer {
  const wanted = parsed(
    () => decodeObject(call.body).object('pushConfig'),
    () => refuse.invalidArguments('Subscription'),
  )
  const subscription = subscriptionOf(call)
  subscription.push = pushOf(world, wanted, subscription.push)
  return okText('')
}

export function deleteSubscription(_: World, call: Call): Answer {
  const { name, push } = subscriptionOf(call)
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a table of what is there now
  delete call.project.subscriptions[name]
  return okText(push?.verified === true ? encode({ message: `Subscription ${name} deactivated` }, 0) : '')
}

/** A subscription that is behind what is left of its topic is moved by being looked at. */
export function showOffsets(_: World, call: Call): Answer {
  const subscription = subscriptionOf(call)
  const topic = own(call.project.topics, subscription.topic)
  const min = topic?.first ?? 0
  if (subscription.offset < min) moveOffset(subscription, min)
  return ok({ max: endOf(topic), min, current: subscription.offset })
}

/** Out of bounds is an error, and is done nevertheless. */
export function modifyOffset(_: World, call: Call): Answer {
  const offset = parsed(
    () => decodeObject(call.body).integer('offset'),
    () => refuse.invalidArguments('Offset'),
  )
  const subscription = subscriptionOf(call)
  const topic = own(call.project.topics, subscription.topic)
  moveOffset(subscription, offset)
  if (offset < (topic?.first ?? 0) || offset > endOf(topic)) throw refuse.invalidData('Offset out of bounds')
  return okText('')
}

const MILLISECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

export function timeToOffset(world: World, call: Call): Answer {
  const subscription = subscriptionOf(call)
  const text = call.query.get('time') ?? ''
  const time = MILLISECONDS.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw refuse.invalidData('Time is not in valid Zulu format.')
  const topic = own(call.project.topics, subscription.topic)
  const position = topic === undefined ? -1 : topic.times.findIndex((each) => each >= time)
  if (position === -1 || world.behaviour.timeToOffset === 'conflict') {
    throw refuse.conflict("Timestamp is out of bounds for the subscription's topic/partition")
  }
  return okText(encode({ offset: (topic?.first ?? 0) + position }, 0))
}

export function modifyAckDeadline(_: World, call: Call): Answer {
  const wrong = () => refuse.invalidArguments('ackDeadlineSeconds(needs value between 0 and 600)')
  const deadline = parsed(() => decodeObject(call.body).integer('ackDeadlineSeconds'), wrong)
  if (deadline < 0 || deadline > 600) throw wrong()
  subscriptionOf(call).deadline = deadline
  return okText('')
}
