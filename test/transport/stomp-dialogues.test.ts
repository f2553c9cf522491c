/** Brokers that misbehave, as dialogues: none may hang us, crash us, or make us believe what is not true. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSsmError, type ErrorCode } from '../../src/errors.js'
import { systemClock } from '../../src/os/clock.js'
import type { Delivery } from '../../src/transport/port.js'
import { createStompTransport, type StompSettings } from '../../src/transport/stomp/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { startFakeBroker, type FakeBroker, type Peer } from '../kit/fake-broker.js'
import { stompSettings, testDeps } from '../kit/transport.js'

const options = { timeout: 20_000 }

/** Waits of 10 s and more pass in a hundredth of the time. */
const hurried = () => ({
  ...testDeps(),
  clock: { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 100, signal) },
})

const transportTo = (broker: FakeBroker, settings: Partial<StompSettings> = {}, deps = testDeps()) =>
  createStompTransport(stompSettings(broker.port, settings), deps)

const refusal =
  (code: ErrorCode, ...words: readonly RegExp[]) =>
  (error: unknown): boolean => {
    assert.ok(isSsmError(error, code), String(error))
    for (const word of words) assert.match(error.message, word)
    return true
  }

const message = (id: string, body: string, more = '') =>
  `MESSAGE\nsubscription:1\nmessage-id:${id}\nack:ack-${id}\nempa-id:${id}\n${more}content-length:${Buffer.byteLength(body)}\n\n${body}\0`

/** Stays until the other end goes. */
const stay = (peer: Peer) => peer.closed

describe('connecting', options, () => {
  const strangers: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['a web server', 'HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>', /web server/],
    ['a page without a head', '<html><body>hello</body></html>', /web server/],
    ['AMQP', Buffer.from('AMQP\0\0\x09\x01', 'latin1'), /AMQP/],
    ['SSH', 'SSH-2.0-OpenSSH_9\r\n', /SSH/],
    ['SMTP', '220 mail.example.org ESMTP\r\n', /mail/],
    ['a TLS alert', Buffer.from([0x15, 3, 3, 0, 2, 2, 70]), /use_ssl = true/],
    ['noise', Buffer.alloc(100_000, 0xa5), /begins with/],
    ['a line without an end', 'A'.repeat(200_000), /begins with/],
    ['headers without an end', `CONNECTED\n${'x:y\n'.repeat(50_000)}`, /more than/],
    ['one endless header', `CONNECTED\nx:${'y'.repeat(200_000)}`, /65536 bytes/],
    ['a frame of a client', 'SEND\ndestination:/x\n\n\0', /not a STOMP broker/],
    ['STOMP 1.3', 'CONNECTED\nversion:1.3\n\n\0', /STOMP 1\.3/],
  ]
  for (const [name, answer, words] of strangers) {
    test(`${name} is not a broker`, async () => {
      await using broker = await startFakeBroker((peer) => void peer.socket.end(answer))
      await assert.rejects(transportTo(broker).openPublisher(never()), refusal('not-the-protocol', words))
    })
  }

  test('silence: CONNECTED has 10 s', async () => {
    await using broker = await startFakeBroker(stay)
    await assert.rejects(
      transportTo(broker, {}, hurried()).openPublisher(never()),
      refusal('unreachable', /no answer to CONNECT within 10 s/),
    )
  })

  test('silence after a few bytes that are no frame', async () => {
    await using broker = await startFakeBroker((peer) => {
      peer.send('AMQP\0')
      return stay(peer)
    })
    await assert.rejects(transportTo(broker, {}, hurried()).openPublisher(never()), refusal('not-the-protocol', /AMQP/))
  })

  test('silence can be aborted', async () => {
    await using broker = await startFakeBroker(stay)
    const controller = new AbortController()
    const opening = transportTo(broker).openPublisher(controller.signal)
    await sleep(50)
    controller.abort()
    await assert.rejects(opening, refusal('aborted'))
  })

  test('a TCP connection that hangs up', async () => {
    await using broker = await startFakeBroker((peer) => void peer.socket.end())
    await assert.rejects(transportTo(broker).openPublisher(never()), refusal('unreachable', /closed/))
  })

  test('one byte at a time', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.expect('CONNECT')
      await peer.drip('\n\nCONNECTED\r\nversion:1.2\r\n\r\n\0')
      const { headers } = await peer.expect('SEND')
      await peer.drip(`RECEIPT\nreceipt-id:${headers.get('receipt') ?? ''}\n\n\0\n`)
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    await publisher.publish({ id: 'a', body: sealed('x') }, never())
  })

  test('addresses are tried in turn, each once, and the failures logged', async () => {
    await using closing = await startFakeBroker((peer) => void peer.socket.end())
    await using good = await startFakeBroker(async (peer) => {
      await peer.greet()
    })
    const deps = testDeps()
    const addresses = [closing, good].map(({ port }) => ({ host: '127.0.0.1', port }))
    const transport = createStompTransport(stompSettings(0, { addresses }), deps)
    const publisher = await transport.openPublisher(never())
    assert.equal(closing.peers.length, 1)
    assert.match(
      deps.log.lines.join('\n'),
      new RegExp(`WARNING Failed to connect to 127.0.0.1:${closing.port}: .*closed`),
    )
    await publisher[Symbol.asyncDispose]()
  })

  test('login goes into CONNECT and nowhere else; no host header', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
    })
    const deps = testDeps()
    const login = { username: 'joe', password: 'a:b\\c' }
    const publisher = await transportTo(broker, { login, heartBeat: 1000 }, deps).openPublisher(never())
    const { headers } = broker.peers[0]!.frames[0]!
    assert.deepEqual(Object.fromEntries(headers), {
      login: 'joe',
      passcode: 'a:b\\c',
      'accept-version': '1.2,1.1,1.0',
      'heart-beat': '1000,1000',
    })
    assert.doesNotMatch(deps.log.lines.join('\n'), /a:b/)
    await publisher[Symbol.asyncDispose]()
  })

  test('an ERROR for CONNECT is a refusal', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.expect('CONNECT')
      peer.send('ERROR\nmessage:No user for client certificate: CN=x\n\n\0')
    })
    const deps = testDeps()
    await assert.rejects(transportTo(broker, {}, deps).openPublisher(never()), refusal('login-refused', /CN=x/))
    assert.ok(deps.log.lines.includes('ERROR The following certificate is not authorised: CN=x'))
  })
})

