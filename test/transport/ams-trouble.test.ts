/**
 * Whatever goes wrong between us and AMS: nothing is lost, nothing is acknowledged that is not stored, no acknowledge is
 * repeated blindly. The double says what was really done.
 */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSsmError } from '../../src/errors.js'
import type { AmsSettings } from '../../src/transport/ams/index.js'
import type { Delivery, Publisher, Subscriber, Transport } from '../../src/transport/port.js'
import { never, sealed } from '../contract/transport.js'
import { anyFailure, startAms, type Ams, type AmsOptions, type FaultKind, type FaultRule } from '../kit/ams/index.js'
import type { Tokens } from '../kit/ams/scene.js'
import { amsTransport, swiftDeps } from '../kit/ams/transport.js'

async function start(t: TestContext, options: AmsOptions = {}): Promise<Ams> {
  const ams = await startAms(options)
  t.after(() => ams.stop())
  return ams
}

/** Opens, as often as it takes: the work of `supervise`. */
async function persist<T>(open: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await open()
    } catch (error) {
      if (!isSsmError(error) || tries === 50) throw error
    }
  }
}

interface Received {
  readonly ids: string[]
  readonly log: readonly string[]
}

interface Receiving {
  readonly who?: keyof Tokens
  readonly settings?: Partial<AmsSettings>
  readonly each?: (delivery: Delivery) => void | Promise<void>
  /** It must be done in this time; default 60. */
  readonly seconds?: number
}

/** Receives until `done`, opening again after each loss, as the receiver does. */
async function receive(ams: Ams, done: (received: Received) => boolean, receiving: Receiving = {}): Promise<Received> {
  const deps = swiftDeps()
  const transport = amsTransport(ams, receiving.who ?? 'receiver', receiving.settings, deps)
  const received: Received = { ids: [], log: deps.log.lines }
  const end = new AbortController()
  const timer = setTimeout(
    () => {
      end.abort()
    },
    (receiving.seconds ?? 60) * 1000,
  )
  const over = setInterval(() => {
    if (done(received)) end.abort()
  }, 5)
  try {
    while (!end.signal.aborted) await receiveOnce(transport, end.signal, received, receiving.each)
  } finally {
    clearTimeout(timer)
    clearInterval(over)
  }
  assert.ok(done(received), `it did not come to an end: ${received.ids.join()}\n${received.log.join('\n')}`)
  return received
}

async function receiveOnce(
  transport: Transport,
  signal: AbortSignal,
  received: Received,
  each: Receiving['each'],
): Promise<void> {
  try {
    await using subscriber: Subscriber = await transport.openSubscriber(signal)
    for await (const delivery of subscriber) {
      received.ids.push(delivery.id)
      await each?.(delivery)
      delivery.stored()
    }
  } catch (error) {
    if (!isSsmError(error)) throw error
  }
}

/** The offset is at the end: everything was acknowledged. */
const allDone = (ams: Ams) => () => ams.subscription('ssm').offset === ams.lying('ssm').length

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `m${n}`)
const fill = (ams: Ams, count: number): string[] => {
  const ids = numbered(count)
  for (const id of ids) ams.put('ssm', `body of ${id}`, { empaid: id })
  return ids
}
const distinct = (ids: readonly string[]): string[] => [...new Set(ids)].sort()

/** Between two acknowledges there is a pull, always: one closes the state that the other would need. */
function assertNoBlindAcknowledge(ams: Ams): void {
  let pulled = false
  for (const { route } of ams.requests) {
    if (route === 'subscriptions:pull') pulled = true
    if (route !== 'subscriptions:acknowledge') continue
    assert.ok(pulled, 'an acknowledge without a pull before it')
    pulled = false
  }
}

const KINDS: readonly Pick<FaultRule, 'when' | 'fault'>[] = [
  ...anyFailure(1),
  { fault: { kind: 'stale' } },
  { fault: { kind: 'late', ms: 30 } },
  { fault: { kind: 'drip', ms: 2, pieces: 5 } },
  { when: 'after', fault: { kind: 'status', status: 500 } },
  { when: 'after', fault: { kind: 'status', status: 408 } },
]
const name = ({ when = 'before', fault }: Pick<FaultRule, 'when' | 'fault'>): string =>
  `${fault.kind}${fault.kind === 'status' ? ` ${fault.status}` : ''} ${when} the effect`

