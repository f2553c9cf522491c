/**
 * What every transport keeps, whatever carries the bytes. A test file calls `transportContract` with a way to make a
 * connected pair; each test gets a fresh pair and an empty destination.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSsmError } from '../../src/errors.js'
import type { Sealed } from '../../src/message.js'
import type { Delivery, Publisher, Subscriber, Transport, Window } from '../../src/transport/port.js'

export interface TransportPair extends AsyncDisposable {
  readonly sender: Transport
  readonly receiver: Transport
}

/** Makes two ends of one empty destination. The receiver keeps to `window`. */
export type MakePair = (options: { readonly window: Window }) => Promise<TransportPair>

export interface ContractTraits {
  /** Reason to skip, from `need`. */
  readonly skip?: string | false
  /** Nothing lies in between: a receipt means stored at the far end, so nothing waits there for a subscriber. */
  readonly direct?: boolean
  /** The largest body that it carries, in bytes. */
  readonly largest?: number
  /** How an id arrives that the middle would spoil. */
  readonly spelling?: (id: string) => string
}

const WIDE: Window = { messages: 64, bytes: 32 * 1024 * 1024 }
const DEADLINE = 20_000

/** Tests take any bytes for sealed ones. */
export function sealed(body: Uint8Array | string): Sealed {
  return Buffer.from(body as string) as Uint8Array as Sealed
}

/** A signal that nobody fires. */
export function never(): AbortSignal {
  return new AbortController().signal
}

/** The next `count` deliveries; fails when they do not come in 20 s. `each` is called for every one at once. */
export async function take(
  subscriber: Subscriber,
  count: number,
  each: (delivery: Delivery) => void = (delivery) => {
    delivery.stored()
  },
): Promise<Delivery[]> {
  const taken: Delivery[] = []
  const iterator = subscriber[Symbol.asyncIterator]()
  while (taken.length < count) {
    const next = await Promise.race([iterator.next(), sleep(DEADLINE, null, { ref: false })])
    assert.ok(next !== null, `only ${taken.length} of ${count} deliveries came`)
    assert.ok(next.done !== true, `the subscriber ended after ${taken.length} of ${count} deliveries`)
    taken.push(next.value)
    each(next.value)
  }
  return taken
}

/** Nothing more comes within `ms`. The request is still open: what it gets is to be stored too, with `storeLate`. */
export async function assertQuiet(
  subscriber: Subscriber,
  ms: number,
): Promise<{ readonly storeLate: () => Promise<void> }> {
  const late = subscriber[Symbol.asyncIterator]().next()
  const next = await Promise.race([late.catch(() => 'ended' as const), sleep(ms, 'quiet' as const)])
  assert.equal(next, 'quiet', 'a delivery came that should not have')
  return {
    storeLate: async () => {
      const found = await Promise.race([late, sleep(DEADLINE, null, { ref: false })])
      assert.ok(found !== null && found.done !== true, 'what was asked for before did not come')
      found.value.stored()
    },
  }
}

const digest = (body: Uint8Array) => createHash('sha256').update(body).digest('hex')

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index))

const BODIES: readonly (readonly [string, Buffer])[] = [
  ['one byte', Buffer.from('x')],
  ['line ends', Buffer.from('a\r\nb\nc\rd\r\n\r\n')],
  ['NUL', Buffer.from('a\0b\0\0c')],
  ['only NUL', Buffer.from('\0')],
  ['UTF-8', Buffer.from('grüße, ελληνικά, 日本語 \u2028 \ufeff')],
  ['not UTF-8', Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80])],
  ['every byte', everyByte],
  ['what looks like a frame', Buffer.from('\0\nMESSAGE\nsubscription:1\n\nx\0\n\n')],
  ['10 KB', Buffer.alloc(10_000, 'record ')],
  ['just over one read', Buffer.alloc(65_537, everyByte)],
  ['3 MB', Buffer.alloc(3_000_000, everyByte)],
]