describe('sending', options, () => {
  test('what goes over the wire', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      const { headers } = await peer.expect('SEND')
      peer.send(`RECEIPT\nreceipt-id:${(headers.get('receipt') ?? '').replaceAll(':', '\\c')}\n\n\0`)
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    await publisher.publish({ id: 'a:b', body: sealed('x\0y') }, never())
    const send = broker.peers[0]!.frames[1]!
    assert.deepEqual(Object.fromEntries(send.headers), {
      destination: '/queue/test',
      receipt: 'a:b',
      'empa-id': 'a:b',
      persistent: 'true',
      'content-length': '3',
    })
    assert.equal(send.body.toString(), 'x\0y')
  })

  test('receipts of others, doubled receipts and receipts without an id are ignored', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SEND')
      await peer.expect('SEND')
      peer.send('RECEIPT\nreceipt-id:other\n\n\0RECEIPT\n\n\0RECEIPT\nreceipt-id:b\n\n\0RECEIPT\nreceipt-id:b\n\n\0')
    })
    const deps = testDeps()
    await using publisher = await transportTo(broker, {}, deps).openPublisher(never())
    let first = 'waiting'
    const a = publisher.publish({ id: 'a', body: sealed('x') }, never()).then(
      () => (first = 'confirmed'),
      () => (first = 'lost'),
    )
    await publisher.publish({ id: 'b', body: sealed('x') }, never())
    await sleep(50)
    assert.equal(first, 'waiting')
    assert.deepEqual(
      deps.log.lines.filter((line) => line.includes('nobody waits')).map((line) => line.split(': ')[1]),
      ['other', '', 'b'],
    )
    broker.peers[0]!.socket.destroy()
    await a
    assert.equal(first, 'lost')
  })

  test('a receipt that does not come is late', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
    })
    let now = 0
    const clock = {
      ...systemClock,
      monotonic: () => now,
      sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(10, signal),
    }
    const deps = { ...testDeps(), clock }
    // CONNECTED has come before the hurried clock says that it is late.
    const publisher = await createStompTransport(stompSettings(broker.port), {
      ...deps,
      clock: {
        ...clock,
        sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms === 10_000 ? ms : 10, signal),
      },
    }).openPublisher(never())
    const late = publisher.publish({ id: 'a', body: sealed('x') }, never())
    now = 59_000
    await sleep(50)
    now = 61_000
    await assert.rejects(late, refusal('receipt-late', /confirm a in time/))
    broker.peers[0]!.socket.destroy()
    await publisher[Symbol.asyncDispose]()
  })

  test('an ERROR that names a receipt refuses that message; the others are only lost', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SEND')
      await peer.expect('SEND')
      peer.send('ERROR\nmessage:too rude\nreceipt-id:b\n\nnot this one\0')
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    const a = publisher.publish({ id: 'a', body: sealed('x') }, never())
    const b = publisher.publish({ id: 'b', body: sealed('x') }, never())
    await assert.rejects(b, refusal('message-refused', /too rude: not this one/))
    await assert.rejects(a, refusal('connection-lost', /too rude/))
  })

  test('ActiveMQ’s refusal of a right is about the destination, whichever message it names', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SEND')
      peer.send(
        'ERROR\nmessage:User u is not authorized to write to\\c queue\\c//x\nreceipt-id:a\n\njava.lang.SecurityException\0',
      )
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    await assert.rejects(
      publisher.publish({ id: 'a', body: sealed('x') }, never()),
      refusal('destination-refused', /not authorized to write/),
    )
  })

  test('a broker that does not read slows us down without a loss', async () => {
    let release = (): void => undefined
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      peer.socket.pause()
      await new Promise<void>((resolve) => (release = resolve))
      peer.socket.resume()
      for (let n = 0; n < 40; n++) {
        const { headers, body } = await peer.expect('SEND')
        assert.equal(body.length, 1_000_000)
        peer.send(`RECEIPT\nreceipt-id:${headers.get('receipt') ?? ''}\n\n\0`)
      }
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    const body = sealed(Buffer.alloc(1_000_000, 'x'))
    const sent = Array.from({ length: 40 }, (_, index) => publisher.publish({ id: `m${index}`, body }, never()))
    await sleep(100)
    release()
    await Promise.all(sent)
    assert.deepEqual(broker.errors, [])
  })

  for (const [version, id, wire] of [
    ['1.1', 'a:b\\c\nd', 'a\\cb\\\\c\\nd'],
    ['1.2', 'a:b\\c\nd\r', 'a\\cb\\\\c\\nd\\r'],
    ['1.0', 'a:b\\c', 'a:b\\c'],
  ] as const) {
    test(`STOMP ${version} escapes ids as it should`, async () => {
      await using broker = await startFakeBroker(async (peer) => {
        await peer.greet(version === '1.0' ? 'session:1\n' : `version:${version}\n`)
        await peer.expect('SEND')
        peer.send(`RECEIPT\nreceipt-id:${wire}\n\n\0`)
      })
      await using publisher = await transportTo(broker).openPublisher(never())
      let raw = ''
      broker.peers[0]!.socket.on('data', (chunk: Buffer) => (raw += chunk.toString()))
      await publisher.publish({ id, body: sealed('x') }, never())
      assert.ok(raw.includes(`\nempa-id:${wire}\n`), raw)
    })
  }

  for (const [version, id] of [
    ['1.0', 'a\nb:c'],
    ['1.0', 'a\rb'],
    ['1.1', 'a\rb'],
    ['1.2', 'a\0b'],
  ] as const) {
    test(`STOMP ${version} cannot carry the id ${JSON.stringify(id)}: nothing is sent`, async () => {
      await using broker = await startFakeBroker(async (peer) => {
        await peer.greet(`version:${version}\n`)
      })
      await using publisher = await transportTo(broker).openPublisher(never())
      await assert.rejects(publisher.publish({ id, body: sealed('x') }, never()), refusal('message-refused'))
      await sleep(30)
      assert.equal(broker.peers[0]!.frames.length, 1)
    })
  }
})

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
      await using broker = await telling(message(id, 'x'), version)
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
    await using broker = await telling(ping + noId + message('ping', 'with a body'))
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
        Buffer.from(`\0${tail}${message('small', 'y')}`),
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
    await using broker = await telling(Array.from({ length: 300 }, (_, index) => message(`m${index}`, body)).join(''))
    await using subscriber = await receiving(broker, { window: { messages: 2, bytes: 1_000_000 } })
    const held = await take(subscriber, 2, () => undefined)
    await sleep(100)
    const { socket } = broker.peers[0]!
    assert.ok(socket.writableLength > 0 || socket.bytesWritten < 30_000_000, 'everything was read')
    for (const delivery of held) delivery.stored()
    await take(subscriber, 298)
  })

  test('nothing stored for 60 s: the messages go back', async () => {
    let now = 0
    const clock = {
      ...systemClock,
      monotonic: () => now,
      sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms === 10_000 ? ms : 10, signal),
    }
    await using broker = await telling(message('a', 'x') + message('b', 'x'))
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
    await using broker = await telling(message('a', 'x') + message('b', 'x'))
    const subscriber = await receiving(broker, { window: { messages: 2, bytes: 1000 } })
    const ended = (async () => {
      for await (const delivery of subscriber) delivery.release()
    })()
    await assert.rejects(ended, refusal('connection-lost', /not stored/))
    assert.ok(broker.peers[0]!.frames.every(({ command }) => command !== 'NACK'))
    await subscriber[Symbol.asyncDispose]()
  })
})

