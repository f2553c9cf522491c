/** How a connection lives and ends: heart-beats, silence, DISCONNECT, cuts. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSsmError } from '../../src/errors.js'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { startFakeBroker } from '../kit/fake-broker.js'
import { hurriedDeps, messageFrame, refusal, stompSettings, testDeps, transportTo } from '../kit/transport.js'

const options = { timeout: 120_000 }

describe('heart-beats', options, () => {
  test('a half-open connection is found after two intervals; ours go out', async () => {
    let beats = 0
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet('version:1.2\nheart-beat:100,100\n')
      peer.socket.on('data', (chunk: Buffer) => (beats += chunk.filter((byte) => byte === 10).length))
    })
    // Before the connection: silence begins with its last frame, which may be some time before it is handed to us.
    const began = performance.now()
    const subscriber = await transportTo(broker, { heartBeat: 100 }).openSubscriber(never())
    await assert.rejects(subscriber[Symbol.asyncIterator]().next(), refusal('connection-lost', /no heart-beat/))
    const took = performance.now() - began
    assert.ok(took > 150 && took < 5000, `${took} ms`)
    assert.ok(beats > 0)
    await subscriber[Symbol.asyncDispose]()
  })

  test('bare line ends keep it alive, pieces of a frame too', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet('version:1.2\nheart-beat:300,300\n')
      for (let n = 0; n < 6; n++) {
        await sleep(100)
        peer.send('\n')
      }
      for (const byte of messageFrame('a', 'x').slice(0, 8)) {
        await sleep(100)
        peer.send(byte)
      }
      peer.send(messageFrame('a', 'x').slice(8))
    })
    await using subscriber = await transportTo(broker, { heartBeat: 300 }).openSubscriber(never())
    await take(subscriber, 1)
    assert.deepEqual(broker.errors, [])
  })

  test('while we do not read, silence does not count', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet('version:1.2\nheart-beat:100,100\n')
      await peer.expect('SUBSCRIBE')
      peer.send(messageFrame('a', 'x'.repeat(2000)) + messageFrame('b', 'y'))
      await peer.expect('ACK')
      peer.send(messageFrame('c', 'z'))
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
      peer.send(messageFrame('a', 'x'))
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
      peer.send(messageFrame('a', 'x'))
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
    const publisher = await transportTo(broker, {}, hurriedDeps()).openPublisher(never())
    await publisher[Symbol.asyncDispose]()
    await broker.peers[0]!.closed
  })

  test('the connection is cut at every byte of a short conversation', async () => {
    const conversation = `CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0\n${messageFrame('a', 'body')}RECEIPT\nreceipt-id:x\n\n\0`
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