describe('AMS in trouble: receiving', { timeout: 300_000 }, () => {
  for (const on of [
    'subscriptions:pull',
    'subscriptions:acknowledge',
    'subscriptions:show',
    'subscriptions:offsets',
  ] as const) {
    test(`${on} fails in every way: all are received once, and acknowledged`, async (t) => {
      for (const { when = 'before', fault } of KINDS) {
        for (const who of ['receiver', 'puller'] as const) {
          const ams = await start(t)
          const ids = fill(ams, 25)
          const nth = on === 'subscriptions:show' || fault.kind === 'stale' ? 1 : 2
          const rule = ams.fault({ on, nth, times: 2, when, fault })
          const { ids: got } = await receive(ams, allDone(ams), { who })
          const title = `${who}: ${name({ when, fault })}`
          assert.deepEqual([...got].sort(), [...ids].sort(), title)
          assertNoBlindAcknowledge(ams)
          if (on === 'subscriptions:pull') assert.ok(rule.hits() > 0, `${title} did not strike`)
        }
      }
    })
  }

  test('what is not stored is not acknowledged, at any moment', async (t) => {
    const ams = await start(t)
    fill(ams, 60)
    const stored = new Set<number>()
    let late = 0
    const watch = setInterval(() => {
      const { offset } = ams.subscription('ssm')
      for (let n = 0; n < offset; n += 1) if (!stored.has(n)) late += 1
    }, 1)
    await receive(ams, allDone(ams), {
      each: async ({ brokerId }) => {
        await sleep(2)
        stored.add(Number(brokerId))
      },
    })
    clearInterval(watch)
    assert.equal(late, 0)
  })

  test('an acknowledge that is too late is not repeated: the messages come again and are recognised', async (t) => {
    const ams = await start(t)
    const ids = fill(ams, 12)
    let moved = false
    const { ids: got, log } = await receive(ams, allDone(ams), {
      each: () => {
        if (!moved) ams.advance(15_000)
        moved = true
      },
    })
    assert.deepEqual([...got].sort(), [...ids].sort())
    assert.ok(ams.requests.some(({ route, status }) => route === 'subscriptions:acknowledge' && status === 408))
    assertNoBlindAcknowledge(ams)
    assert.match(log.join('\n'), /WARNING Storing took longer than the 10 s/)
  })

  test('a second consumer is noticed', async (t) => {
    const ams = await start(t)
    fill(ams, 40)
    let done = false
    const { log } = await receive(ams, allDone(ams), {
      each: () => {
        if (!done) ams.world.state.projects.accounting!.subscriptions.ssm!.offset = 30
        done = true
      },
    })
    assert.match(log.join('\n'), /WARNING Somebody else uses the subscription ssm too/)
  })

  for (const who of ['receiver', 'puller'] as const) {
    test(`${who}: nobody else is suspected of what a lost answer did`, async (t) => {
      const ams = await start(t)
      fill(ams, 40)
      ams.fault({ on: 'subscriptions:acknowledge', nth: 2, times: 2, when: 'after', fault: { kind: 'reset' } })
      const { log } = await receive(ams, allDone(ams), { who })
      assert.doesNotMatch(log.join('\n'), /Somebody else/, who)
    })
  }

  test('what went out of retention is said, and the rest is received', async (t) => {
    const ams = await start(t)
    fill(ams, 30)
    let done = false
    const { ids } = await receive(ams, ({ ids: got }) => got.includes('m29'), {
      settings: { window: { messages: 5, bytes: 1 << 20 } },
      each: ({ id }) => {
        if (id !== 'm9' || done) return
        ams.forgetBefore('ssm', 20)
        done = true
      },
    })
    assert.equal(new Set(ids).size, ids.length)
    assert.ok(
      numbered(30)
        .slice(20)
        .every((id) => ids.includes(id)),
    )
  })
})

