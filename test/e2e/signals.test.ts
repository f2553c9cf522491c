/**
 * Runs that overlap, are killed, or are told to stop or to read again.
 */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { testKey, type TestHost } from '../kit/ca.js'
import { sealed } from '../kit/bad-messages.js'
import { startHoldingBroker } from '../kit/holding-broker.js'
import { elementsLeft, fillOutgoing } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Running, type Sections, type Site } from '../kit/site.js'
import { connectStomp, sendFrame } from '../kit/stomp-client.js'

const DESTINATION = '/queue/ssm'
const WINDOW = 64

describe('ssmsend', () => {
  async function inFlight(t: TestContext, count: number) {
    const broker = await startHoldingBroker()
    const site = createSite(scratch(t), broker.port)
    site.configure({ sender: { messaging: { window: WINDOW } } })
    fillOutgoing(site.outgoing, count, ['ascii'], 500)
    const run = site.startSender()
    return { broker, site, run }
  }

  test('an overlapping run says so and ends with 0', async (t) => {
    const { broker, site, run } = await inFlight(t, 10)
    await using _broker = broker
    await eventually('all are in flight', () => broker.received() === 10)
    const second = await site.send()
    assert.deepEqual([second.code, second.stdout, second.stderr], [0, '', ''])
    const said = new RegExp(
      `ssmsend - INFO - Another ssmsend is sending from ${site.outgoing} \\(pid ${run.child.pid} since [\\d:TZ.-]+\\)\\.\n`,
    )
    assert.match(site.log('ssmsend'), said)
    broker.allow(10)
    assert.equal((await run.ended).code, 0)
    assert.equal(broker.received(), 10)
  })

  test('killed in the middle of 300: the next run sends the rest at once', async (t) => {
    const { broker, site, run } = await inFlight(t, 300)
    await using _broker = broker
    broker.allow(100)
    await eventually('100 are through', () => broker.receipted.length === 100)
    await eventually('the window is full again', () => broker.received() >= 150)
    await run.stop('SIGKILL')
    const left = elementsLeft(site.outgoing)
    assert.ok(
      left.some((name) => name.endsWith('.lck')),
      'it held locks',
    )
    broker.allow(1000)
    const next = await site.send()
    assert.equal(next.code, 0, next.stdout + next.stderr + site.log('ssmsend'))
    assert.deepEqual(elementsLeft(site.outgoing), [])
    assert.doesNotMatch(site.log('ssmsend'), /Message was locked/)
    assert.match(site.log('ssmsend'), /INFO - Freed \d+ locks of a run that was killed\./)
    assert.equal(new Set(broker.receipted).size, 300)
    assert.ok(broker.receipted.length <= 300 + WINDOW, `${broker.receipted.length}`)
  })

  test('SIGTERM: what is in flight is receipted and removed, the rest stays unlocked', async (t) => {
    const { broker, site, run } = await inFlight(t, 300)
    await using _broker = broker
    await eventually('the window is full', () => broker.received() === WINDOW)
    run.child.kill('SIGTERM')
    await eventually('it knows', () => site.log('ssmsend').includes('Received the shutdown signal: SIGTERM'))
    broker.allow(1000)
    const ended = await run.ended
    assert.deepEqual([ended.code, ended.signal, ended.stdout], [0, null, ''])
    assert.equal(broker.received(), WINDOW)
    const left = elementsLeft(site.outgoing)
    assert.equal(left.length, 300 - WINDOW)
    assert.deepEqual(
      left.filter((name) => name.endsWith('.lck')),
      [],
    )
    assert.match(site.log('ssmsend'), /SSM has shut down\./)
  })

  test('a second SIGTERM gives up at once: everything stays, nothing is locked', async (t) => {
    const { broker, site, run } = await inFlight(t, 100)
    await using _broker = broker
    await eventually('the window is full', () => broker.received() === WINDOW)
    run.child.kill('SIGTERM')
    await eventually('it knows', () => site.log('ssmsend').includes('Received the shutdown signal: SIGTERM'))
    const since = performance.now()
    run.child.kill('SIGTERM')
    const ended = await run.ended
    assert.deepEqual([ended.code, ended.signal], [0, null], site.log('ssmsend'))
    assert.ok(performance.now() - since < 8000)
    const left = elementsLeft(site.outgoing)
    assert.deepEqual([left.length, left.filter((name) => name.endsWith('.lck')).length], [100, 0])
  })

  test('SIGTERM while there is no broker ends it at once', async (t) => {
    const site = createSite(scratch(t), await freePort())
    fillOutgoing(site.outgoing, 1, ['ascii'])
    const run = site.startSender()
    await eventually('it tried', () => site.log('ssmsend').includes('Failed to connect'))
    const ended = await run.stop()
    assert.deepEqual([ended.code, ended.signal], [0, null])
  })
})

