import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SsmError, isSsmError, type ErrorCode } from '../../src/errors.js'
import type { Sealed } from '../../src/message.js'
import { createDoorbell } from '../../src/pipeline/doorbell.js'
import { createBackoff } from '../../src/pipeline/retry.js'
import { SCAN_INTERVAL } from '../../src/pipeline/send-run.js'
import { sendForever, type WatchDeps } from '../../src/pipeline/watch.js'
import type { Transport } from '../../src/transport/port.js'
import { createFastClock, createScriptedTransport, MemoryLog, MemorySpool, type Script } from './doubles.js'

interface Scene {
  readonly spool: MemorySpool
  readonly log: MemoryLog
  readonly asides: string[]
  readonly clock: ReturnType<typeof createFastClock>
  readonly transport: ReturnType<typeof createScriptedTransport>
  readonly stop: AbortController
  readonly tidied: number[]
  /** Runs until `stop`. */
  run(changes?: Partial<WatchDeps>): ReturnType<typeof sendForever>
}

function scene(count: number, script: Script): Scene {
  const clock = createFastClock()
  const made = {
    spool: new MemorySpool(count),
    log: new MemoryLog(),
    asides: [] as string[],
    clock,
    transport: createScriptedTransport(script),
    stop: new AbortController(),
    tidied: [] as number[],
  }
  const deps: WatchDeps = {
    outgoing: made.spool,
    setAside: async (claim, why) => {
      made.asides.push(`${claim.id}: ${why}`)
      await claim.remove()
    },
    seal: ({ body }) => Promise.resolve(body as Sealed),
    transport: made.transport,
    window: { messages: 8, bytes: 1024 },
    log: made.log,
    clock,
    doorbell: createDoorbell(clock),
    tidy: () => {
      made.tidied.push(clock.monotonic())
      return Promise.resolve()
    },
    // Without jitter.
    backoff: createBackoff(undefined, () => 1),
  }
  const signals = { stop: made.stop.signal, force: new AbortController().signal }
  return { ...made, run: (changes = {}) => sendForever({ ...deps, ...changes }, signals) }
}

const refuse = (code: ErrorCode, words = 'no') => {
  throw new SsmError(code, words)
}

/** Ends the run when `condition` holds at a sleep; gives up after 2 000 of them. */
function stopWhen({ clock, stop }: Scene, condition: () => boolean): void {
  const sleep = clock.sleep.bind(clock)
  let sleeps = 0
  clock.sleep = async (ms, signal) => {
    if (condition() || sleeps++ > 2000) stop.abort()
    await sleep(ms, signal)
  }
}

test('what waits and what comes later goes over one connection; the spool is looked at every 5 s', async () => {
  const one = scene(3, () => ({}))
  stopWhen(one, () => {
    if (one.clock.slept.length === 10) void one.spool.add(Buffer.from('late'))
    return one.clock.slept.length >= 20
  })
  const report = await one.run()
  assert.deepEqual([report.sent, one.spool.elements.size, one.transport.opened], [4, 0, 1])
  assert.ok(
    one.clock.slept.slice(5).every((ms) => ms === SCAN_INTERVAL),
    String(one.clock.slept),
  )
})

test('a ring wakes it at once, one that came before counts, and after it the spool is looked at again soon', async () => {
  const clock = createFastClock()
  const bell = createDoorbell(clock)
  bell.ring()
  assert.equal(await bell.wait(5000), true)
  assert.deepEqual(clock.slept, [])
  assert.equal(await bell.wait(5000), false)
  assert.deepEqual(clock.slept, [5000])
  const forever = { ...clock, sleep: (_ms: number, signal?: AbortSignal) => untilAborted(signal) }
  const slow = createDoorbell(forever)
  const waiting = slow.wait(5000)
  slow.ring()
  assert.equal(await waiting, true)
  const stop = new AbortController()
  const stopped = slow.wait(5000, undefined, stop.signal)
  stop.abort()
  assert.equal(await stopped, false)
  assert.equal(await slow.wait(5000, stop.signal), false)
})

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => {
      reject(new SsmError('aborted', 'aborted'))
    })
  })
}

