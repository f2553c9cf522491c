/** Publish, pull and acknowledge: the three that move messages. */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { ok, okText, refuse, type Answer } from './answers.js'
import { assertListed, own, parsed, subscriptionOf, topicOf, type Call } from './call.js'
import { decodeObject, fieldsOf, textsOf } from './go-json.js'
import { isTooLarge, publishTimeText, readRecord, receivedText, storedRecord, type Message } from './record.js'
import { endOf, moveOffset, type Project, type Subscription, type Topic, type World } from './world.js'

function messagesOf(body: string): readonly Message[] {
  const list = decodeObject(body).list('messages') ?? []
  return list.map((each) => {
    const fields = fieldsOf(each)
    return { attributes: fields.texts('attributes'), data: fields.text('data') }
  })
}

export async function publish(world: World, call: Call): Promise<Answer> {
  const topic = topicOf(call)
  assertListed(world, call, 'publisher', topic)
  const messages = parsed(
    () => messagesOf(call.body),
    () => refuse.invalidArguments('Message'),
  )
  const ids: string[] = []
  for (const message of messages) {
    if (ids.length === call.failAfter) throw refuse.backend()
    ids.push(await write(world, call.project, topic, message))
  }
  if (ids.length === call.failAfter) throw refuse.backend()
  count(world, topic, messages)
  return ok({ messageIds: ids })
}

/** The id is read before the write: two at a time may get the same. One after the other: a batch can end half way. */
async function write(world: World, project: Project, topic: Topic, message: Message): Promise<string> {
  const id = String(endOf(topic))
  const now = world.now()
  const nanos = (Math.floor(now) % 1000) * 1_000_000 + Math.floor(world.random() * 1_000_000)
  const record = storedRecord(id, { ...message, publishTime: publishTimeText(now, nanos) })
  await (world.behaviour.writeTime > 0 ? sleep(world.behaviour.writeTime) : turn())
  if (isTooLarge(record, world.behaviour.messageMaxBytes)) {
    throw world.behaviour.server === 'old' ? refuse.tooLarge() : refuse.backend()
  }
  append(world, project, topic, record)
  return id
}

/** Puts a record at the end of a topic; the empty text is a spoilt one. */
export function append(world: World, project: Project, topic: Topic, record: string): void {
  topic.records.push(record)
  topic.times.push(world.now())
  world.events.emit(`${project.name}.${topic.name}`)
}

function count(world: World, topic: Topic, messages: readonly Message[]): void {
  const now = world.now()
  const day = new Date(now).toISOString().slice(0, 10)
  topic.messages += messages.length
  topic.bytes += messages.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0)
  topic.daily[day] = (topic.daily[day] ?? 0) + messages.length
  topic.publishRate = rate(messages.length, topic.latestPublish, now)
  topic.latestPublish = now
}

const rate = (amount: number, before: number, now: number): number =>
  before === 0 || now === before ? amount : (amount * 1000) / (now - before)

/** A whole number as Go's `Atoi` reads it, else undefined. */
const wholeNumber = (text: string): number | undefined => (/^[+-]?\d{1,18}$/.test(text) ? Number(text) : undefined)

export async function pull(world: World, call: Call): Promise<Answer> {
  const subscription = subscriptionOf(call)
  const { push } = subscription
  const worker = call.roles.includes('push_worker')
  if (push !== null && !world.behaviour.pushEnabled && worker) {
    throw refuse.conflict('Push functionality is currently disabled')
  }
  if (push !== null && !worker && !call.roles.includes('service_admin')) throw refuse.forbidden()
  assertListed(world, call, 'consumer', subscription)
  const topic = own(call.project.topics, subscription.topic)
  if (topic === undefined) throw refuse.conflict("Subscription's topic doesn't exist")
  const options = parsed(
    () => {
      const fields = decodeObject(call.body)
      return { max: fields.text('maxMessages'), wait: fields.text('returnImmediately') === 'false' }
    },
    () => refuse.invalidArguments('Pull Parameters'),
  )
  const max = Math.max(1, wholeNumber(options.max) ?? 1)
  // Read before the wait, as there: what moves the offset meanwhile is not seen.
  let offset = subscription.offset
  const consume = () => consumed(world, call.project, topic, { offset, max, wait: options.wait })
  let records = await consume()
  if (records === 'behind') {
    offset = topic.first
    moveOffset(subscription, offset)
    records = await consume()
  }
  return received(world, call, subscription, offset, records === 'behind' ? [] : records)
}

interface Consume {
  readonly offset: number
  readonly max: number
  readonly wait: boolean
}

