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
import { createSite, eventually, freePort, startProgram, type Site } from '../kit/site.js'
import { ssmctl } from '../kit/ssmctl.js'

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
  const shown = await ssmctl(['status', '-c', site.receiverCfg])
  assert.deepEqual([shown.exit, shown.stderr], [0, ''])
  assert.match(
    shown.stdout.toString(),
    /^ssmreceive: running, pid .*\nconnected to .*\n\n.*last hour[^]*stored +5 +5 +5\n/,
  )
  const json = await ssmctl(['status', '-c', site.senderCfg, '--json'])
  assert.equal((JSON.parse(json.stdout.toString()) as { counts: { sent: number } }).counts.sent, 5)
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
  assert.equal((await ssmctl(['status', '-c', site.receiverCfg])).exit, 1)
  await killed.stop('SIGKILL')
  const gone = await ssmctl(['status', '-c', site.receiverCfg])
  assert.deepEqual([gone.exit, gone.stderr], [1, ''])
  assert.match(
    gone.stdout.toString(),
    /^ssmreceive: not running \(.*\)\nspools: incoming 0, reject 0, held 0; .* free\n/,
  )
  assert.equal(existsSync(socketOf(site.spool)), true)
  assert.equal(await statusOf(site.spool), undefined)
  const next = site.startReceiver()
  const ofNext = (): string => site.log('ssmreceive').split('Starting receiving')[2] ?? ''
  await eventually('it tries again', () => ofNext().includes('Failed to connect'))
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

test('ssmctl status --watch repeats until a signal, and a broken file is no obstacle', async (t) => {
  const site = createSite(scratch(t), await freePort())
  await new QueueSimple(site.outgoing).add('x\n')
  // What the operator may not read, and what a status does not need.
  site.configure({ both: { broker: { host: undefined, username: 'x', password_file: '/no/such/file' } } })
  const watching = startProgram('ssmctl', ['status', '-c', site.senderCfg, '--watch'])
  let seen = ''
  watching.child.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString()))
  await eventually('it looked twice', () => seen.split('ssmsend: not running').length === 3)
  const { code, stderr } = await watching.stop('SIGINT')
  assert.deepEqual([code, stderr], [1, ''])
  assert.match(seen, /^ssmsend: not running \(.*\)\nspools: outgoing 1, set aside 0; .*\n\nssmsend: /)
  assert.equal((await ssmctl(['status', '-c', join(site.dir, 'missing.cfg')])).exit, 78)
  writeFileSync(join(site.dir, 'bad.cfg'), '[sender]\nprotocol: STOMP\n[messaging]\n')
  const bad = await ssmctl(['status', '-c', join(site.dir, 'bad.cfg')])
  assert.match(bad.stderr, /^ssmctl status: The configuration has a problem:\n.*\[messaging\] path: missing/)
})