describe('heart-beats', options, () => {
  test('a half-open connection is found after two intervals; ours go out', async () => {
    let beats = 0
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet('version:1.2\nheart-beat:100,100\n')
      peer.socket.on('data', (chunk: Buffer) => (beats += chunk.filter((byte) => byte === 10).length))
    })
    const subscriber = await transportTo(broker, { heartBeat: 100 }).openSubscriber(never())
    const began = performance.now()
    await assert.rejects(subscriber[Symbol.asyncIterator]().next(), refusal('connection-lost', /no heart-beat/))
    const took = performance.now() - began
    assert.ok(took > 150 && took < 1000, `${took} ms`)
    assert.ok(beats > 0)
    await subscriber[Symbol.asyncDispose]()
  })

  test('bare line ends keep it alive, pieces of a frame too', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet('version:1.2\nheart-beat:100,100\n')
      for (let n = 0; n < 6; n++) {
        await sleep(100)
        peer.send('\n')
      }
      for (const byte of message('a', 'x').slice(0, 8)) {
        await sleep(100)
        peer.send(byte)
      }
      peer.send(message('a', 'x').slice(8))
    })
    await using subscriber = await transportTo(broker, { heartBeat: 100 }).openSubscriber(never())
    await take(subscriber, 1)
    assert.deepEqual(broker.errors, [])
  })

  test('while we do not read, silence does not count', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet('version:1.2\nheart-beat:100,100\n')
      await peer.expect('SUBSCRIBE')
      peer.send(message('a', 'x'.repeat(2000)) + message('b', 'y'))
      await peer.expect('ACK')
      peer.send(message('c', 'z'))
    })
    await using subscriber = await transportTo(broker, {
      heartBeat: 100,
      window: { messages: 10, bytes: 1000 },
    }).openSubscriber(never())
    const [first] = await take(subscriber, 1, () => undefined)
    await sleep(600)
    first?.stored()
    await take(subscriber, 2)
  })

  test('0 switches them off', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      const { headers } = await peer.greet('version:1.2\nheart-beat:0,0\n')
      assert.equal(headers.get('heart-beat'), '0,0')
      await sleep(500)
      peer.send(message('a', 'x'))
    })
    await using subscriber = await transportTo(broker).openSubscriber(never())
    await take(subscriber, 1)
    assert.deepEqual(broker.errors, [])
  })
})

