/** The main job through AMS while every tenth request fails, with the real programs: lost 0, doubled 0. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { anyFailure, startAms } from '../kit/ams/index.js'
import { elementsLeft, fillOutgoing } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually } from '../kit/site.js'

const COUNT = 2_000

describe('through AMS in trouble', { timeout: 900_000 }, () => {
  test(`${COUNT} messages while every tenth request fails, in both directions: lost 0, doubled 0`, async (t) => {
    const site = createSite(scratch(t), 1)
    const ams = await startAms({ logBodies: false })
    t.after(() => ams.stop())
    for (const rule of anyFailure(0.1)) ams.fault(rule)
    const broker = { host: undefined, port: undefined, use_ssl: undefined, url: ams.url }
    const common = { destination: 'ssm', ams_project: 'accounting' }
    site.configure({
      sender: {
        sender: { protocol: 'AMS' },
        broker,
        messaging: { ...common, path: site.outgoing, token: ams.tokens.sender },
      },
      receiver: {
        receiver: { protocol: 'AMS' },
        broker,
        // Small pulls, so that there are many to fail.
        messaging: { ...common, path: site.spool, token: ams.tokens.receiver, pull_max: 20, poll_max: '200 ms' },
      },
    })
    const bodies = fillOutgoing(site.outgoing, COUNT, ['no final newline'], 500)
    const receiver = site.startReceiver()
    // Once more, as cron does, when a run gave up.
    for (let run = 1; elementsLeft(site.outgoing).length > 0; run += 1) {
      assert.ok(run <= 20, site.log('ssmsend').slice(-3000))
      await site.send()
    }
    const done = () => ams.subscription('ssm').offset === ams.lying('ssm').length
    await eventually('all is received', () => site.countIncoming() >= COUNT && done(), 400, 500)
    assert.equal((await receiver.stop()).code, 0)
    const struck = ams.requests.filter(({ fault }) => fault !== null).length
    const doubled = ams.lying('ssm').length - COUNT
    t.diagnostic(`${struck} of ${ams.requests.length} requests failed; ${doubled} messages were doubled on the way`)
    assert.ok(struck > 200 && doubled > 0, 'enough went wrong')
    const texts = (list: readonly Buffer[]) => list.map((body) => body.toString()).sort()
    assert.deepEqual(texts(site.incoming().map(({ body }) => body!)), texts(bodies), 'lost 0, doubled 0')
    assert.deepEqual(site.reject(), [])
    const ids = (log: string, line: RegExp) => [...log.matchAll(line)].map(([, id]) => id)
    const sentIds = ids(site.log('ssmsend'), /INFO - Sent (\S+), Argo ID/g)
    assert.equal(new Set(sentIds).size, COUNT, 'each was said to be sent')
  })
})
