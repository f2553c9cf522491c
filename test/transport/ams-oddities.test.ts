/** What AMS carries that we did not send, and what it says that its documentation does not: each is a delivery, a sentence, or a wait. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { AmsSettings } from '../../src/transport/ams/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { append } from '../kit/ams/messages.js'
import { startAms, type Ams, type AmsOptions, type FaultRule } from '../kit/ams/index.js'
import { amsTransport, swiftDeps } from '../kit/ams/transport.js'
import { eventually } from '../kit/site.js'
import { refusal, testDeps } from '../kit/transport.js'

async function start(t: TestContext, options: AmsOptions = {}): Promise<Ams> {
  const ams = await startAms(options)
  t.after(() => ams.stop())
  return ams
}

async function receiveAll(ams: Ams, count: number, settings: Partial<AmsSettings> = {}, deps = swiftDeps()) {
  await using subscriber = await amsTransport(ams, 'receiver', settings, deps).openSubscriber(never())
  const deliveries = await take(subscriber, count)
  await eventually('all is acknowledged', () => ams.subscription('ssm').offset === ams.lying('ssm').length)
  return { deliveries, log: deps.log.lines }
}

const recordOf = (message: object): string => JSON.stringify({ publishTime: '2026-01-01T00:00:00Z', ...message })

describe('AMS: messages of others', { timeout: 60_000 }, () => {
  /** A record, and what is handed out. */
  const RECORDS: readonly (readonly [title: string, record: object, id: string, body: string])[] = [
    ['no attributes', { data: 'eA==' }, 'N/A', 'x'],
    ['other attributes only', { attributes: { a: 'b' }, data: 'eA==' }, 'N/A', 'x'],
    ['an empty id', { attributes: { empaid: '' }, data: 'eA==' }, '', 'x'],
    ['no data', { attributes: { empaid: 'i' }, data: '' }, 'i', ''],
    ['a time with no decimals', { attributes: { empaid: 'i' }, data: 'eA==', publishTime: '2026-01-01T00:00:01Z' }, 'i', 'x'],
    ['no time', { attributes: { empaid: 'i' }, data: 'eA==', publishTime: '' }, 'i', 'x'],
    ['a long id', { attributes: { empaid: 'i'.repeat(5000) }, data: 'eA==' }, 'i'.repeat(5000), 'x'],
  ] // prettier-ignore

  test('are handed out as they are', async (t) => {
    for (const [title, record, id, body] of RECORDS) {
      const ams = await start(t)
      append(ams.world, ams.project, ams.topic('ssm'), recordOf(record))
      const { deliveries } = await receiveAll(ams, 1)
      assert.equal(deliveries[0]?.id, id, title)
      assert.equal(Buffer.from(deliveries[0].body).toString(), body, title)
      assert.equal(deliveries[0].brokerId, '0')
    }
  })

  test('what is no Base64 at all is handed out too: it is judged, and does not stop the others', async (t) => {
    const ams = await start(t)
    append(ams.world, ams.project, ams.topic('ssm'), recordOf({ data: '*** not base64 ***' }))
    ams.put('ssm', 'good', { empaid: 'good' })
    const { deliveries } = await receiveAll(ams, 2)
    assert.deepEqual(
      deliveries.map(({ id }) => id),
      ['N/A', 'good'],
    )
  })

  test('one that is larger than the limit is handed out cut, with its size', async (t) => {
    const ams = await start(t)
    ams.put('ssm', Buffer.alloc(300_000, 'x'), { empaid: 'large' })
    ams.put('ssm', 'small', { empaid: 'small' })
    const { deliveries } = await receiveAll(ams, 2, { maxMessageSize: 100_000 })
    assert.equal(deliveries[0]?.truncated, 300_000)
    assert.ok(deliveries[0].body.length <= 100_000)
    assert.equal(deliveries[1]?.truncated, undefined)
  })
})

