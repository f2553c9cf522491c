/**
 * What was sent is kept (`sent_keep`), through kills, and sent again after a loss at the far end.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startHoldingBroker } from '../kit/holding-broker.js'
import { elementsLeft, fillOutgoing } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, startProgram, type Site } from '../kit/site.js'

const KEEP = { sender: { messaging: { sent_keep: '30 d' } } }
const today = (): string => new Date().toISOString().slice(0, 10)

function archive(site: Site): Buffer[] {
  const top = join(site.outgoing, '.ssm/sent')
  const days = existsSync(top) ? readdirSync(top).filter((name) => /^\d{4}-/.test(name)) : []
  return days.flatMap((day) => readdirSync(join(top, day)).map((name) => readFileSync(join(top, day, name))))
}

const sorted = (bodies: readonly Buffer[]): string[] => bodies.map((body) => body.toString('latin1')).sort()

test('a run that is killed between: what is confirmed and gone is in the archive, once', async (t) => {
  await using broker = await startHoldingBroker()
  const site = createSite(scratch(t), broker.port)
  site.configure(KEEP)
  const bodies = fillOutgoing(site.outgoing, 200, ['ascii', 'utf8', 'nul'], 500)
  const run = site.startSender()
  broker.allow(80)
  await eventually('80 are through', () => broker.receipted.length === 80)
  await eventually('the window is full again', () => broker.received() >= 140)
  await run.stop('SIGKILL')
  assert.ok(archive(site).length <= 80)
  broker.allow(1000)
  assert.equal((await site.send()).code, 0)
  assert.deepEqual(elementsLeft(site.outgoing), [])
  assert.deepEqual(sorted(archive(site)), sorted(bodies))
  assert.deepEqual(readdirSync(join(site.outgoing, '.ssm/sent/unconfirmed')), [])
})

test('nothing is kept without sent_keep', async (t) => {
  await using broker = await startHoldingBroker()
  const site = createSite(scratch(t), broker.port)
  fillOutgoing(site.outgoing, 3, ['ascii'])
  broker.allow(3)
  assert.equal((await site.send()).code, 0)
  assert.equal(existsSync(join(site.outgoing, '.ssm/sent')), false)
})

test('a receiver that lost all it had gets everything again, none taken for a redelivery', async (t) => {
  const port = await freePort()
  const site = createSite(scratch(t), port)
  site.configure({ ...KEEP, receiver: { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } } })
  const receiver = site.startReceiver()
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  const bodies = fillOutgoing(site.outgoing, 30, ['ascii', 'utf8'], 500)
  assert.equal((await site.send()).code, 0)
  assert.equal(site.countIncoming(), 30)
  for (const name of readdirSync(join(site.spool, 'incoming'))) {
    if (/^[0-9a-f]{8}$/.test(name)) rmSync(join(site.spool, 'incoming', name), { recursive: true })
  }
  const again = await startProgram('ssmctl', [
    'spool',
    'resend',
    site.outgoing,
    '--since',
    today(),
    '-c',
    site.senderCfg,
  ]).ended
  assert.deepEqual([again.code, again.stderr, again.stdout.trim().split('\n').length], [0, '', 30])
  assert.equal((await site.send()).code, 0)
  assert.deepEqual(sorted(site.incoming().map(({ body }) => body!)), sorted(bodies))
  assert.deepEqual(site.reject(), [])
  assert.equal((await receiver.stop()).code, 0)
})
