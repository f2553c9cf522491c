/**
 * `ssmsend --watch` as a supervisor, cron and an operator see it.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { QueueSimple } from '../../src/index.js'
import { testKey } from '../kit/ca.js'
import { startFreezingProxy } from '../kit/connect-proxy.js'
import { startFakeBroker, type FakeBroker, type Peer } from '../kit/fake-broker.js'
import { startHoldingBroker } from '../kit/holding-broker.js'
import { need } from '../kit/need.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { elementsLeft } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, type Running, type Sections, type Site } from '../kit/site.js'

/** Gives receipts at once, and says when. */
async function receipting(peer: Peer, headers?: string): Promise<void> {
  await peer.greet(headers)
  for (;;) {
    const { headers: sent } = await peer.expect('SEND').catch(() => ({ headers: new Map<string, string>() }))
    const receipt = sent.get('receipt')
    if (receipt !== undefined) peer.send(`RECEIPT\nreceipt-id:${receipt}\n\n\0`)
    else if (peer.socket.destroyed) return
  }
}

function watching(t: TestContext, port: number, both: Sections = {}): { site: Site; run: Running } {
  const site = createSite(scratch(t), port)
  site.configure({ both })
  return { site, run: site.startSender('--watch') }
}

const isWatching = (site: Site) => (): boolean =>
  site.log('ssmsend').includes('Watching ') && site.log('ssmsend').includes('Will send messages to')
const sends = (broker: FakeBroker): number =>
  broker.peers.reduce((sum, { frames }) => sum + frames.filter(({ command }) => command === 'SEND').length, 0)
const ended = async (run: Running): Promise<unknown[]> => {
  const { code, signal, stdout, stderr } = await run.stop()
  return [code, signal, stdout, stderr]
}

