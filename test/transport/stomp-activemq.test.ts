/** The STOMP transport against a real ActiveMQ, over TCP and over TLS with client certificates. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import type { TlsMaterial } from '../../src/transport/port.js'
import { createStompTransport, type StompSettings } from '../../src/transport/stomp/index.js'
import { assertQuiet, never, sealed, take, transportContract, type MakePair } from '../contract/transport.js'
import { startActivemq, type ActiveMq } from '../kit/activemq.js'
import { createTestPki, type TestHost, type TestPki } from '../kit/ca.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { connectStomp } from '../kit/stomp-client.js'
import { brokerTls, hurriedDeps, refusal, stompSettings, testDeps, tlsMaterial } from '../kit/transport.js'

const skip = need('activemq', 'openssl')
/** The contract has bodies of 3 MB. */
const MAX_FRAME = 4_000_000

let activemq: ActiveMq
let pki: TestPki
let count = 0

before(async () => {
  if (skip !== false) return
  pki = createTestPki(scratch())
  activemq = await startActivemq({
    tls: brokerTls(pki, pki.host),
    users: { joe: 'secret', poor: 'poor', 'CN=other.example.org,O=Test,C=XX': '' },
    rights: { poor: 'mine' },
    maxMessageSize: MAX_FRAME,
  })
})

after(async () => {
  if (skip === false) await activemq[Symbol.asyncDispose]()
})

const plain = (settings: Partial<StompSettings> = {}) => stompSettings(activemq.port, settings)
const tls = (host: TestHost, settings: Partial<StompSettings> = {}, changes: Partial<TlsMaterial> = {}) =>
  stompSettings(activemq.tlsPort, { tls: tlsMaterial(pki, host, changes), ...settings })

function pairOver(settings: (changes: Partial<StompSettings>) => StompSettings): MakePair {
  return ({ window }) => {
    const transport = createStompTransport(settings({ window, destination: `/queue/contract-${count++}` }), testDeps())
    return Promise.resolve({ sender: transport, receiver: transport, [Symbol.asyncDispose]: () => Promise.resolve() })
  }
}

transportContract('stomp over TCP, ActiveMQ', pairOver(plain), { skip })
transportContract(
  'stomp over TLS, ActiveMQ',
  pairOver((changes) => tls(pki.other, changes)),
  { skip },
)

describe('refusals of ActiveMQ', { skip }, () => {
  test('a login', async () => {
    const good = createStompTransport(plain({ login: { username: 'joe', password: 'secret' } }), testDeps())
    await (await good.openPublisher(never()))[Symbol.asyncDispose]()
    for (const username of ['joe', 'nobody']) {
      const deps = testDeps()
      const bad = createStompTransport(plain({ login: { username, password: 'wrong' } }), deps)
      const said = `User name [${username}] or password is invalid.`
      await assert.rejects(bad.openPublisher(never()), (error) => {
        assert.ok(isSsmError(error, 'login-refused'), String(error))
        assert.equal(error.message, `the broker does not accept user name and password (it said "${said}")`)
        return true
      })
      assert.ok(deps.log.lines.includes(`ERROR Error message received: ${said}`), deps.log.lines.join('\n'))
      assert.doesNotMatch(deps.log.lines.join('\n'), /wrong/)
    }
  })

  test('rights: to write and to read', async () => {
    const login = { username: 'poor', password: 'poor' }
    const mine = createStompTransport(plain({ login, destination: '/queue/mine' }), testDeps())
    const allowed = await mine.openPublisher(never())
    await allowed.publish({ id: 'a', body: sealed('x') }, never())
    await allowed[Symbol.asyncDispose]()
    const transport = createStompTransport(plain({ login, destination: '/queue/forbidden' }), testDeps())
    const publisher = await transport.openPublisher(never())
    const sent = ['a', 'b'].map((id) => publisher.publish({ id, body: sealed('x') }, never()))
    const words = /"User poor is not authorized to write to: queue:\/\/forbidden"/
    for (const each of sent) await assert.rejects(each, refusal('destination-refused', /ask its operator/, words))
    await publisher[Symbol.asyncDispose]()
    const subscriber = await transport.openSubscriber(never())
    await assert.rejects(
      subscriber[Symbol.asyncIterator]().next(),
      refusal('destination-refused', /not authorized to read from: queue:\/\/forbidden/),
    )
    await subscriber[Symbol.asyncDispose]()
  })

  test('a message that is too large names no message: the connection is lost, in words and without a stack trace', async () => {
    const deps = testDeps()
    // It closes while it still has to read: the reset may overtake its ERROR on the way, then there are no words.
    for (let round = 0; ; round += 1) {
      assert.ok(round < 10, 'the broker never said why')
      const publisher = await createStompTransport(plain({ destination: '/queue/large' }), deps).openPublisher(never())
      const large = publisher.publish({ id: 'large', body: sealed(Buffer.alloc(MAX_FRAME + 1)) }, never())
      const error: unknown = await large.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      await publisher[Symbol.asyncDispose]()
      assert.ok(isSsmError(error, 'connection-lost'), String(error))
      if (/closed the connection|reset/.test(error.message)) continue
      assert.match(error.message, /larger than the broker accepts \(it said ".*maximum frame size was exceeded"\)/)
      break
    }
    assert.ok(
      deps.log.lines.some((line) => /^ERROR Error message received: .*maximum frame size was exceeded$/.test(line)),
      deps.log.lines.join('\n'),
    )
  })

  test('a client certificate of a CA that the broker does not know, and one that has expired', async () => {
    for (const host of [pki.unknown, pki.expired]) {
      const transport = createStompTransport(tls(host), testDeps())
      await assert.rejects(
        transport.openPublisher(never()),
        refusal('login-refused', /the broker does not accept our certificate/, new RegExp(host.dn)),
      )
    }
  })

  test('a client certificate that is no user', async () => {
    const deps = testDeps()
    const transport = createStompTransport(tls(pki.ec), deps)
    await assert.rejects(transport.openPublisher(never()), refusal('login-refused', /ec\.example\.org/))
    const line = 'ERROR The following certificate is not authorised: CN=ec.example.org, O=Test, C=XX'
    assert.ok(deps.log.lines.includes(line), deps.log.lines.join('\n'))
  })

  test('TLS on the plain port, plain on the TLS port', async () => {
    const onPlain = createStompTransport(
      stompSettings(activemq.port, { tls: tlsMaterial(pki, pki.other) }),
      // It waits for the rest of what it takes for a frame.
      hurriedDeps(),
    )
    // Node.js 24 offers more in its first message, and the broker then ends the connection at once.
    await assert.rejects(onPlain.openPublisher(never()), (error: unknown) =>
      isSsmError(error, 'not-the-protocol')
        ? refusal('not-the-protocol', /does not speak TLS/)(error)
        : refusal('unreachable', /is this the broker’s TLS port/)(error),
    )
    const onTls = createStompTransport(stompSettings(activemq.tlsPort), testDeps())
    await assert.rejects(onTls.openPublisher(never()), refusal('not-the-protocol', /use_ssl = true/))
  })
})