describe('ssmreceive', () => {
  async function listening(t: TestContext, both: Sections = {}) {
    const port = await freePort()
    const site = createSite(scratch(t), port)
    site.configure({
      both,
      receiver: { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } },
    })
    const receiver = site.startReceiver()
    await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
    return { site, port, receiver }
  }

  const refreshed = (site: Site): number => site.log('ssmreceive').split('Refreshing valid DNs').length

  /** SIGHUP, and what shows that it was heard. */
  async function hangUp(site: Site, receiver: Running): Promise<void> {
    const before = refreshed(site)
    receiver.child.kill('SIGHUP')
    await eventually('it refreshes', () => refreshed(site) > before)
  }

  let number = 0
  /** Sends one message of a signer; where it went. */
  async function outcome(site: Site, port: number, by: TestHost, recipient?: TestHost): Promise<string> {
    const id = `message-${number++}`
    await using client = await connectStomp(port)
    await client.greet('accept-version:1.2', 'host:/')
    client.send(sendFrame(DESTINATION, id, await sealed(by, `record ${id}\n`, recipient)))
    assert.match(await client.next(10_000), /^RECEIPT/)
    const mine = ({ empaid }: { readonly empaid?: Buffer }) => empaid?.toString() === id
    if (site.incoming().some(mine)) return 'incoming'
    return site.reject().find(mine)?.error?.toString('utf8') ?? 'nowhere'
  }

  /** Reading again takes a moment: asks until the answer fits. */
  async function becomes(expected: RegExp, ask: () => Promise<string>): Promise<void> {
    let answer = ''
    const end = Date.now() + 10_000
    while (!expected.test(answer) && Date.now() < end) {
      answer = await ask()
      await sleep(50)
    }
    assert.match(answer, expected)
  }

  test('SIGTERM while messages come: what has a receipt is stored, and nothing else', async (t) => {
    const { site, port, receiver } = await listening(t)
    await using client = await connectStomp(port)
    await client.greet('accept-version:1.2', 'host:/')
    const wires = await Promise.all(Array.from({ length: 400 }, (_, n) => sealed(site.pki.host, `record ${n}\n`)))
    for (const [n, wire] of wires.entries()) client.send(sendFrame(DESTINATION, `m-${n}`, wire))
    for (let n = 0; n < 50; n++) assert.match(await client.next(), /^RECEIPT/)
    receiver.child.kill('SIGTERM')
    const receipts = new Set<string>()
    let closed = false
    while (!closed) {
      const frame = await client.next(20_000).catch(() => undefined)
      closed = frame === undefined
      const id = /^receipt-id:(.*)$/m.exec(frame ?? '')?.[1]
      if (id !== undefined && frame?.startsWith('RECEIPT') === true) receipts.add(id)
    }
    const ended = await receiver.ended
    assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr)
    t.diagnostic(`${50 + receipts.size} of 400 had a receipt`)
    assert.equal(site.countIncoming(), 50 + receipts.size)
    assert.equal(existsSync(join(site.dir, 'ssmreceive.pid')), false)
  })

  test('SIGHUP: the log that was moved away is opened again', async (t) => {
    const { site, receiver } = await listening(t)
    const file = join(site.dir, 'ssmreceive.log')
    renameSync(file, `${file}.1`)
    receiver.child.kill('SIGHUP')
    await eventually('a new log', () => existsSync(file) && readFileSync(file, 'utf8').includes('Refreshing valid DNs'))
    assert.doesNotMatch(readFileSync(`${file}.1`, 'utf8'), /Refreshing valid DNs/)
    assert.equal((await receiver.stop()).code, 0)
    assert.match(readFileSync(file, 'utf8'), /Receiving SSM has shut down\./)
  })

  test('SIGHUP: a DN that was added is accepted, one that was removed is not', async (t) => {
    const { site, port, receiver } = await listening(t)
    const { ec, host } = site.pki
    assert.match(await outcome(site, port, ec), /^Signer not in valid DNs list: /)
    appendFileSync(site.dns, `${ec.dn}\n`)
    await hangUp(site, receiver)
    await becomes(/^incoming$/, () => outcome(site, port, ec))
    site.allow(ec)
    await hangUp(site, receiver)
    await becomes(/^Signer not in valid/, () => outcome(site, port, host))
    // A list that is broken meanwhile does not shut everybody out.
    site.allow()
    await hangUp(site, receiver)
    await eventually('it complains', () => site.log('ssmreceive').includes('The DN list was not read again'))
    assert.equal(await outcome(site, port, ec), 'incoming')
    assert.equal((await receiver.stop()).code, 0)
  })

  test('SIGHUP: a renewed host certificate is taken up, for decryption and for TLS', async (t) => {
    const { site, port, receiver } = await listening(t)
    const before = site.pki.other
    assert.equal(await outcome(site, port, site.pki.host, before), 'incoming')
    const renewed = site.pki.add('other', { key: testKey('rsa2048', 5) })
    assert.match(await outcome(site, port, site.pki.host, renewed), /^Failed to decrypt message: /)
    await hangUp(site, receiver)
    await becomes(/^incoming$/, () => outcome(site, port, site.pki.host, renewed))
    assert.equal(await outcome(site, port, site.pki.host, before), 'incoming', 'the one before still decrypts')
    assert.match(site.log('ssmreceive'), /INFO - The renewed host certificate is in use: /)
    assert.equal((await receiver.stop()).code, 0)
  })

  test('SIGHUP: the listener shows the renewed certificate', async (t) => {
    const { site, port, receiver } = await listening(t, { broker: { use_ssl: true } })
    const { host } = site.pki
    const shown = async (): Promise<string> => {
      const tls = { cert: readFileSync(host.certificateFile), key: readFileSync(host.keyFile) }
      await using client = await connectStomp(port, tls)
      assert.ok(client.socket instanceof TLSSocket)
      return client.socket.getPeerX509Certificate()?.fingerprint256 ?? ''
    }
    const first = await shown()
    site.pki.add('other', { key: testKey('rsa2048', 5) })
    await hangUp(site, receiver)
    await becomes(/^new$/, async () => ((await shown()) === first ? 'old' : 'new'))
    assert.equal((await receiver.stop()).code, 0)
  })

  test('SIGHUP: a CRL that was added revokes', async (t) => {
    const { site, port, receiver } = await listening(t)
    const { host, revoked } = site.pki
    assert.equal(await outcome(site, port, host), 'incoming')
    site.pki.writeCrl({
      revoked: [revoked, host].map(({ certificate }) => ({ serial: certificate.serial })),
      number: 2,
    })
    await hangUp(site, receiver)
    await becomes(/was revoked by/, () => outcome(site, port, host))
    assert.equal((await receiver.stop()).code, 0)
  })
})
