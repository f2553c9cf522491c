/**
 * Looking at real programs while they work, and while somebody tries to disturb them: messages go on.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { QueueSimple } from '../../src/index.js'
import { startMiniBroker } from '../kit/mini-broker.js'
import { elementsLeft } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Site } from '../kit/site.js'

const isSubscribed = (site: Site) => (): boolean => site.log('ssmreceive').includes('Subscribing to')

async function text(port: number, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, body: await response.text() }
}

test('messages go on while a thousand connections, slow ones and large ones come', async (t) => {
  await using broker = await startMiniBroker()
  const port = await freePort()
  const site = createSite(scratch(t), broker.port)
  site.configure({ receiver: { monitoring: { listen: `127.0.0.1:${port}` } } })
  const receiver = site.startReceiver()
  await eventually('it is subscribed', isSubscribed(site))
  assert.match(site.log('ssmreceive'), /INFO - Monitoring listens on 127\.0\.0\.1, port \d+/)
  const sockets = Array.from({ length: 1000 }, (_, n) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    if (n % 3 === 0) socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
    if (n % 3 === 1) socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)
    return socket
  })
  const producer = new QueueSimple(site.outgoing)
  for (let n = 0; n < 100; n++) await producer.add(`record ${n}\n`)
  assert.equal((await site.send()).code, 0)
  await eventually('all arrived', () => site.countIncoming() === 100)
  for (const socket of sockets) socket.destroy()
  const metrics = await text(port, '/metrics')
  assert.match(metrics.body, /^ssm_messages_total\{outcome="stored"\} 100$/mu)
  const page = await text(port, '/')
  assert.match(page.body, /<h1>[^]*ssmreceive[^]*connected/u)
  assert.ok(page.body.includes(site.pki.host.dn), 'the signer is named')
  assert.deepEqual(await text(port, '/readyz'), { status: 200, body: 'connected\n' })
  assert.equal((await receiver.stop()).code, 0)
  await assert.rejects(text(port, '/healthz'))
})

test('a broker that is down is not ready; a port that is taken stops nothing', async (t) => {
  const [port, taken] = [await freePort(), await freePort()]
  const site = createSite(scratch(t), await freePort())
  site.configure({
    receiver: { monitoring: { listen: `127.0.0.1:${port}` } },
    sender: { monitoring: { listen: `127.0.0.1:${port}` } },
  })
  assert.notEqual(port, taken)
  const receiver = site.startReceiver()
  await eventually('it tries', () => site.log('ssmreceive').includes('Failed to connect'))
  const { status, body } = await text(port, '/readyz')
  assert.equal(status, 503)
  assert.match(body, /^not connected/)
  assert.equal((await text(port, '/healthz')).status, 200)
  const sender = site.startSender('--watch')
  await eventually('it watches', () => site.log('ssmsend').includes('Watching '))
  assert.match(site.log('ssmsend'), /WARNING - There is no monitoring: cannot listen on .*EADDRINUSE/)
  assert.deepEqual([(await sender.stop()).code, (await receiver.stop()).code], [0, 0])
})

test('a sender from cron leaves its metrics, whatever came of the run', async (t) => {
  await using broker = await startMiniBroker()
  const site = createSite(scratch(t), broker.port)
  const file = join(site.dir, 'collector', 'ssm.prom')
  site.configure({ sender: { monitoring: { textfile: file } } })
  const producer = new QueueSimple(site.outgoing)
  for (let n = 0; n < 3; n++) await producer.add(`record ${n}\n`)
  assert.equal((await site.send()).code, 0, 'a folder that is missing is no reason')
  assert.match(site.log('ssmsend'), /WARNING - The metrics were not written: /)
  assert.equal(elementsLeft(site.outgoing).length, 0)
  mkdirSync(join(site.dir, 'collector'))
  for (let n = 0; n < 3; n++) await producer.add(`record ${n}\n`)
  assert.equal((await site.send()).code, 0)
  const good = readFileSync(file, 'utf8')
  assert.match(good, /^ssm_last_run_messages\{outcome="sent"\} 3$/mu)
  assert.match(good, /^ssm_last_run_exit_code 0$/mu)
  site.configure({ sender: { monitoring: { textfile: file }, certificates: { certificate: '/no/such/file' } } })
  assert.equal((await site.send()).code, 78)
  assert.match(readFileSync(file, 'utf8'), /^ssm_last_run_exit_code 78$/mu)
})

test('a sender that stays writes them too', async (t) => {
  await using broker = await startMiniBroker()
  const site = createSite(scratch(t), broker.port)
  const file = join(site.dir, 'ssm.prom')
  site.configure({ sender: { monitoring: { textfile: file } } })
  const sender = site.startSender('--watch')
  await eventually('it is there', () => existsSync(file))
  await new QueueSimple(site.outgoing).add('x\n')
  await eventually('it is sent', () => elementsLeft(site.outgoing).length === 0)
  assert.equal((await sender.stop()).code, 0)
  assert.match(readFileSync(file, 'utf8'), /^ssm_messages_total\{outcome="sent"\} 1$/mu)
})