describe('a sender that stays', () => {
  test('sends what comes, over one connection, sooner than its scans', async (t) => {
    await using broker = await startFakeBroker((peer) => receipting(peer))
    const { site, run } = watching(t, broker.port)
    await eventually('it watches', isWatching(site))
    const producer = new QueueSimple(site.outgoing)
    const took: number[] = []
    for (let n = 1; n <= 10; n++) {
      const since = performance.now()
      await producer.add(`record ${n}\n`)
      await eventually(`${n} are sent`, () => sends(broker) === n, 30, 1)
      took.push(performance.now() - since)
      await sleep(50)
    }
    t.diagnostic(`from add to SEND: ${took.map((ms) => ms.toFixed(0)).join(' ')} ms`)
    assert.ok(took.filter((ms) => ms < 2500).length >= 8, `hints are heard: ${String(took)}`)
    await eventually('the spool is empty', () => elementsLeft(site.outgoing).length === 0)
    assert.equal(broker.peers.length, 1)
    assert.deepEqual(await ended(run), [0, null, '', ''])
    assert.match(site.log('ssmsend'), /SSM has shut down\./)
  })

  test('a plain directory likewise, once a file is still', async (t) => {
    await using broker = await startFakeBroker((peer) => receipting(peer))
    const { site, run } = watching(t, broker.port, { messaging: { path_type: 'directory' } })
    await eventually('it watches', isWatching(site))
    const { writeFileSync, mkdirSync } = await import('node:fs')
    mkdirSync(join(site.outgoing, 'folder'))
    writeFileSync(join(site.outgoing, 'folder', 'not'), 'not sent')
    for (const name of ['a.txt', 'b.txt']) writeFileSync(join(site.outgoing, name), `file ${name}\n`)
    await eventually('both are sent', () => sends(broker) === 2)
    await eventually('both are gone', () => !existsSync(join(site.outgoing, 'b.txt')))
    assert.deepEqual(await ended(run), [0, null, '', ''])
  })

  test('a cron run beside it says so and ends with 0; a second one that stays with 75', async (t) => {
    await using broker = await startFakeBroker((peer) => receipting(peer))
    const { site, run } = watching(t, broker.port)
    await eventually('it watches', isWatching(site))
    await new QueueSimple(site.outgoing).add('x\n')
    await eventually('sent', () => elementsLeft(site.outgoing).length === 0)
    const locked = new QueueSimple(site.outgoing)
    run.child.kill('SIGSTOP')
    await locked.add('y\n')
    const [cron, second] = [await site.send(), await site.send('--watch')]
    run.child.kill('SIGCONT')
    assert.deepEqual([cron.code, second.code], [0, 75], site.log('ssmsend'))
    assert.match(site.log('ssmsend'), /INFO - Another ssmsend is sending from .* \(pid \d+ since /)
    await eventually('sent by the first', () => elementsLeft(site.outgoing).length === 0)
    assert.deepEqual(await ended(run), [0, null, '', ''])
  })

  test('SIGTERM: what is in flight is receipted and removed', async (t) => {
    await using broker = await startHoldingBroker()
    const { site, run } = watching(t, broker.port)
    await eventually('it watches', isWatching(site))
    const producer = new QueueSimple(site.outgoing)
    for (let n = 0; n < 5; n++) await producer.add(`record ${n}\n`)
    await eventually('all are in flight', () => broker.received() === 5)
    run.child.kill('SIGTERM')
    await eventually('it knows', () => site.log('ssmsend').includes('Received the shutdown signal: SIGTERM'))
    broker.allow(5)
    const { code, signal } = await run.ended
    assert.deepEqual([code, signal, elementsLeft(site.outgoing)], [0, null, []])
  })

  test('SIGHUP: the log is opened again, a renewed pair signs', async (t) => {
    await using broker = await startFakeBroker((peer) => receipting(peer))
    const { site, run } = watching(t, broker.port)
    await eventually('it watches', isWatching(site))
    const producer = new QueueSimple(site.outgoing)
    const certificates = () =>
      broker.peers[0]!.frames.filter(({ command }) => command === 'SEND').map(({ body }) => signerOf(body.toString()))
    await producer.add('one\n')
    await eventually('the first is sent', () => sends(broker) === 1)
    const renewed = site.pki.add('host', { key: testKey('rsa2048', 5) })
    const file = join(site.dir, 'ssmsend.log')
    renameSync(file, `${file}.1`)
    run.child.kill('SIGHUP')
    await eventually('it is in use', () => site.log('ssmsend').includes('The renewed host certificate is in use'))
    await producer.add('two\n')
    await eventually('the second is sent', () => sends(broker) === 2)
    const [first = '', second = ''] = certificates()
    assert.notEqual(first, second)
    assert.ok(
      Buffer.from(second, 'base64').includes(Buffer.from(renewed.certificate.der)),
      'signed with the renewed one',
    )
    assert.deepEqual(await ended(run), [0, null, '', ''])
    assert.match(readFileSync(file, 'utf8'), /SSM has shut down\./)
  })

  test('a broker that goes silent is noticed while nothing is sent, and connected to again', async (t) => {
    await using broker = await startFakeBroker((peer) => receipting(peer, 'version:1.2\nheart-beat:1000,1000\n'))
    const { site, run } = watching(t, broker.port, { broker: { heart_beat: '1 s' } })
    await eventually('it connects again', () => broker.peers.length >= 2)
    assert.match(site.log('ssmsend'), /WARNING - The connection ended: .*no heart-beat from the broker for 2000 ms/)
    assert.deepEqual(await ended(run), [0, null, '', ''])
  })

  test('RabbitMQ that is stopped and started: everything arrives once', { skip: need('rabbitmq') }, async (t) => {
    await using broker = await startRabbitmq()
    const { site, run } = watching(t, broker.port)
    const receiver = site.startReceiver()
    await eventually('it watches', isWatching(site))
    const producer = new QueueSimple(site.outgoing)
    for (let n = 0; n < 20; n++) await producer.add(`record ${n}\n`)
    await eventually('20 arrived', () => site.countIncoming() === 20, 60)
    await broker.stop()
    for (let n = 20; n < 40; n++) await producer.add(`record ${n}\n`)
    await eventually('it says so', () => site.log('ssmsend').includes('Nothing is sent for now'))
    await broker.start()
    await eventually('40 arrived', () => site.countIncoming() === 40, 90)
    const bodies = new Set(site.incoming().map(({ body }) => body!.toString()))
    assert.equal(bodies.size, 40)
    assert.deepEqual(readdirSync(join(site.outgoing, '.ssm')).includes('failed'), false)
    assert.deepEqual(await ended(run), [0, null, '', ''])
    assert.equal((await receiver.stop()).code, 0)
  })
})

/** The signature of a clear-signed message, base64. */
function signerOf(wire: string): string {
  return (/smime\.p7s"?\n\n([A-Za-z0-9+/=\n]+)\n--/.exec(wire)?.[1] ?? '').replaceAll('\n', '')
}

describe('a connection that is half-open', () => {
  test('is found by both programs, and made again', { skip: need('rabbitmq') }, async (t) => {
    await using broker = await startRabbitmq()
    await using proxy = await startFreezingProxy(broker.port)
    const { site, run } = watching(t, proxy.port, { broker: { heart_beat: '1 s' } })
    await eventually('it watches', isWatching(site))
    const receiver = site.startReceiver()
    await eventually('it subscribed', () => site.log('ssmreceive').includes('Subscribing to'))
    const producer = new QueueSimple(site.outgoing)
    await producer.add('one\n')
    await eventually('one arrived', () => site.countIncoming() === 1)
    proxy.freeze()
    await producer.add('two\n')
    await eventually('both connected again', () => proxy.connections === 4)
    await eventually('two arrived', () => site.countIncoming() >= 2)
    const said = /WARNING - The connection ended: .*no heart-beat from the broker for 2000 ms/
    assert.match(site.log('ssmsend'), said)
    assert.match(site.log('ssmreceive'), said)
    assert.deepEqual(await ended(run), [0, null, '', ''])
    assert.equal((await receiver.stop()).code, 0)
  })
})
