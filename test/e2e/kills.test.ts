/**
 * The receiver killed again and again in the middle of its work, behind a real broker: lost 0, doubled 0.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BROKERS } from '../kit/brokers.js'
import { elementsLeft, fillOutgoing } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually } from '../kit/site.js'

const MESSAGES = 600
const KILLS = 6

for (const { name, skip, start } of BROKERS.filter((broker) => broker.name === 'RabbitMQ')) {
  test(
    `${KILLS} times kill -9 while ${MESSAGES} messages flow through ${name}: lost 0, doubled 0`,
    { skip },
    async (t) => {
      await using broker = await start()
      const site = createSite(scratch(t), broker.port)
      const sent = fillOutgoing(site.outgoing, MESSAGES, ['ascii'], 500)
      const sending = site.startSender()
      for (let kill = 1; kill <= KILLS; kill += 1) {
        const receiver = site.startReceiver()
        const goal = Math.floor((kill * MESSAGES) / (KILLS + 2))
        await eventually(`${goal} arrived`, () => site.countIncoming() >= goal, 60, 1)
        await receiver.stop('SIGKILL')
      }
      const ended = await sending.ended
      assert.equal(ended.code, 0, ended.stdout + ended.stderr)
      assert.deepEqual(elementsLeft(site.outgoing), [])
      const last = site.startReceiver()
      await eventually('all arrived', () => site.countIncoming() >= MESSAGES, 60)
      // What the broker still has, if anything, would come within this time.
      await sleep(2000)
      assert.equal((await last.stop()).code, 0)
      const got = site.incoming().map(({ body }) => String(body))
      assert.deepEqual(got.sort(), sent.map(String).sort())
      assert.deepEqual(site.reject(), [])
      assert.deepEqual(readdirSync(join(site.spool, 'incoming/temporary')), [])
      const again = site
        .log('ssmreceive')
        .match(/INFO - Message \S+ was already stored as [0-9a-f]{8}\/[0-9a-f]{14}\.\n/g)
      t.diagnostic(`${again?.length ?? 0} came again after they were stored`)
      assert.ok((again?.length ?? 0) > 0, 'no kill hit between storing and acknowledging: the test proves nothing')
    },
  )
}
