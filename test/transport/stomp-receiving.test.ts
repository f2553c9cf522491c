/** Receiving from brokers that exceed limits or break the protocol; windows. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/os/clock.js'
import type { Delivery } from '../../src/transport/port.js'
import type { StompSettings } from '../../src/transport/stomp/index.js'
import { never, take } from '../contract/transport.js'
import { startFakeBroker, type FakeBroker } from '../kit/fake-broker.js'
import { messageFrame, refusal, testDeps, transportTo } from '../kit/transport.js'

const options = { timeout: 120_000 }

describe('receiving', options, () => {
  /** Greets, awaits SUBSCRIBE, then says this. */
  const telling = (text: string | Uint8Array, version = '1.2') =>
    startFakeBroker(async (peer) => {
      await peer.greet(`version:${version}\n`)
      await peer.expect('SUBSCRIBE')
      peer.send(text)
    })

  async function receiving(broker: FakeBroker, settings: Partial<StompSettings> = {}, deps = testDeps()) {
    return transportTo(broker, settings, deps).openSubscriber(never())
  }

  test('what goes over the wire, in each version', async () => {
    for (const [version, ack] of [
      ['1.2', { id: 'ack-m:1', subscription: '1' }],
      ['1.1', { 'message-id': 'm:1', subscription: '1' }],
      ['1.0', { 'message-id': 'm:1', subscription: '1' }],
    ] as const) {
      const id = version === '1.0' ? 'm:1' : 'm\\c1'
      await using broker = await telling(messageFrame(id, 'x'), version)
      await using subscriber = await receiving(broker)
      const [delivery] = await take(subscriber, 1)
      assert.equal(delivery?.id, 'm:1')
      const peer = broker.peers[0]!
      const heads = await Promise.all([peer.expect('ACK')])
      assert.deepEqual(Object.fromEntries(heads[0].headers), ack)
      const { headers } = peer.frames[1]!
      assert.deepEqual(Object.fromEntries(headers), {
        id: '1',
        ack: 'client-individual',
        'prefetch-count': '64',
        'activemq.prefetchSize': '64',
        destination: '/queue/test',
      })
    }
  })

  test('header values keep their blanks; the first of two counts; escapes are undone once', async () => {
    const text = 'MESSAGE\nempa-id: a\\\\nb \nempa-id:second\nack:1\nsubscription:1\ncontent-length:1\n\nx\0'
    await using broker = await telling(text)
    await using subscriber = await receiving(broker)
    assert.equal((await take(subscriber, 1))[0]?.id, ' a\\nb ')
  })

  test('a message without an id is called noid; a ping is acknowledged and not delivered', async () => {
    const noId = 'MESSAGE\nack:1\nsubscription:1\n\nx\0'
    const ping = 'MESSAGE\nack:2\nsubscription:1\nempa-id:ping\ncontent-length:0\n\n\0'
    await using broker = await telling(ping + noId + messageFrame('ping', 'with a body'))
    const deps = testDeps()
    await using subscriber = await receiving(broker, {}, deps)
    const taken = await take(subscriber, 2)
    assert.deepEqual(
      taken.map(({ id }) => id),
      ['noid', 'ping'],
    )
    assert.equal((await broker.peers[0]!.expect('ACK')).headers.get('id'), '2')
    assert.equal(deps.log.lines.filter((line) => line === 'INFO Received ping message.').length, 1)
  })

  for (const [title, head, tail] of [
    ['with a length', 'content-length:300000\n', ''],
    ['without a length', '', ''],
  ] as const) {
    test(`a body that is too large, ${title}, is cut and says so; the next one is whole`, async () => {
      const large = Buffer.concat([
        Buffer.from(`MESSAGE\nack:1\nsubscription:1\nempa-id:big\n${head}\n`),
        Buffer.alloc(300_000, 'x'),
        Buffer.from(`\0${tail}${messageFrame('small', 'y')}`),
      ])
      await using broker = await telling(large)
      await using subscriber = await receiving(broker, { maxMessageSize: 200_000 })
      const [big, small] = await take(subscriber, 2)
      assert.equal(big?.truncated, 300_000)
      assert.equal(big.body.length, 65_536)
      assert.deepEqual([small?.id, small?.truncated, small?.body.length], ['small', undefined, 1])
      assert.equal((await broker.peers[0]!.expect('ACK')).headers.get('id'), '1')
    })
  }

  for (const [title, text, words] of [
    ['two lengths', 'MESSAGE\nack:1\ncontent-length:1\ncontent-length:2\n\nx\0', /content-length/],
    ['a length that does not fit', 'MESSAGE\nack:1\ncontent-length:1\n\nxyz\0', /content-length/],
    ['a negative length', 'MESSAGE\nack:1\ncontent-length:-1\n\nxyz\0', /content-length/],
    ['a length of a thousand digits', `MESSAGE\nack:1\ncontent-length:${'9'.repeat(1000)}\n\nx`, /content-length/],
    ['a length of 900 TB', 'MESSAGE\nack:1\ncontent-length:900000000000000\n\nx', /2147483648 bytes/],
    ['a huge header', `MESSAGE\nack:${'1'.repeat(70_000)}`, /65536 bytes/],
    ['too many headers', `MESSAGE\n${'a:b\n'.repeat(1_000)}\n\0`, /headers/],
    ['a header without a colon', 'MESSAGE\nack\n\nx\0', /NAME:VALUE/],
    ['a message that cannot be acknowledged', 'MESSAGE\nsubscription:1\n\nx\0', /acknowledged/],
    ['a frame nobody knows', 'GOSSIP\n\n\0', /GOSSIP/],
    ['garbage', 'MESSAGE\nack:1\n\nx\0\x01\x02', /not a STOMP frame/],
  ] as const) {
    test(`${title}: the connection ends, in words`, async () => {
      await using broker = await telling(text)
      const subscriber = await receiving(broker)
      const ended = (async () => {
        for await (const delivery of subscriber) delivery.stored()
      })()
      await assert.rejects(ended, refusal('connection-lost', words))
      await subscriber[Symbol.asyncDispose]()
    })
  }

  test('a broker that ignores the prefetch limit is not read further than the window', async () => {
    const body = 'x'.repeat(100_000)
    await using broker = await telling(
      Array.from({ length: 300 }, (_, index) => messageFrame(`m${index}`, body)).join(''),
    )
    await using subscriber = await receiving(broker, { window: { messages: 2, bytes: 1_000_000 } })
    const held = await take(subscriber, 2, () => undefined)
    await sleep(100)
    const { socket } = broker.peers[0]!
    assert.ok(socket.writableLength > 0 || socket.bytesWritten < 30_000_000, 'everything was read')
    for (const delivery of held) delivery.stored()
    await take(subscriber, 298)
  })

  test('a connection that is not read, because much is in hand, is closed in good order', async () => {
    const body = 'x'.repeat(100_000)
    await using broker = await telling(Array.from({ length: 40 }, (_, n) => messageFrame(`m${n}`, body)).join(''))
    const deps = testDeps()
    const subscriber = await receiving(broker, { window: { messages: 2, bytes: 1_000_000 } }, deps)
    const held = await take(subscriber, 2, () => undefined)
    await sleep(100)
    for (const delivery of held) delivery.stored()
    await subscriber[Symbol.asyncDispose]()
    assert.deepEqual(
      deps.log.lines.filter((line) => line.includes('by force')),
      [],
    )
  })

  test('nothing stored for 60 s: the messages go back', async () => {
    let now = 0
    const clock = {
      ...systemClock,
      monotonic: () => now,
      sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms === 10_000 ? ms : 10, signal),
    }
    await using broker = await telling(messageFrame('a', 'x') + messageFrame('b', 'x'))
    const subscriber = await receiving(broker, {}, { ...testDeps(), clock })
    const iterator = subscriber[Symbol.asyncIterator]()
    const { value } = (await iterator.next()) as { value: Delivery | undefined }
    now = 50_000
    await sleep(50)
    value?.stored()
    now = 100_000
    await sleep(50)
    await iterator.next()
    now = 161_000
    await assert.rejects(iterator.next(), refusal('connection-lost', /nothing was stored for 60 s/))
    await subscriber[Symbol.asyncDispose]()
  })

  test('all of the window released: the connection ends at once', async () => {
    await using broker = await telling(messageFrame('a', 'x') + messageFrame('b', 'x'))
    const subscriber = await receiving(broker, { window: { messages: 2, bytes: 1000 } })
    const ended = (async () => {
      for await (const delivery of subscriber) delivery.release()
    })()
    await assert.rejects(ended, refusal('connection-lost', /not stored/))
    assert.ok(broker.peers[0]!.frames.every(({ command }) => command !== 'NACK'))
    await subscriber[Symbol.asyncDispose]()
  })
})