describe('AMS in trouble: records that nobody can read', { timeout: 300_000 }, () => {
  /** `.`: a good record, `x`: a spoilt one. */
  for (const layout of [
    'x',
    'x....',
    '....x',
    '..x..',
    'xx',
    '.xx.',
    '....................x....x...................xx..',
  ]) {
    test(`${layout}: the good ones are received, the others stepped over and told`, async (t) => {
      const ams = await start(t)
      const good = layout.split('').flatMap((sign, n) => {
        if (sign === 'x') ams.putSpoilt('ssm')
        else ams.put('ssm', 'good', { empaid: `m${n}` })
        return sign === 'x' ? [] : [`m${n}`]
      })
      const end = layout.length
      const spoilt = layout.split('x').length - 1
      const told = (lines: readonly string[]) => lines.filter((line) => line.startsWith('ERROR Record')).length
      const { ids, log } = await receive(
        ams,
        (got) => ams.subscription('ssm').offset === end && told(got.log) === spoilt,
      )
      assert.deepEqual([...ids].sort(), [...good].sort())
      for (const [n, sign] of layout.split('').entries()) {
        assert.equal(
          log.some((line) => line.startsWith(`ERROR Record ${n} of ssm `)),
          sign === 'x',
          `record ${n}`,
        )
      }
      assertSteppedOnlyWhenSure(ams)
    })
  }

  test('attributes that the server cannot write out again are such a record too', async (t) => {
    const ams = await start(t)
    ams.put('ssm', 'good', { empaid: 'm0' })
    ams.put('ssm', 'x', { empaid: 'a\\nb' })
    ams.put('ssm', 'good', { empaid: 'm2' })
    const { ids, log } = await receive(ams, allDone(ams), { seconds: 5 })
    assert.deepEqual([...ids].sort(), ['m0', 'm2'])
    assert.match(log.join('\n'), /ERROR Record 1 of ssm /)
  })

  test('a pull that fails so by mistake, once or twice, loses nothing', async (t) => {
    const message = 'Message retrieved from broker network has invalid JSON Structure'
    for (const times of [1, 2]) {
      const ams = await start(t)
      const ids = fill(ams, 15)
      ams.fault({ on: 'subscriptions:pull', times, fault: { kind: 'status', status: 500, message } })
      const { ids: got } = await receive(ams, allDone(ams))
      assert.deepEqual([...got].sort(), [...ids].sort())
      assert.equal(ams.count('subscriptions:modifyOffset'), 0)
    }
  })

  test('without skip_poisoned, or without the right to, it stays, and says so', async (t) => {
    for (const [who, skipPoisoned] of [
      ['receiver', false],
      ['puller', true],
    ] as const) {
      const ams = await start(t)
      fill(ams, 5)
      ams.putSpoilt('ssm')
      ams.put('ssm', 'behind', { empaid: 'behind' })
      const pulling = { pullMax: 1000, pollMax: 500, skipPoisoned }
      const { ids, log } = await receive(
        ams,
        ({ log: lines }) => ams.subscription('ssm').offset === 5 && lines.some((line) => line.startsWith('ERROR')),
        { who, settings: { pulling } },
      )
      assert.deepEqual([...ids].sort(), numbered(5))
      assert.match(
        log.join('\n'),
        /ERROR A record of ssm cannot be read by the service itself, and stops all behind it/,
      )
    }
  })
})

/** Before each step over a record, three pulls of one have failed in a row at that offset. */
function assertSteppedOnlyWhenSure(ams: Ams): void {
  let failed = 0
  for (const { route, status, body } of ams.requests) {
    if (route === 'subscriptions:pull') {
      const single = (JSON.parse(body) as { maxMessages: string }).maxMessages === '1'
      failed = single && status === 500 ? failed + 1 : 0
    }
    if (route !== 'subscriptions:modifyOffset') continue
    assert.ok(failed >= 3, `stepped over after ${failed} failures`)
    failed = 0
  }
}