describe('AMS: requests', { timeout: 120_000 }, () => {
  test('pulls have texts for options, never wait, and stay within pull_max', async (t) => {
    const ams = await start(t)
    for (let n = 0; n < 300; n += 1) ams.put('ssm', 'x', { empaid: `m${n}` })
    await receiveAll(ams, 300, { pulling: { pullMax: 40, pollMax: 500, skipPoisoned: true } })
    const asked: number[] = []
    for (const { route, body } of ams.requests) {
      if (route !== 'subscriptions:pull') continue
      const options = JSON.parse(body) as { maxMessages: unknown; returnImmediately: unknown }
      assert.equal(options.returnImmediately, 'true')
      assert.ok(typeof options.maxMessages === 'string')
      asked.push(Number(options.maxMessages))
    }
    assert.equal(asked[0], 10)
    assert.equal(Math.max(...asked), 40)
  })

  test('pulls of large messages stay below 8 MiB once their size is known', async (t) => {
    const ams = await start(t)
    const size = 700_000
    for (let n = 0; n < 40; n += 1) ams.put('ssm', Buffer.alloc(size, 'x'), { empaid: `m${n}` })
    // Time limits as they are: such an answer takes its time.
    await receiveAll(ams, 40, {}, testDeps())
    const asked = ams.requests.flatMap(({ route, body }) =>
      route === 'subscriptions:pull' ? [Number((JSON.parse(body) as { maxMessages: string }).maxMessages)] : [],
    )
    for (const most of asked.slice(1)) assert.ok(most * size * (4 / 3) <= 8 * 1024 * 1024, asked.join())
  })

  test('one acknowledge for a pull, of its last message', async (t) => {
    const ams = await start(t)
    for (let n = 0; n < 25; n += 1) ams.put('ssm', 'x', { empaid: `m${n}` })
    await receiveAll(ams, 25)
    const acknowledged = ams.requests.flatMap(({ route, body }) =>
      route === 'subscriptions:acknowledge' ? (JSON.parse(body) as { ackIds: string[] }).ackIds : [],
    )
    const offsets = acknowledged.map((id) => Number(id.split(':')[1]))
    assert.deepEqual(offsets, [9, 24])
  })

  test('an empty subscription is looked at less and less, and at once after a message', async (t) => {
    const ams = await start(t)
    const deps = swiftDeps()
    const slept: number[] = []
    const sleepAs = (ms: number, signal?: AbortSignal) => (slept.push(ms), deps.clock.sleep(ms, signal))
    const clock = { ...deps.clock, sleep: sleepAs }
    const transport = amsTransport(ams, 'receiver', { pulling: { pullMax: 100, pollMax: 2000, skipPoisoned: true } }, { ...deps, clock }) // prettier-ignore
    await using subscriber = await transport.openSubscriber(never())
    const first = take(subscriber, 1)
    const polls = () => slept.filter((ms) => ms >= 100 && ms <= 2000)
    await eventually('it polls as slowly as it may', () => polls().filter((ms) => ms === 2000).length >= 2)
    assert.equal(polls()[0], 100)
    assert.deepEqual(
      polls(),
      [...polls()].sort((a, b) => a - b),
    )
    const before = polls().length
    ams.put('ssm', 'x', { empaid: 'm' })
    await first
    await eventually('it polls again', () => polls().length > before + 1)
    assert.ok(polls().slice(before).includes(100), 'quick again after a message')
  })

  test('a request that is never answered ends in time, and is made again', async (t) => {
    for (const on of ['subscriptions:pull', 'subscriptions:acknowledge'] as const) {
      const ams = await start(t)
      ams.put('ssm', 'x', { empaid: 'm' })
      ams.fault({ on, fault: { kind: 'silence' } })
      const { deliveries } = await receiveAll(ams, 1)
      assert.equal(deliveries[0]?.id, 'm')
    }
    const ams = await start(t)
    ams.fault({ on: 'topics:publish', fault: { kind: 'silence' } })
    await using publisher = await amsTransport(ams, 'sender', {}, swiftDeps()).openPublisher(never())
    await publisher.publish({ id: 'm', body: sealed('x') }, never())
    assert.equal(ams.lying('ssm').length, 1)
  })

  test('the service goes away and comes back', async (t) => {
    const ams = await start(t)
    const deps = swiftDeps()
    const transport = amsTransport(ams, 'receiver', {}, deps)
    {
      await using subscriber = await transport.openSubscriber(never())
      ams.put('ssm', 'x', { empaid: 'first' })
      await take(subscriber, 1)
      await eventually('it is acknowledged', () => ams.subscription('ssm').offset === 1)
      await ams.stop()
      await assert.rejects(subscriber[Symbol.asyncIterator]().next(), refusal('connection-lost'))
    }
    await assert.rejects(transport.openSubscriber(never()), refusal('unreachable'))
    await ams.start()
    ams.put('ssm', 'x', { empaid: 'second' })
    await using again = await transport.openSubscriber(never())
    const [delivery] = await take(again, 1)
    assert.equal(delivery?.id, 'second')
  })

  test('sizes: what we let pass the service takes, and no id makes a difference', async (t) => {
    const ams = await start(t, { messageMaxBytes: 1_048_588 })
    await using publisher = await amsTransport(ams, 'sender', { maxMessageSize: 1_048_588 }, swiftDeps()).openPublisher(never()) // prettier-ignore
    let lying = 0
    for (const id of ['i', 'i'.repeat(300), 'ünï日本 '.repeat(20), '"\\'.repeat(50), '<&>'.repeat(50)]) {
      // The largest body that is not refused before it is sent.
      let body = 786_318
      for (;;) {
        const refused = await publisher.publish({ id, body: sealed(Buffer.alloc(body)) }, never()).then(
          () => false,
          (error: unknown) => refusal('cannot-seal', /max_message_size/)(error),
        )
        if (!refused) break
        body -= 3
      }
      lying += 1
      assert.equal(ams.lying('ssm').length, lying, `${id.slice(0, 10)}: ${body}`)
      assert.ok(body > 786_318 - 1000, 'and it is not much less than what the service would take')
    }
    assert.equal(ams.count('topics:publish'), lying, 'nothing was sent in vain')
  })
})