test('no broker: back-off 1 s doubling to 60 s, said once a minute; a success takes it back', async () => {
  const one = scene(1, () => ({}))
  let tries = 0
  const transport: Transport = {
    ...one.transport,
    openPublisher: (signal) => (++tries < 10 ? refuse('unreachable', 'down') : one.transport.openPublisher(signal)),
  }
  stopWhen(one, () => one.spool.elements.size === 0)
  await one.run({ transport })
  assert.deepEqual(one.clock.slept.slice(0, 9), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  const said = one.log.lines.filter((line) => line.includes('down'))
  assert.ok(said.length >= 3 && said.length <= 6, said.join('\n'))
  assert.match(said[0] ?? '', /^WARNING Nothing is sent for now; nothing is lost/)
})

test('a broker that cuts after each message is connected to again after 1 s each time', async () => {
  let count = 0
  const one = scene(5, () => (++count % 2 === 0 ? refuse('connection-lost', 'cut') : {}))
  stopWhen(one, () => one.spool.elements.size === 0)
  const report = await one.run()
  assert.equal(report.sent, 5)
  assert.ok(Math.max(...one.clock.slept) <= SCAN_INTERVAL, String(one.clock.slept))
  assert.deepEqual(one.asides, [])
})

test('a connection that ends while nothing is sent is noticed, and made again', async () => {
  const one = scene(0, () => ({}))
  const lost = new AbortController()
  let opened = 0
  const transport: Transport = {
    ...one.transport,
    async openPublisher(signal) {
      const publisher = await one.transport.openPublisher(signal)
      return ++opened === 1 ? { ...publisher, lost: lost.signal } : publisher
    },
  }
  stopWhen(one, () => {
    if (one.clock.slept.length === 4) lost.abort(new SsmError('connection-lost', 'no heart-beat'))
    return opened === 2
  })
  await one.run({ transport })
  assert.equal(opened, 2)
  assert.ok(one.log.lines.includes('WARNING The connection ended: no heart-beat'))
})

test('three refusals in a row put the three back, and it tries again later; nothing is set aside for them', async () => {
  let open = false
  const one = scene(3, () => (open ? {} : refuse('message-refused', 'policy')))
  const locked: number[] = []
  stopWhen(one, () => {
    locked.push(one.spool.locked.size)
    open = one.log.lines.some((line) => line.includes('in a row'))
    return one.spool.elements.size === 0
  })
  const report = await one.run()
  assert.deepEqual([report.sent, report.setAside, one.asides], [3, 0, []])
  assert.ok(locked.includes(0), 'the claims were given back')
  assert.ok(one.log.lines.some((line) => /in a row.*policy/.test(line)))
})

test('refusals that come one at a time, hours apart, count as in a row', async () => {
  const one = scene(1, () => refuse('message-refused', 'policy'))
  stopWhen(one, () => {
    const hours = one.clock.slept.length
    if (hours === 3 || hours === 6) one.spool.elements.set(`n${hours}`, Buffer.from('x'))
    return hours > 12
  })
  await assert.doesNotReject(one.run())
  assert.ok(one.log.lines.some((line) => line.includes('refused 3 messages in a row')))
})

test('a refused message is set aside as soon as another one passes', async () => {
  const one = scene(1, (id) => (id === 'm0000' ? refuse('message-refused', 'too large') : {}))
  stopWhen(one, () => {
    if (one.clock.slept.length === 5) {
      assert.deepEqual(one.asides, [])
      one.spool.elements.set('n', Buffer.from('x'))
    }
    return one.clock.slept.length > 8
  })
  await one.run()
  assert.deepEqual(one.asides, ['m0000: too large [message-refused]'])
  assert.equal(one.log.lines.filter((line) => line.startsWith('WARNING Message m0000 was refused')).length, 1)
})

test('an outage of any length never counts against a message', async () => {
  const one = scene(2, () => refuse('connection-lost', 'cut'))
  stopWhen(one, () => one.clock.slept.length > 100)
  await one.run()
  assert.deepEqual([one.asides, one.spool.elements.size, one.spool.locked.size], [[], 2, 0])
})

test('what is locked or left is said once, not every 5 s; others pass it', async () => {
  const one = scene(4, () => ({}))
  one.spool.locked.add('m0000')
  const claim = one.spool.claim.bind(one.spool)
  one.spool.claim = (id) => (id === 'm0001' ? Promise.reject(new SsmError('disk', 'EIO')) : claim(id))
  stopWhen(one, () => one.clock.slept.length > 20)
  const report = await one.run()
  assert.equal(report.sent, 2)
  assert.equal(one.log.lines.filter((line) => line.includes('Message was locked')).length, 1)
  assert.equal(one.log.lines.filter((line) => line.includes('was left in the spool')).length, 1)
})

test('a disk that fails is waited for', async () => {
  const one = scene(5, () => ({}))
  const claim = one.spool.claim.bind(one.spool)
  let full = true
  one.spool.claim = (id) => (full ? Promise.reject(new SsmError('disk', 'ENOSPC')) : claim(id))
  stopWhen(one, () => {
    full = one.clock.slept.length < 5
    return one.spool.elements.size === 0
  })
  assert.equal((await one.run()).sent, 5)
})

test('it tidies every ten minutes', async () => {
  const one = scene(0, () => ({}))
  stopWhen(one, () => one.tidied.length === 3)
  await one.run()
  const [first = 0, second = 0, third = 0] = one.tidied
  assert.ok(second - first >= 600_000 && second - first < 620_000, String(one.tidied))
  assert.ok(third - second >= 600_000 && third - second < 620_000)
})

test('a configuration that is wrong ends it at the start, and is waited for once it worked', async () => {
  const one = scene(1, () => ({}))
  const wrong: Transport = { ...one.transport, openPublisher: () => refuse('configuration', 'no CA file') }
  await assert.rejects(one.run({ transport: wrong }), (error) => isSsmError(error, 'configuration'))
  const two = scene(2, (id) => (id === 'm0000' && tries === 1 ? refuse('connection-lost') : {}))
  let tries = 0
  const late: Transport = {
    ...two.transport,
    openPublisher: (signal) =>
      ++tries === 2 ? refuse('configuration', 'no CA file') : two.transport.openPublisher(signal),
  }
  stopWhen(two, () => two.spool.elements.size === 0)
  assert.equal((await two.run({ transport: late })).sent, 2)
  assert.ok(two.log.lines.some((line) => line.includes('no CA file')))
})

test('stop ends it at any moment, and nothing stays locked', async () => {
  for (let at = 0; at < 12; at++) {
    const one = scene(6, (id) => (id === 'm0004' ? refuse('message-refused') : {}))
    stopWhen(one, () => one.clock.slept.length >= at)
    await one.run()
    assert.equal(one.spool.locked.size, 0)
  }
})

test('what comes while others are in flight goes at once, and nothing is taken twice', async () => {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const asked: string[] = []
  const one = scene(2, async (id) => {
    asked.push(id)
    if (id === 'm0000') await held
    return {}
  })
  const doorbell = createDoorbell({ ...one.clock, sleep: (_ms, signal) => untilAborted(signal) })
  const done = one.run({ doorbell })
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  await turns()
  for (const id of ['n1', 'n2']) {
    one.spool.elements.set(id, Buffer.from('x'))
    doorbell.ring()
    await turns()
    assert.equal(asked.at(-1), id, 'm0000 is still in flight')
  }
  release()
  one.stop.abort()
  const report = await done
  assert.deepEqual([asked, report.sent, report.locked], [['m0000', 'm0001', 'n1', 'n2'], 4, 0])
})
