/**
 * The short form of `network.ts` in this process: every byte of the short directions, every 60th of the long ones (`npm run
 * torture` takes every one). Back-off passes at once.
 */
import { test, type TestContext } from 'node:test'
import { createBench, type Bench } from '../kit/bench.js'
import { bendTime, type BentTime } from '../kit/bent-time.js'
import { sendHere, serveHere } from '../kit/here.js'
import { elementsLeft } from '../kit/records.js'
import type { Trouble } from '../kit/rough-network.js'
import { scratch } from '../kit/scratch.js'
import { eventually } from '../kit/site.js'
import { assertExact, reportText } from '../kit/trial.js'
import { rest } from './disk.js'
import { measure, numbersUpTo, startRoughWay, troublesAt, troubleSender, type RoughWay } from './network.js'

interface Rough {
  readonly bench: Bench
  readonly time: BentTime
  /** The way of the program under test. */
  readonly way: RoughWay
  readonly sendAll: () => Promise<void>
}

/** One of the programs goes the rough way, the other straight. A message has 200 bytes. */
async function rough(t: TestContext, who: 'sender' | 'receiver', work: (rough: Rough) => Promise<void>): Promise<void> {
  using time = bendTime()
  await using bench = await createBench(scratch(t), { heartBeat: 30_000, size: 200 })
  await using way = await startRoughWay(bench.broker.port)
  bench.site.configure({ [who]: { ...way.sections, messaging: { window: 1 } } })
  const sendAll = () => sendHere(bench.site, () => elementsLeft(bench.site.outgoing).length)
  await work({ bench, time, way, sendAll })
  const report = { ...bench.ledger.balance(), ...bench.count }
  t.diagnostic(reportText(report))
  assertExact(report)
}

/** A receiver meets these troubles, a message at hand for each; then it comes to rest. */
async function receive(
  { bench, way, sendAll }: Rough,
  troubles: readonly Trouble[],
  help = () => undefined,
): Promise<void> {
  bench.ledger.put(troubles.length)
  await sendAll()
  way.troubles.push(...troubles)
  const receiver = serveHere(bench.site)
  try {
    const met = (): boolean => {
      help()
      return way.troubles.length === 0
    }
    await eventually('all troubles are met', met, 120)
    bench.count.faults += troubles.length
    await rest(bench)
  } finally {
    await receiver.stop()
  }
}

for (const [kind, short, long] of [
  ['cut', 1, 60],
  ['reset', 5, 200],
] as const) {
  test(`a sender whose connection is ${kind} after N bytes`, async (t) => {
    await rough(t, 'sender', async ({ bench, way, sendAll }) => {
      const receiver = serveHere(bench.site)
      const trial = { ...bench, sendAll }
      const { up, down } = await measure(trial, way)
      await troubleSender(trial, way, troublesAt(kind, 'down', numbersUpTo(down.bytes, short)))
      await troubleSender(trial, way, troublesAt(kind, 'up', numbersUpTo(up.bytes, long)))
      await rest(bench)
      await receiver.stop()
    })
  })

  test(`a receiver whose connection is ${kind} after N bytes`, async (t) => {
    await rough(t, 'receiver', async (scene) => {
      // Up: CONNECT, SUBSCRIBE, ACK. Down: CONNECTED, MESSAGE.
      await receive(scene, [...troublesAt(kind, 'up', numbersUpTo(300, short))])
      await receive(scene, [...troublesAt(kind, 'down', numbersUpTo(4000, long))])
    })
  })
}

test('one byte at a time, and receipts that come late', async (t) => {
  await rough(t, 'sender', async ({ bench, way, sendAll }) => {
    const receiver = serveHere(bench.site)
    const trial = { ...bench, sendAll }
    await troubleSender(trial, way, [{ kind: 'drip' }, { kind: 'delay', direction: 'down', ms: 200 }])
    bench.count.faults += 2
    await rest(bench)
    await receiver.stop()
  })
})

test('a connection that freezes after N bytes is noticed and given up', async (t) => {
  const frozen = (direction: Trouble['direction']): Trouble[] =>
    [0, 50, 200, 1000, 3000].map((after) => ({ kind: 'freeze', direction: direction!, after }))
  for (const who of ['sender', 'receiver'] as const) {
    await rough(t, who, async (scene) => {
      const { bench, way, time } = scene
      let seen = 0
      // Two minutes pass whenever a connection has frozen.
      const timer = setInterval(() => {
        if (way.network.troubled() === seen) return
        seen = way.network.troubled()
        time.suspend(120_000)
      }, 50)
      if (who === 'receiver') await receive(scene, [...frozen('down'), { kind: 'freeze', direction: 'up', after: 250 }])
      else {
        const receiver = serveHere(bench.site)
        await troubleSender({ ...bench, sendAll: scene.sendAll }, way, [...frozen('up'), ...frozen('down').slice(0, 2)])
        await rest(bench)
        await receiver.stop()
      }
      clearInterval(timer)
    })
  }
})