const IDS = [
  '5ba24c88/5ba24c8f0f129d',
  'a:b',
  'a\\b\\n\\c',
  'line\nbreak',
  'say "x" 100%',
  'ünïcode-日本',
  'x=1,y=2 z',
  'ssm-disconnect',
]

type Body = (pair: TransportPair, traits: ContractTraits) => Promise<void>

/** Runs the suite. */
export function transportContract(name: string, makePair: MakePair, traits: ContractTraits = {}): void {
  const options = { skip: traits.skip ?? false, timeout: 60_000 }
  const check = (title: string, body: Body, window = WIDE) =>
    test(title, options, async () => {
      await using pair = await makePair({ window })
      await body(pair, traits)
    })
  describe(`${name}: the contract of transports`, () => {
    check('bodies arrive byte for byte', bodies)
    check('ids arrive as they were sent', ids)
    check('an id may be under way twice', sameIdTwice)
    check('500 messages in flight all get their own receipt, and all arrive', many)
    check('disposing twice is harmless, and publishing afterwards is refused', dispose)
    check('an aborted opening says so', abortedOpening)
    check('an abort ends the iteration quietly', abortedIteration)
    check('an aborted publish says so', abortedPublish)
    if (traits.direct === true) return
    check('no more than the window of messages is handed out', windowOfMessages, { messages: 3, bytes: 1 << 20 })
    check('no more than the window of bytes is handed out', windowOfBytes, { messages: 50, bytes: 25_000 })
    check('a message larger than the window passes alone', largerThanWindow, { messages: 5, bytes: 1_000 })
    check('a released message comes again after reconnecting, a stored one does not', released)
  })
}

interface Ends extends AsyncDisposable {
  readonly publisher: Publisher
  readonly subscriber: Subscriber
}

async function openBoth(pair: TransportPair): Promise<Ends> {
  const subscriber = await pair.receiver.openSubscriber(never())
  const publisher = await pair.sender.openPublisher(never())
  return {
    publisher,
    subscriber,
    async [Symbol.asyncDispose]() {
      await publisher[Symbol.asyncDispose]()
      await subscriber[Symbol.asyncDispose]()
    },
  }
}

const bodies: Body = async (pair, { largest = Infinity }) => {
  await using ends = await openBoth(pair)
  const carried = BODIES.map(([title, body]) => [title, body.subarray(0, Math.min(body.length, largest))] as const)
  const sent = carried.map(([title, body]) => ends.publisher.publish({ id: title, body: sealed(body) }, never()))
  const taken = await take(ends.subscriber, carried.length)
  await Promise.all(sent)
  const arrived = new Map(taken.map(({ id, body }) => [id, body]))
  for (const [title, body] of carried) {
    const got = arrived.get(title)
    assert.ok(got, `${title} did not arrive`)
    assert.equal(digest(got), digest(body), title)
  }
}

const ids: Body = async (pair, { spelling = (id) => id }) => {
  await using ends = await openBoth(pair)
  const sent = IDS.map((id) => ends.publisher.publish({ id, body: sealed('x') }, never()))
  const taken = await take(ends.subscriber, IDS.length)
  await Promise.all(sent)
  assert.deepEqual(taken.map(({ id }) => id).sort(), IDS.map(spelling).sort())
}

const sameIdTwice: Body = async (pair) => {
  await using ends = await openBoth(pair)
  const texts = ['first', 'second', 'third']
  const sent = texts.map((text) => ends.publisher.publish({ id: 'same', body: sealed(text) }, never()))
  const taken = await take(ends.subscriber, 3)
  await Promise.all(sent)
  assert.deepEqual(
    taken.map(({ id }) => id),
    ['same', 'same', 'same'],
  )
  assert.deepEqual(taken.map(({ body }) => Buffer.from(body).toString()).sort(), texts)
}

