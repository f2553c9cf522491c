/**
 * Bad messages among good ones: behind each bad one 20 good ones arrive, and it lands in reject with its reason.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { badMessages, listedDns, sealed } from '../kit/bad-messages.js'
import { need } from '../kit/need.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Running, type Site } from '../kit/site.js'
import { connectStomp } from '../kit/stomp-client.js'

const GOOD = 20
const MAX_SIZE = 100_000
/** As STOMP 1.2 escapes a line break; the rest as it is. */
const HOSTILE_ID = 'a\\nb\\r\x1b[2Jc\u202e'
const STORED_ID = 'a\\nb\\r\\x1b[2Jc\\u202e'

interface Numbered {
  readonly id: string
  readonly wire: Buffer
}

function frame({ id, wire }: Numbered, receipt: number): Buffer {
  const head = `SEND\ndestination:/queue/ssm\nempa-id:${id}\nreceipt:r${receipt}\ncontent-length:${wire.length}\n\n`
  return Buffer.concat([Buffer.from(head), wire, Buffer.from('\0')])
}

/** Sends all and waits for all receipts: nothing about a message's fate shows there. */
async function publish(port: number, messages: readonly Numbered[]): Promise<void> {
  await using client = await connectStomp(port)
  assert.match(await client.greet('accept-version:1.2', 'host:/', 'login:guest', 'passcode:guest'), /^CONNECTED/)
  for (const [n, message] of messages.entries()) client.send(frame(message, n))
  let answers = 0
  while (answers++ < messages.length) assert.match(await client.next(30_000), /^RECEIPT\nreceipt-id:r\d+\n/)
}

async function badAmongGood(site: Site, port: number, receiver: Running, listens: boolean): Promise<void> {
  const all = await badMessages(site.pki, MAX_SIZE)
  // The listener says so to the sender, which still has the message; a broker has taken it already.
  const bad = all.filter(({ name }) => !(listens && name === 'oversized'))
  const messages: Numbered[] = []
  for (const [n, { wire }] of bad.entries()) {
    messages.push({ id: `bad-${n}`, wire })
    for (let i = 0; i < GOOD; i++) {
      messages.push({ id: `good-${n}-${i}`, wire: await sealed(site.pki.host, `record ${n} ${i}\n`) })
    }
  }
  messages.push({ id: HOSTILE_ID, wire: await sealed(site.pki.host, 'hostile id\n') })
  await publish(port, messages)
  await eventually(
    'everything is stored',
    () => site.countIncoming() >= bad.length * GOOD + 1 && site.reject().length >= bad.length,
    40,
  )
  assert.equal((await receiver.stop()).code, 0)
  const incoming = site.incoming()
  assert.equal(incoming.length, bad.length * GOOD + 1)
  assert.ok(incoming.some(({ empaid }) => empaid!.toString('utf8') === STORED_ID))
  const reject = new Map(site.reject().map((fields) => [fields.empaid!.toString('utf8'), fields]))
  assert.equal(reject.size, bad.length)
  const wrong = bad.flatMap(({ name, wire, error }, n) => {
    const fields = reject.get(`bad-${n}`)
    const why = fields?.error?.toString('utf8') ?? 'nothing'
    const whole = name === 'oversized' || fields?.body?.equals(wire) === true
    return whole && error.test(why) ? [] : [`${name}: ${why}`]
  })
  assert.deepEqual(wrong, [])
  // eslint-disable-next-line no-control-regex -- none of them may be stored
  const control = /[\x00-\x1f\x7f\u202e]/
  for (const { error, signer, empaid } of reject.values())
    assert.doesNotMatch([error, signer, empaid].join(''), control)
  const log = site.log('ssmreceive')
  // eslint-disable-next-line no-control-regex -- none of them may be printed
  assert.doesNotMatch(log, /[\x00-\x09\x0b-\x1f\x7f\u202e]/)
  assert.ok(
    log.split('\n').every((line) => line === '' || /^\d{4}-\d\d-\d\d [\d:,]+ - [a-z.2]+ - [A-Z]+ - /.test(line)),
  )
  assert.ok(log.includes(`Received message. ID = ${STORED_ID}`))
}

function siteFor(t: TestContext, port: number, listens: boolean): Site {
  const site = createSite(scratch(t), port)
  const broker = listens ? { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } } : {}
  site.configure({ receiver: { ...broker, messaging: { max_message_size: MAX_SIZE } } })
  writeFileSync(site.dns, `${listedDns(site.pki).join('\n')}\n`)
  return site
}

test('bad messages among good ones: the listener', async (t) => {
  const port = await freePort()
  const site = siteFor(t, port, true)
  const receiver = site.startReceiver()
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  await badAmongGood(site, port, receiver, true)
})

test('bad messages among good ones: RabbitMQ', { skip: need('rabbitmq') }, async (t) => {
  await using broker = await startRabbitmq()
  const site = siteFor(t, broker.port, false)
  const receiver = site.startReceiver()
  await badAmongGood(site, broker.port, receiver, false)
})
