/**
 * Asking real programs how they are, while they run, while they cannot work, and when they are gone.
 */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { askRunning } from '../../src/cli/status/ask.js'
import type { Status } from '../../src/cli/status/status.js'
import { QueueSimple } from '../../src/index.js'
import { badHosts, sealed } from '../kit/bad-messages.js'
import { startMiniBroker } from '../kit/mini-broker.js'
import { elementsLeft } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Site } from '../kit/site.js'

const socketOf = (path: string): string => join(path, '.ssm', 'status.sock')

async function statusOf(path: string): Promise<Status | undefined> {
  // Made by the program under test.
  return (await askRunning(socketOf(path), { verb: 'status' })) as Status | undefined
}

const isSubscribed = (site: Site) => (): boolean => site.log('ssmreceive').includes('Subscribing to')

test('a receiver and a sender that stay tell what they did', async (t) => {
  await using broker = await startMiniBroker()
  const site = createSite(scratch(t), broker.port)
  const unlisted = badHosts(site.pki).unlisted
  const receiver = site.startReceiver()
  const sender = site.startSender('--watch')
  await eventually('it is subscribed', isSubscribed(site))
  const producer = new QueueSimple(site.outgoing)
  for (let n = 0; n < 5; n++) await producer.add(`record ${n}\n`)
  const bad = await sealed(unlisted, 'by nobody\n')
  broker.putBack([{ id: 'bad', body: bad }])
  await eventually('all are there', () => site.countIncoming() === 5 && site.reject().length === 1)
  await eventually('the sender knows', () => elementsLeft(site.outgoing).length === 0)
  const status = (await statusOf(site.spool))!
  assert.deepEqual(
    { ...status.counts, ...status.spools, journal: undefined, free: undefined },
    {
      ...{ stored: 5, rejected: 1, held: 0, again: 0, dropped: 0 },
      ...{ incoming: 5, reject: 1, journal: undefined, free: undefined },
    },
  )
  assert.deepEqual(status.reasons, { 'not-listed': 1 })
  assert.deepEqual(
    status.signers.map(({ signer, stored, refused }) => [signer, stored, refused]),
    [[site.pki.host.dn, 5, 0]],
    'a name that nobody verified is none',
  )
  assert.deepEqual([status.program, status.pid, status.health.ok], ['ssmreceive', receiver.child.pid, true])
  assert.ok(status.link.state === 'connected' && status.link.peer?.includes(String(broker.port)))
  assert.equal(status.trust?.failed, undefined)
  assert.ok((status.trust?.certificates ?? 0) > 0 && (status.trust?.crls ?? 0) > 0)
  assert.equal(status.minutes.stored?.at(-1), 5)
  const sent = (await statusOf(site.outgoing))!
  assert.deepEqual([sent.program, sent.pid, sent.counts], ['ssmsend', sender.child.pid, { sent: 5, setAside: 0 }])
  assert.equal(sent.last?.outcome, 'sent')
  const ended = [await receiver.stop(), await sender.stop()]
  assert.deepEqual(
    ended.map(({ code }) => code),
    [0, 0],
  )
  assert.deepEqual([existsSync(socketOf(site.spool)), existsSync(socketOf(site.outgoing))], [false, false])
})

test('a broker that is down, and a killed run: said, and over by itself', async (t) => {
  const port = await freePort()
  const site = createSite(scratch(t), port)
  const killed = site.startReceiver()
  await eventually('it tries', () => site.log('ssmreceive').includes('Failed to connect'))
  const status = (await statusOf(site.spool))!
  assert.equal(status.health.ok, false)
  assert.match(status.health.words, /not connected: .*ECONNREFUSED|not connected: /)
  await killed.stop('SIGKILL')
  assert.equal(existsSync(socketOf(site.spool)), true)
  assert.equal(await statusOf(site.spool), undefined)
  const next = site.startReceiver()
  await eventually('it answers', () => site.log('ssmreceive').split('Failed to connect').length > 2)
  assert.equal((await statusOf(site.spool))?.pid, next.child.pid)
  assert.equal((await next.stop()).code, 0)
})

test('without a place for the socket: one line, and messages go on', async (t) => {
  await using broker = await startMiniBroker()
  const site = createSite(scratch(t), broker.port)
  writeFileSync(join(site.dir, 'file'), '')
  site.configure({ both: { daemon: { status_socket: join(site.dir, 'file', 's.sock') } } })
  const receiver = site.startReceiver()
  await eventually('it is subscribed', isSubscribed(site))
  assert.equal(site.log('ssmreceive').match(/INFO - There is no status socket: /g)?.length, 1)
  await new QueueSimple(site.outgoing).add('x\n')
  assert.equal((await site.send()).code, 0)
  await eventually('it arrived', () => site.countIncoming() === 1)
  assert.equal((await receiver.stop()).code, 0)
})