/** One pull on a topic at a time, of whatever subscription. `behind`: the records at the offset are gone. */
async function consumed(world: World, project: Project, topic: Topic, wanted: Consume): Promise<string[] | 'behind'> {
  const name = `${project.name}.${topic.name}`
  const before = world.locks.get(name) ?? Promise.resolve()
  const mine = before.then(() => consumeAlone(world, name, topic, wanted))
  world.locks.set(
    name,
    mine.catch(() => undefined),
  )
  return mine
}

async function consumeAlone(
  world: World,
  name: string,
  topic: Topic,
  { offset, max, wait }: Consume,
): Promise<string[] | 'behind'> {
  const end = endOf(topic)
  if (offset >= end) return []
  if (offset < topic.first) return 'behind'
  const { pullTime, pullWait, shortPulls } = world.behaviour
  if (pullTime > 0) await sleep(pullTime)
  const limit = shortPulls > 0 && world.random() < shortPulls ? Math.floor(world.random() * max) : max
  const until = performance.now() + pullWait
  // Without waiting it takes what was there when it began; with it, whatever comes, until it has all.
  const available = () => Math.min(limit, (wait ? endOf(topic) : end) - offset)
  while (wait && available() < limit) {
    const left = until - performance.now()
    if (left <= 0 || (await appended(world, name, left)) === 'stop') break
  }
  return topic.records.slice(offset - topic.first, offset - topic.first + available())
}

/** Resolves when the topic has grown, when `ms` have passed, or when waiting is over. */
function appended(world: World, name: string, ms: number): Promise<'grown' | 'late' | 'stop'> {
  return new Promise((resolve) => {
    const end = (how: 'grown' | 'late' | 'stop') => () => {
      clearTimeout(timer)
      world.events.off(name, grown)
      world.events.off('stop', stop)
      resolve(how)
    }
    const grown = end('grown')
    const stop = end('stop')
    const timer = setTimeout(end('late'), ms)
    world.events.on(name, grown)
    world.events.on('stop', stop)
  })
}

function received(
  world: World,
  { route, project }: Call,
  subscription: Subscription,
  offset: number,
  records: readonly string[],
): Answer {
  const prefix = `projects/${project.name}/subscriptions/${route.params.subscription ?? ''}`
  // One spoilt record spoils the pull, and the state of acknowledgement stays as it was.
  const list = parsed(
    () =>
      records.map((record, position) => {
        const id = String(offset + position)
        return { ackId: `${prefix}:${id}`, id, message: readRecord(record) }
      }),
    () => refuse.internal('Message retrieved from broker network has invalid JSON Structure'),
  )
  const now = world.now()
  subscription.messages += list.length
  subscription.bytes += list.reduce((sum, { message }) => sum + Buffer.byteLength(message.data), 0)
  subscription.consumeRate = rate(list.length, subscription.latestConsume, now)
  subscription.latestConsume = now
  const text = parsed(
    () => receivedText(list),
    () => refuse.internal('Error exporting data to JSON'),
  )
  subscription.nextOffset = offset + list.length
  subscription.pendingAck = Math.floor(now / 1000)
  return okText(text)
}

/** The offset in an ack id of this project and subscription. Throws what `parsed` turns into a refusal. */
function offsetOf(ackId: string, project: string, subscription: string): number {
  const match = /^projects\/([^/]*)\/subscriptions\/([^/:]*):([+-]?\d{1,18})$/.exec(ackId)
  if (match?.[1] !== project || match[2] !== subscription) throw new Error('not one of ours')
  return Number(match[3])
}

export function acknowledge(world: World, call: Call): Answer {
  const ids = parsed(
    () => {
      const list = decodeObject(call.body).list('AckIds')
      return list === undefined ? undefined : textsOf(list)
    },
    () => refuse.invalidData('Invalid ack parameter'),
  )
  const subscription = subscriptionOf(call)
  const offsets = parsed(
    () => (ids ?? []).map((id) => offsetOf(id, call.project.name, subscription.name)),
    () => refuse.invalidData('Invalid ack id'),
  )
  // Negative ones never become the greatest; an empty list has none.
  const greatest = Math.max(...offsets.filter((offset) => offset >= 0))
  if (greatest < 0) throw refuse.invalidData('Invalid ack id')
  if (subscription.nextOffset === 0) throw refuse.internal('no ack pending')
  if (greatest < subscription.offset || greatest >= subscription.nextOffset) throw refuse.internal('wrong ack')
  const seconds = Math.floor(world.now() / 1000) - subscription.pendingAck
  if (seconds > subscription.deadline) throw refuse.timeout('ack timeout')
  moveOffset(subscription, greatest + 1)
  return okText('{}')
}
