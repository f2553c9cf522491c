/**
 * The short form of `network.ts` in this process: every byte of the short directions, every 60th of the long ones (`npm run
 * torture` takes every one). Back-off passes at once.
 */
import { test, type TestContext } from 'node:test'
import { serveHere } from '../kit/here.js'
import type { Trouble } from '../kit/rough-network.js'
import { scratch } from '../kit/scratch.js'
import { assertExact, type Report, reportText } from '../kit/trial.js'
import { rest } from './disk.js'
import { receive, receiveRoughly, rough, sendRoughly, troubleSender } from './network.js'

function judge(t: TestContext, report: Report): void {
  t.diagnostic(reportText(report))
  assertExact(report)
}

for (const [kind, short, long] of [
  ['cut', 1, 60],
  ['reset', 5, 200],
] as const) {
  test(`a sender whose connection is ${kind} after N bytes`, async (t) => {
    judge(t, await rough(scratch(t), 'sender', (scene) => sendRoughly(scene, kind, short, long)))
  })

  test(`a receiver whose connection is ${kind} after N bytes`, async (t) => {
    judge(t, await rough(scratch(t), 'receiver', (scene) => receiveRoughly(scene, kind, short, long)))
  })
}

test('one byte at a time, and receipts that come late', async (t) => {
  const report = await rough(scratch(t), 'sender', async ({ bench, way, sendAll }) => {
    const receiver = serveHere(bench.site)
    await troubleSender({ ...bench, sendAll }, way, [{ kind: 'drip' }, { kind: 'delay', direction: 'down', ms: 200 }])
    bench.count.faults += 2
    await rest(bench)
    await receiver.stop()
  })
  judge(t, report)
})

test('one byte at a time, and acknowledgements that come late', async (t) => {
  const report = await rough(scratch(t), 'receiver', async (scene) => {
    await receive(scene, [{ kind: 'drip' }])
    await receive(scene, [{ kind: 'delay', direction: 'up', ms: 200 }])
  })
  judge(t, report)
})

const frozen = (direction: 'up' | 'down', ...numbers: readonly number[]): Trouble[] =>
  numbers.map((after) => ({ kind: 'freeze', direction, after }))

for (const who of ['sender', 'receiver'] as const) {
  test(`a connection of a ${who} that freezes after N bytes is noticed and given up`, async (t) => {
    const report = await rough(scratch(t), who, async (scene) => {
      const { bench, way, time } = scene
      let seen = 0
      // Two minutes pass whenever a connection has frozen.
      const timer = setInterval(() => {
        if (way.network.troubled() === seen) return
        seen = way.network.troubled()
        time.suspend(120_000)
      }, 50)
      if (who === 'receiver') await receive(scene, [...frozen('down', 0, 50, 1000, 3000), ...frozen('up', 250)])
      else {
        const receiver = serveHere(bench.site)
        const troubles = [...frozen('up', 0, 200, 1000, 3000), ...frozen('down', 0, 50)]
        await troubleSender({ ...bench, sendAll: scene.sendAll }, way, troubles)
        await rest(bench)
        await receiver.stop()
      }
      clearInterval(timer)
    })
    judge(t, report)
  })
}