describe('deliveries of ActiveMQ', { skip }, () => {
  test('the broker keeps to the prefetch header: what is over the window goes to others', async () => {
    const settings = { destination: '/queue/shared', window: { messages: 2, bytes: 1 << 20 } }
    const transport = createStompTransport(plain(settings), testDeps())
    const publisher = await transport.openPublisher(never())
    for (const id of ['1', '2', '3', '4']) await publisher.publish({ id, body: sealed(id) }, never())
    const first = await transport.openSubscriber(never())
    const held = await take(first, 2, () => undefined)
    const second = await transport.openSubscriber(never())
    const others = await take(second, 2, () => undefined)
    assert.deepEqual([...held, ...others].map(({ id }) => id).sort(), ['1', '2', '3', '4'])
    for (const each of [publisher, first, second]) await each[Symbol.asyncDispose]()
  })

  test('what is released comes again and again, and never goes to the dead letters', async () => {
    const transport = createStompTransport(plain({ destination: '/queue/again' }), testDeps())
    const publisher = await transport.openPublisher(never())
    await publisher.publish({ id: 'again', body: sealed('x') }, never())
    await publisher[Symbol.asyncDispose]()
    // ActiveMQ gives up after six redeliveries by itself, if it counts them.
    for (let round = 0; round < 8; round++) {
      await using subscriber = await transport.openSubscriber(never())
      const [delivery] = await take(subscriber, 1, (each) => {
        each.release()
      })
      assert.equal(delivery?.id, 'again')
    }
    const dead = await createStompTransport(plain({ destination: '/queue/ActiveMQ.DLQ' }), testDeps()).openSubscriber(
      never(),
    )
    await assertQuiet(dead, 200)
    await dead[Symbol.asyncDispose]()
  })

  test('one NACK would move it to the dead letters: why release sends none', async () => {
    const transport = createStompTransport(plain({ destination: '/queue/nack' }), testDeps())
    const publisher = await transport.openPublisher(never())
    await publisher.publish({ id: 'nacked', body: sealed('x') }, never())
    await publisher[Symbol.asyncDispose]()
    await using client = await connectStomp(activemq.port)
    await client.greet('accept-version:1.2')
    client.send('SUBSCRIBE\nid:1\ndestination:/queue/nack\nack:client-individual\n\n\0')
    const ack = /^ack:(.*)$/m.exec(await client.next())?.[1]
    client.send(`NACK\nid:${ack}\nreceipt:n\n\n\0`)
    assert.match(await client.next(), /^RECEIPT/)
    const dead = await createStompTransport(plain({ destination: '/queue/ActiveMQ.DLQ' }), testDeps()).openSubscriber(
      never(),
    )
    assert.equal((await take(dead, 1))[0]?.id, 'nacked')
    await dead[Symbol.asyncDispose]()
  })
})

describe('ActiveMQ that stops', { skip }, () => {
  test('receipts, iterator and next opening say so; after its return what was sent is there', async () => {
    const transport = createStompTransport(plain({ destination: '/queue/restart' }), testDeps())
    const publisher = await transport.openPublisher(never())
    const subscriber = await transport.openSubscriber(never())
    await publisher.publish({ id: 'kept', body: sealed('kept') }, never())
    await activemq.stop()
    await assert.rejects(publisher.publish({ id: 'x', body: sealed('x') }, never()), refusal('connection-lost'))
    await assert.rejects(
      (async () => {
        for await (const delivery of subscriber) delivery.release()
      })(),
      refusal('connection-lost'),
    )
    await assert.rejects(transport.openPublisher(never()), refusal('unreachable', /nothing listens/))
    await activemq.start()
    const again = await transport.openSubscriber(never())
    assert.equal((await take(again, 1))[0]?.id, 'kept')
    for (const each of [publisher, subscriber, again]) await each[Symbol.asyncDispose]()
  })
})
