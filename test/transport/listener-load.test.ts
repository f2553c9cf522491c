/**
 * What many, large, slow and broken clients may and may not do to a listener.
 */
import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { test } from 'node:test'
import { DESTINATION, openListening, type Listening } from '../kit/listening.js'
import { connectStomp, sendFrame, type StompClient } from '../kit/stomp-client.js'

const MIB = 1024 * 1024

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function greeted(listening: Listening): Promise<StompClient> {
  const client = await connectStomp(listening.port)
  assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/)
  return client
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let n = 0; n < 1000; n += 1) {
    if (condition()) return
    await pause(10)
  }
  assert.fail(what)
}

test('a stuck consumer: sockets are paused, memory does not grow, and all arrives when it goes on', async () => {
  await using listening = await openListening({ limits: { bodiesInFlight: MIB, drainMs: 500 } })
  const clients = await Promise.all([greeted(listening), greeted(listening), greeted(listening)])
  const body = randomBytes(100_000)
  const before = process.memoryUsage().arrayBuffers
  // 60 MB: more than the kernel's buffers and the limit can take.
  const frame = sendFrame(DESTINATION, 'a', body)
  for (const client of clients) for (let n = 0; n < 200; n += 1) client.send(frame)
  await pause(300)
  const waiting = clients.reduce((sum, client) => sum + client.socket.writableLength, 0)
  assert.ok(waiting > 20 * MIB, `only ${waiting} bytes are held back`)
  // The frame is shared by all writes, so what grows is ours: the limit, and a read for each client.
  const grown = process.memoryUsage().arrayBuffers - before
  assert.ok(grown < 8 * MIB, `${grown} bytes more`)
  const stored = listening.storeAll()
  await until(() => stored.length === 600, 'not all arrived')
  assert.ok(stored.every((each) => each.body.equals(body)))
  for (const client of clients) client.socket.destroy()
})

test('large messages that together exceed the memory do not wait for each other for ever', async () => {
  await using listening = await openListening({ limits: { bodiesInFlight: MIB }, maxMessageSize: 2 * MIB })
  const stored = listening.storeAll()
  const clients = await Promise.all([greeted(listening), greeted(listening), greeted(listening), greeted(listening)])
  const frame = sendFrame(DESTINATION, 'a', randomBytes(2 * MIB))
  for (const client of clients) client.send(frame.subarray(0, 900_000))
  await pause(200)
  for (const client of clients) client.send(frame.subarray(900_000))
  for (const client of clients) assert.match(await client.next(), /^RECEIPT/)
  assert.equal(stored.length, 4)
  for (const client of clients) client.socket.destroy()
})

test('while we do not read, silence is not the client’s fault', async () => {
  await using listening = await openListening({ limits: { bodiesInFlight: 1000, progressMs: 800 }, heartBeat: 400 })
  await using client = await connectStomp(listening.port)
  await client.greet('accept-version:1.2', 'heart-beat:400,0')
  const second = sendFrame(DESTINATION, 'b', 'y')
  client.send(Buffer.concat([sendFrame(DESTINATION, 'a', 'x'.repeat(2000)), second.subarray(0, 9)]))
  const delivery = await listening.take()
  await pause(1000)
  delivery.stored()
  assert.equal(await client.next(), 'RECEIPT\nreceipt-id:a\n\n')
  // Some looks at the deadlines later it is still there.
  await pause(100)
  client.send(second.subarray(9))
  ;(await listening.take()).stored()
  assert.equal(await client.next(), 'RECEIPT\nreceipt-id:b\n\n')
})

test('heart-beats are sent to those who want them', async () => {
  await using listening = await openListening({ heartBeat: 100 })
  await using client = await connectStomp(listening.port)
  assert.match(await client.greet('accept-version:1.1', 'heart-beat:0,50'), /heart-beat:100,100/)
  await pause(500)
  assert.ok(client.beats >= 4, `${client.beats} heart-beats`)
})

test('heart-beats go on while reading is paused', async () => {
  await using listening = await openListening({ limits: { bodiesInFlight: 1000 }, heartBeat: 100 })
  await using client = await connectStomp(listening.port)
  await client.greet('accept-version:1.1', 'heart-beat:0,50')
  client.send(sendFrame(DESTINATION, 'a', 'x'.repeat(2000)))
  await listening.take()
  const before = client.beats
  await pause(500)
  assert.ok(client.beats >= before + 4, `${client.beats - before} heart-beats`)
})