describe('AMS in trouble: sending', { timeout: 300_000 }, () => {
  /** Publishes each until it is taken, as the pipeline does; the messages then lie in the topic. */
  async function send(ams: Ams, ids: readonly string[], settings: Partial<AmsSettings> = {}): Promise<number> {
    const deps = swiftDeps()
    const transport = amsTransport(ams, 'sender', settings, deps)
    let failures = 0
    let publisher: Publisher = await persist(() => transport.openPublisher(never()))
    const publish = async (id: string): Promise<void> => {
      for (let tries = 0; tries < 50; tries += 1) {
        try {
          await publisher.publish({ id, body: sealed(`body of ${id}`) }, never())
          return
        } catch (error) {
          if (!isSsmError(error)) throw error
          failures += 1
          if (error.code === 'connection-lost' && tries > 40) throw error
        }
      }
      throw new Error(`${id} never went`)
    }
    try {
      await Promise.all(ids.map(publish))
    } finally {
      await publisher[Symbol.asyncDispose]()
    }
    publisher = undefined as never
    return failures
  }

  const lyingIds = (ams: Ams): string[] =>
    ams.lying('ssm').map(({ record }) => (JSON.parse(record) as { attributes: { empaid: string } }).attributes.empaid)

  test('publish fails in every way: all are there, doubled only where the answer was lost', async (t) => {
    for (const { when = 'before', fault } of KINDS) {
      for (const batch of [1, 10]) {
        const ams = await start(t)
        const ids = numbered(20)
        const rule = ams.fault({ on: 'topics:publish', nth: 2, times: 1, when, fault })
        await send(ams, ids, { batch })
        const there = lyingIds(ams)
        const title = `batch ${batch}, ${name({ when, fault })}`
        assert.deepEqual(distinct(there), [...ids].sort(), title)
        const doubtful = when === 'after' || (['cut', 'wrong-json'] as FaultKind['kind'][]).includes(fault.kind)
        if (!doubtful) assert.equal(there.length, ids.length, title)
        if (batch === 1) assert.ok(there.length <= ids.length + rule.hits(), title)
      }
    }
  })

  test('half a batch that is in is doubled by no more than that half', async (t) => {
    const ams = await start(t)
    ams.fault({ on: 'topics:publish', fault: { kind: 'partial', written: 3 } })
    await send(ams, numbered(10), { batch: 10 })
    const there = lyingIds(ams)
    assert.deepEqual(distinct(there), numbered(10).sort())
    assert.equal(there.length, 13)
  })

  test('no more requests at once than the window, over connections that are kept', async (t) => {
    const ams = await start(t, { latency: 10 })
    await send(ams, numbered(200))
    assert.equal(ams.peak('topics:publish'), 8)
    const connections = Math.max(...ams.requests.map(({ connection }) => connection))
    assert.ok(connections <= 9, `${connections} connections`)
    for (const { query, path, headers } of ams.requests) {
      assert.equal(query, '')
      assert.ok(!path.includes(ams.tokens.sender))
      assert.equal(headers['x-api-key'], ams.tokens.sender)
    }
  })
})

describe('AMS in trouble: both ways', { timeout: 600_000 }, () => {
  test('2 000 messages while every tenth request fails: none lost, and each handed out once for each time it lies there', async (t) => {
    const count = 2_000
    const ams = await start(t, { logBodies: false })
    for (const rule of anyFailure(0.1)) ams.fault(rule)
    const deps = swiftDeps()
    const transport = amsTransport(ams, 'sender', {}, deps)
    const publisher = await persist(() => transport.openPublisher(never()))
    await Promise.all(
      numbered(count).map((id) => persist(() => publisher.publish({ id, body: sealed(`body of ${id}`) }, never()))),
    )
    await publisher[Symbol.asyncDispose]()
    const lying = ams.lying('ssm').length
    const brokerIds = new Set<string | undefined>()
    const { ids } = await receive(ams, allDone(ams), {
      // Small pulls, so that there are many to fail.
      settings: { pulling: { pullMax: 10, pollMax: 500, skipPoisoned: true } },
      each: ({ brokerId }) => {
        brokerIds.add(brokerId)
      },
    })
    assert.deepEqual(distinct(ids), numbered(count).sort())
    assert.equal(brokerIds.size, lying, 'every record was handed out')
    assert.equal(ids.length, lying, 'and none twice')
    assertNoBlindAcknowledge(ams)
    const struck = ams.requests.filter(({ fault }) => fault !== null).length
    t.diagnostic(`${struck} of ${ams.requests.length} requests failed; ${lying - count} records doubled on the way`)
    assert.ok(struck > 200)
  })
})