describe('ending', options, () => {
  test('DISCONNECT is sent after the acknowledgements, and its receipt awaited', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SUBSCRIBE')
      peer.send(message('a', 'x'))
      await peer.expect('ACK')
      await peer.expect('DISCONNECT')
    })
    const deps = testDeps()
    const subscriber = await transportTo(broker, {}, deps).openSubscriber(never())
    await take(subscriber, 1)
    await subscriber[Symbol.asyncDispose]()
    await broker.peers[0]!.closed
    assert.deepEqual(broker.errors, [])
    assert.equal(deps.log.lines.at(-1), 'INFO Disconnected from broker.')
  })

  test('a broker that does not answer DISCONNECT is left after the deadline', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      peer.mute()
      await peer.greet()
    })
    const publisher = await transportTo(broker, {}, hurried()).openPublisher(never())
    await publisher[Symbol.asyncDispose]()
    await broker.peers[0]!.closed
  })

  test('the connection is cut at every byte of a short conversation', async () => {
    const conversation = `CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0\n${message('a', 'body')}RECEIPT\nreceipt-id:x\n\n\0`
    for (let cut = 0; cut <= conversation.length; cut++) {
      await using broker = await startFakeBroker(async (peer) => {
        await peer.expect('CONNECT')
        peer.socket.end(conversation.slice(0, cut))
      })
      let stored = 0
      const run = async () => {
        await using subscriber = await transportTo(broker).openSubscriber(never())
        for await (const delivery of subscriber) {
          assert.equal(Buffer.from(delivery.body).toString(), 'body')
          delivery.stored()
          stored++
        }
      }
      await assert.rejects(run(), (error) => isSsmError(error, 'unreachable', 'connection-lost'), `cut at ${cut}`)
      const whole = conversation.indexOf('body\0') + 5
      assert.ok(cut >= whole ? stored <= 1 : stored === 0, `cut at ${cut}: ${stored} stored`)
    }
  })

  test('what a caller’s log throws ends the connection and reaches the caller', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SEND')
      peer.send('RECEIPT\nreceipt-id:other\n\n\0')
    })
    const deps = testDeps()
    const log = {
      ...deps.log,
      debug: () => {
        throw new Error('the log is broken')
      },
    }
    await using publisher = await createStompTransport(stompSettings(broker.port), { ...deps, log }).openPublisher(
      never(),
    )
    await assert.rejects(
      publisher.publish({ id: 'a', body: sealed('x') }, never()),
      refusal('internal', /log is broken/),
    )
  })
})
