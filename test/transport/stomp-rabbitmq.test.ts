/** The STOMP transport against a real RabbitMQ, over TCP and WebSocket, and over TLS with client certificates. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import type { TlsMaterial } from '../../src/transport/port.js'
import { createStompTransport, type StompSettings } from '../../src/transport/stomp/index.js'
import { never, sealed, take, transportContract, type MakePair } from '../contract/transport.js'
import { createTestPki, type TestHost, type TestPki } from '../kit/ca.js'
import { need } from '../kit/need.js'
import { startRabbitmq, type WebRabbit } from '../kit/rabbitmq.js'
import { scratch } from '../kit/scratch.js'
import { refusal, stompSettings, testDeps } from '../kit/transport.js'

const skip = need('rabbitmq')
const MAX_MESSAGE = 4_000_000

let rabbit: WebRabbit
let pki: TestPki
let count = 0

before(async () => {
  if (skip !== false) return
  pki = createTestPki(scratch())
  const ca = join(pki.dir, 'ca.pem')
  writeFileSync(ca, pem(pki.ca.certificate.der))
  rabbit = await startRabbitmq({
    tls: { ca, certificate: pki.host.certificateFile, key: pki.host.keyFile },
    users: { joe: 'secret', poor: 'poor', 'CN=other.example.org,O=Test,C=XX': '' },
    rights: { poor: '^$' },
    maxMessageSize: MAX_MESSAGE,
    web: true,
  })
})

after(async () => {
  if (skip === false) await rabbit[Symbol.asyncDispose]()
})

function pem(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
}

function material(host: TestHost, changes: Partial<TlsMaterial> = {}): () => Promise<TlsMaterial> {
  const made: TlsMaterial = {
    certificate: readFileSync(host.certificateFile, 'utf8'),
    key: readFileSync(host.keyFile, 'utf8'),
    ca: [pem(pki.ca.certificate.der)],
    verify: 'true',
    ...changes,
  }
  return () => Promise.resolve(made)
}

const plain = (settings: Partial<StompSettings> = {}) => stompSettings(rabbit.port, settings)
const tls = (host: TestHost, settings: Partial<StompSettings> = {}, changes: Partial<TlsMaterial> = {}) =>
  stompSettings(rabbit.tlsPort, { tls: material(host, changes), ...settings })

/** The same broker by WebSocket. */
const web = (settings: Partial<StompSettings> = {}) =>
  plain({ addresses: [{ scheme: 'ws', host: '127.0.0.1', port: rabbit.webPort, path: '/ws' }], ...settings })
const webTls = (host: TestHost, settings: Partial<StompSettings> = {}) =>
  tls(host, { addresses: [{ scheme: 'wss', host: '127.0.0.1', port: rabbit.webTlsPort, path: '/ws' }], ...settings })

function pairOver(settings: (changes: Partial<StompSettings>) => StompSettings): MakePair {
  return ({ window }) => {
    const transport = createStompTransport(settings({ window, destination: `/queue/contract-${count++}` }), testDeps())
    return Promise.resolve({ sender: transport, receiver: transport, [Symbol.asyncDispose]: () => Promise.resolve() })
  }
}

transportContract('stomp over TCP, RabbitMQ', pairOver(plain), { skip })
transportContract(
  'stomp over TLS, RabbitMQ',
  pairOver((changes) => tls(pki.other, changes)),
  { skip },
)

transportContract('stomp over WebSocket, RabbitMQ', pairOver(web), { skip })
transportContract(
  'stomp over WebSocket and TLS, RabbitMQ',
  pairOver((changes) => webTls(pki.other, changes)),
  { skip },
)