test('a client that dribbles a frame byte by byte is ended, one that is slow but steady is not', async () => {
  await using listening = await openListening({ limits: { progressMs: 300, progressBytes: 1000 } })
  const steady = await greeted(listening)
  const dribbling = await greeted(listening)
  const frame = sendFrame(DESTINATION, 'a', 'x'.repeat(12_000))
  let at = 0
  const timer = setInterval(() => {
    dribbling.send(frame.subarray(at, at + 1))
    steady.send(frame.subarray(at * 600, at * 600 + 600))
    at += 1
  }, 40)
  const delivery = await listening.take()
  clearInterval(timer)
  delivery.stored()
  assert.match(await steady.next(), /^RECEIPT/)
  assert.match(await dribbling.next(), /^ERROR\nmessage:no progress/)
  steady.socket.destroy()
  dribbling.socket.destroy()
})

test('a client that never reads is not read from, and then ended', async () => {
  await using listening = await openListening({ limits: { answersMs: 200 } })
  const client = await greeted(listening)
  client.socket.pause()
  const ping = `SEND\ndestination:${DESTINATION}\nempa-id:ping\nreceipt:${'r'.repeat(30_000)}\n\n\0`
  for (let n = 0; n < 1000; n += 1) client.send(ping)
  await until(() => listening.log.some((line) => line.includes('did not read our answers')), 'it is still there')
  client.socket.destroy()
})

test('an oversized message is thrown away while its client still writes, and the client can read why', async () => {
  await using listening = await openListening({ maxMessageSize: 1000 })
  await using client = await greeted(listening)
  client.send(sendFrame(DESTINATION, 'a', Buffer.alloc(30 * MIB)))
  await until(() => client.socket.writableLength === 0, 'it does not read')
  assert.match(await client.next(), /^ERROR\nmessage:a STOMP frame whose body is larger than 1000 bytes/)
  client.socket.end()
  await client.closed()
})

test('a flood of connections: those beyond the limit end, the log stays small, a good client goes on', async () => {
  await using listening = await openListening({ maxConnections: 5, limits: { complaints: 3 } })
  await using good = await greeted(listening)
  const flood = await Promise.all(Array.from({ length: 100 }, () => connectStomp(listening.port).catch(() => null)))
  await until(() => flood.filter((each) => each !== null && !each.socket.closed).length <= 4, 'they are all in')
  good.send(sendFrame(DESTINATION, 'a', 'x'))
  ;(await listening.take()).stored()
  assert.match(await good.next(), /^RECEIPT/)
  assert.equal(listening.log.filter((line) => line.includes('refused')).length, 3)
  for (const each of flood) each?.socket.destroy()
})

const HOSTILE = [
  () => randomBytes(randomInt(1, 5000)),
  () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  () => Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'latin1'),
  () => Buffer.from('\n'.repeat(10_000)),
  () => Buffer.from('\r'.repeat(10_000)),
  () => Buffer.from(`CONNECT\n${'a:b\n'.repeat(99)}`),
  () => Buffer.from(`CONNECT\n${'x'.repeat(70_000)}`),
  () => Buffer.from('CONNECT\naccept-version:1.2\nheart-beat:99999999999,1\n\n\0'),
  () => Buffer.from('CONNECT\naccept-version:1.2\n\n\0SEND\ncontent-length:5\ncontent-length:6\n\nxxxxx\0'),
  () => Buffer.from(`CONNECT\naccept-version:1.2\n\n\0SEND\ndestination:${DESTINATION}\ncontent-length:3\n\nxxxxx\0`),
  () => Buffer.from('CONNECT\naccept-version:1.2\n\n\0SEND\ncontent-length:99999999999999999999\n\n'),
  () => Buffer.from('CONNECT\naccept-version:1.2\n\n\0SEND\nconstructor:x\n__proto__:y\n\n\0'),
  () => Buffer.from('CONNECT\naccept-version:1.2\n\n\0__proto__\n\n\0'),
  () => Buffer.from('CONNECT\naccept-version:1.2\n\n\0CONSTRUCTOR\n\n\0'),
  () => Buffer.from('CONNECT\naccept-version:1.2\n\n\0SEND\nx\\t:y\n\n\0'),
]

test('garbage of every kind, and 20 good messages on another connection arrive', async () => {
  await using listening = await openListening({ limits: { connectMs: 500, lingerMs: 100 } })
  const stored = listening.storeAll()
  await using good = await greeted(listening)
  for (let round = 0; round < 20; round += 1) {
    for (const make of HOSTILE) {
      const client = await connectStomp(listening.port)
      client.send(make())
      const how = randomInt(3)
      if (how === 0) client.socket.destroy()
      else if (how === 1) client.socket.resetAndDestroy()
      else setTimeout(() => client.socket.destroy(), 100)
    }
    good.send(sendFrame(DESTINATION, `good-${round}`, 'x'))
    assert.equal(await good.next(), `RECEIPT\nreceipt-id:good-${round}\n\n`)
  }
  assert.equal(stored.filter(({ id }) => id.startsWith('good-')).length, 20)
  assert.equal(stored.length, 20)
})