describe('AMS: refusals', { timeout: 120_000 }, () => {
  /** When opening. */
  const OPENING: readonly (readonly [rule: FaultRule['fault'], code: Parameters<typeof refusal>[0], words: RegExp])[] =
    [
      [{ kind: 'status', status: 401 }, 'login-refused', /401/],
      [{ kind: 'status', status: 404 }, 'destination-refused', /ams_project/],
      [{ kind: 'status', status: 404, form: 'text', text: '404 page not found' }, 'not-the-protocol', /no AMS/],
      [{ kind: 'status', status: 200, text: '<html>welcome</html>' }, 'unreachable', /is this AMS/],
      [{ kind: 'status', status: 200, form: 'empty' }, 'unreachable', /is this AMS/],
      [{ kind: 'status', status: 302, form: 'empty' }, 'not-the-protocol', /elsewhere/],
      [{ kind: 'status', status: 503 }, 'unreachable', /503/],
      [{ kind: 'wrong-json' }, 'unreachable', /is this AMS/],
    ]

  test('at the start, in words', async (t) => {
    for (const [fault, code, words] of OPENING) {
      const ams = await start(t)
      ams.fault({ times: Infinity, fault })
      const open = amsTransport(ams, 'receiver', {}, swiftDeps()).openSubscriber(never())
      await assert.rejects(open, refusal(code, words), JSON.stringify(fault))
      const send = amsTransport(ams, 'sender', {}, swiftDeps()).openPublisher(never())
      await assert.rejects(send, refusal(code, words), JSON.stringify(fault))
    }
  })

  test('a token never stands in an error or a line of the log', async (t) => {
    const ams = await start(t)
    const deps = swiftDeps()
    const said: string[] = []
    for (const status of [400, 401, 403, 404, 409, 500, 503]) {
      ams.fault({ times: Infinity, fault: { kind: 'status', status, message: `you sent ${ams.tokens.receiver}` } })
      await amsTransport(ams, 'receiver', {}, deps)
        .openSubscriber(never())
        .then((subscriber) => subscriber[Symbol.asyncDispose]())
        .catch((error: unknown) => said.push(String(error)))
      ams.clearFaults()
    }
    assert.ok(said.length > 3)
    assert.ok(![...said, ...deps.log.lines].join('\n').includes(ams.tokens.receiver))
  })

  test('the topic of a subscription is deleted: said, not retried as a fault of the service', async (t) => {
    const ams = await start(t)
    const subscriber = await amsTransport(ams, 'receiver', {}, swiftDeps()).openSubscriber(never())
    delete ams.project.topics.ssm
    await assert.rejects(subscriber[Symbol.asyncIterator]().next(), refusal('destination-refused', /topic/))
    await subscriber[Symbol.asyncDispose]()
    assert.equal(ams.count('subscriptions:pull'), 1)
  })

  test('too large for an old server: this message only', async (t) => {
    const ams = await start(t, { server: 'old' })
    await using publisher = await amsTransport(ams, 'sender', {}, swiftDeps()).openPublisher(never())
    const large = publisher.publish({ id: 'large', body: sealed(Buffer.alloc(900_000)) }, never())
    await assert.rejects(large, refusal('cannot-seal', /413/))
    await publisher.publish({ id: 'small', body: sealed('x') }, never())
    assert.equal(ams.lying('ssm').length, 1)
  })
})