describe('refusals of RabbitMQ', { skip }, () => {
  test('the log of a short run reads as operators know it', async () => {
    const deps = testDeps()
    const publisher = await createStompTransport(tls(pki.other, { destination: '/queue/log' }), deps).openPublisher(
      never(),
    )
    await publisher.publish({ id: 'one', body: sealed('x') }, never())
    await publisher[Symbol.asyncDispose]()
    assert.deepEqual(deps.log.lines, [
      `INFO Established connection to 127.0.0.1, port ${rabbit.tlsPort}`,
      'INFO Connecting using SSL...',
      'INFO Connected.',
      'INFO Will send messages to: /queue/log',
      'INFO Waiting for broker to accept message.',
      'INFO Broker received message: one',
      'INFO Disconnected from broker.',
    ])
  })

  test('a login', async () => {
    const good = createStompTransport(plain({ login: { username: 'joe', password: 'secret' } }), testDeps())
    await (await good.openPublisher(never()))[Symbol.asyncDispose]()
    const deps = testDeps()
    const bad = createStompTransport(plain({ login: { username: 'joe', password: 'wrong' } }), deps)
    await assert.rejects(bad.openPublisher(never()), refusal('login-refused', /Access refused for user 'joe'/))
    assert.ok(deps.log.lines.includes("ERROR Error message received: Access refused for user 'joe'"))
    assert.doesNotMatch(deps.log.lines.join('\n'), /wrong/)
  })

  for (const destination of ['/exchange/none/x', '/nonsense/x']) {
    test(`a destination: ${destination}`, async () => {
      const transport = createStompTransport(plain({ destination }), testDeps())
      const publisher = await transport.openPublisher(never())
      await assert.rejects(publisher.publish({ id: 'a', body: sealed('x') }, never()), refusal('destination-refused'))
      await publisher[Symbol.asyncDispose]()
      const subscriber = await transport.openSubscriber(never())
      await assert.rejects(subscriber[Symbol.asyncIterator]().next(), refusal('destination-refused'))
      await subscriber[Symbol.asyncDispose]()
    })
  }

  test('rights', async () => {
    const login = { username: 'poor', password: 'poor' }
    const transport = createStompTransport(plain({ login, destination: '/queue/forbidden' }), testDeps())
    const publisher = await transport.openPublisher(never())
    const sent = ['a', 'b'].map((id) => publisher.publish({ id, body: sealed('x') }, never()))
    for (const each of sent) await assert.rejects(each, refusal('destination-refused', /ask its operator/))
  })

  test('a message that is too large names no message: the connection is lost, in words', async () => {
    const publisher = await createStompTransport(plain({ destination: '/queue/large' }), testDeps()).openPublisher(
      never(),
    )
    const large = publisher.publish({ id: 'large', body: sealed(Buffer.alloc(MAX_MESSAGE + 1)) }, never())
    await assert.rejects(large, refusal('connection-lost', /larger than configured max size/))
  })

  test('a client certificate of a CA that the broker does not know', async () => {
    const transport = createStompTransport(tls(pki.unknown), testDeps())
    await assert.rejects(
      transport.openPublisher(never()),
      refusal('login-refused', /does not know the CA of our certificate/, /\/C=XX\/O=Test\/CN=unknown\.example\.org/),
    )
  })

  test('a client certificate that is no user', async () => {
    const transport = createStompTransport(tls(pki.ec), testDeps())
    await assert.rejects(transport.openPublisher(never()), refusal('login-refused', /ec\.example\.org/))
  })

  test('TLS on the plain port, plain on the TLS port', async () => {
    const onPlain = createStompTransport(stompSettings(rabbit.port, { tls: material(pki.other) }), testDeps())
    await assert.rejects(onPlain.openPublisher(never()), (error) =>
      isSsmError(error, 'unreachable', 'not-the-protocol'),
    )
    const onTls = createStompTransport(stompSettings(rabbit.tlsPort), testDeps())
    await assert.rejects(onTls.openPublisher(never()), refusal('not-the-protocol', /use_ssl = true/))
  })
})

describe('a broker that stops', { skip }, () => {
  test('receipts, iterator and next opening say so; after its return what was sent is there', async () => {
    const transport = createStompTransport(plain({ destination: '/queue/restart' }), testDeps())
    const publisher = await transport.openPublisher(never())
    const subscriber = await transport.openSubscriber(never())
    await publisher.publish({ id: 'kept', body: sealed('kept') }, never())
    await rabbit.stop()
    await assert.rejects(publisher.publish({ id: 'x', body: sealed('x') }, never()), refusal('connection-lost'))
    await assert.rejects(
      (async () => {
        for await (const delivery of subscriber) delivery.release()
      })(),
      refusal('connection-lost'),
    )
    await assert.rejects(transport.openPublisher(never()), refusal('unreachable', /nothing listens/))
    await rabbit.start()
    const again = await transport.openSubscriber(never())
    assert.equal((await take(again, 1))[0]?.id, 'kept')
    for (const each of [publisher, subscriber, again]) await each[Symbol.asyncDispose]()
  })
})
