/** Connecting to what is no broker, or a broker that will not have us: no hanging, no guessing, a sentence. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { startFakeBroker } from '../kit/fake-broker.js'
import { hurriedDeps, messageFrame, refusal, stompSettings, testDeps, transportTo } from '../kit/transport.js'

const options = { timeout: 120_000 }

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
    await using broker = await startFakeBroker((peer) => peer.closed)
    await assert.rejects(
      transportTo(broker, {}, hurriedDeps()).openPublisher(never()),
      refusal('unreachable', /no answer to CONNECT within 10 s/),
    )
  })

  test('silence after a few bytes that are no frame', async () => {
    await using broker = await startFakeBroker((peer) => {
      peer.send('AMQP\0')
      return peer.closed
    })
    await assert.rejects(
      transportTo(broker, {}, hurriedDeps()).openPublisher(never()),
      refusal('not-the-protocol', /AMQP/),
    )
  })

  test('silence can be aborted', async () => {
    await using broker = await startFakeBroker((peer) => peer.closed)
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

  test('a subscriber lives on the address that works, whatever the first one said', async () => {
    await using refusing = await startFakeBroker(async (peer) => {
      await peer.expect('CONNECT')
      peer.send('ERROR\nmessage:Bad CONNECT\n\nno\0')
    })
    await using good = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SUBSCRIBE')
      peer.send(messageFrame('a', 'x'))
    })
    const addresses = [refusing, good].map(({ port }) => ({ host: '127.0.0.1', port }))
    const transport = createStompTransport(stompSettings(0, { addresses }), testDeps())
    await using subscriber = await transport.openSubscriber(never())
    assert.equal((await take(subscriber, 1))[0]?.id, 'a')
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