const many: Body = async (pair) => {
  await using ends = await openBoth(pair)
  const count = 500
  const receipts: string[] = []
  const sent = Array.from({ length: count }, async (_, index) => {
    const id = `m${index}`
    await ends.publisher.publish({ id, body: sealed(`body of ${id}`) }, never())
    receipts.push(id)
  })
  const taken = await take(ends.subscriber, count)
  await Promise.all(sent)
  assert.equal(new Set(receipts).size, count)
  assert.equal(new Set(taken.map(({ id }) => id)).size, count)
  for (const { id, body } of taken) assert.equal(Buffer.from(body).toString(), `body of ${id}`)
}

const dispose: Body = async (pair) => {
  const { publisher, subscriber } = await openBoth(pair)
  await publisher[Symbol.asyncDispose]()
  await publisher[Symbol.asyncDispose]()
  await assert.rejects(publisher.publish({ id: 'late', body: sealed('x') }, never()), (error) =>
    isSsmError(error, 'connection-lost', 'aborted'),
  )
  await subscriber[Symbol.asyncDispose]()
  await subscriber[Symbol.asyncDispose]()
  const end = await subscriber[Symbol.asyncIterator]().next()
  assert.equal(end.done, true)
}

const abortedOpening: Body = async (pair) => {
  const gone = AbortSignal.abort()
  await assert.rejects(pair.sender.openPublisher(gone), (error) => isSsmError(error, 'aborted'))
  await assert.rejects(pair.receiver.openSubscriber(gone), (error) => isSsmError(error, 'aborted'))
}

const abortedIteration: Body = async (pair) => {
  const controller = new AbortController()
  const subscriber = await pair.receiver.openSubscriber(controller.signal)
  const next = subscriber[Symbol.asyncIterator]().next()
  controller.abort()
  assert.equal((await next).done, true)
  await subscriber[Symbol.asyncDispose]()
}

const abortedPublish: Body = async (pair) => {
  await using ends = await openBoth(pair)
  const gone = AbortSignal.abort()
  await assert.rejects(ends.publisher.publish({ id: 'a', body: sealed('x') }, gone), (error) =>
    isSsmError(error, 'aborted'),
  )
}

async function publishAll(pair: TransportPair, messages: readonly (readonly [string, Uint8Array])[]): Promise<void> {
  await using publisher = await pair.sender.openPublisher(never())
  await Promise.all(messages.map(([id, body]) => publisher.publish({ id, body: sealed(body) }, never())))
}

const numbered = (count: number, body: Buffer) =>
  Array.from({ length: count }, (_, index) => [`m${index}`, body] as const)

const windowOfMessages: Body = async (pair) => {
  await publishAll(pair, numbered(10, Buffer.from('x')))
  await using subscriber = await pair.receiver.openSubscriber(never())
  const held = await take(subscriber, 3, () => undefined)
  const { storeLate } = await assertQuiet(subscriber, 300)
  for (const delivery of held) delivery.stored()
  await storeLate()
  await take(subscriber, 6)
}

const windowOfBytes: Body = async (pair) => {
  await publishAll(pair, numbered(6, Buffer.alloc(10_000, 'x')))
  await using subscriber = await pair.receiver.openSubscriber(never())
  const held = await take(subscriber, 2, () => undefined)
  const { storeLate } = await assertQuiet(subscriber, 300)
  for (const delivery of held) delivery.stored()
  await storeLate()
  await take(subscriber, 3)
}

const largerThanWindow: Body = async (pair) => {
  await publishAll(pair, numbered(4, Buffer.alloc(10_000, 'x')))
  await using subscriber = await pair.receiver.openSubscriber(never())
  await take(subscriber, 4)
}

const released: Body = async (pair) => {
  await publishAll(
    pair,
    ['keep', 'give back', 'keep too'].map((id) => [id, Buffer.from(id)] as const),
  )
  {
    await using subscriber = await pair.receiver.openSubscriber(never())
    await take(subscriber, 3, (delivery) => {
      if (delivery.id === 'give back') delivery.release()
      else delivery.stored()
    })
  }
  await using again = await pair.receiver.openSubscriber(never())
  const [delivery] = await take(again, 1)
  assert.equal(delivery?.id, 'give back')
  await assertQuiet(again, 200)
}
