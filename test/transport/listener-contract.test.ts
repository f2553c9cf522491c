/** Our sender and our listener face to face: the contract of transports with nothing in between, with and without TLS. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { toPem } from '../../src/crypto/pem.js'
import { isSsmError, type ErrorCode } from '../../src/errors.js'
import {
  createListenerTransport,
  createStompTransport,
  type ListenerSettings,
  type ListenerTransport,
} from '../../src/transport/index.js'
import type { TlsMaterial, Window } from '../../src/transport/port.js'
import { never, sealed, take, transportContract, type MakePair, type TransportPair } from '../contract/transport.js'
import { createTestPki, type TestHost, type TestPki } from '../kit/ca.js'
import { DESTINATION } from '../kit/listening.js'
import { scratch } from '../kit/scratch.js'
import { stompSettings, testDeps } from '../kit/transport.js'

const WINDOW: Window = { messages: 64, bytes: 32 * 1024 * 1024 }

let pki: TestPki
before(() => {
  pki = createTestPki(scratch())
})

const material = (host: TestHost) => (): Promise<TlsMaterial> =>
  Promise.resolve({
    certificate: readFileSync(host.certificateFile, 'utf8'),
    key: readFileSync(host.keyFile, 'utf8'),
    ca: [toPem('CERTIFICATE', pki.ca.certificate.der)],
    verify: 'true',
  })

const overTls = (): Partial<ListenerSettings> => ({
  tls: material(pki.host),
  authorizePeer: (chain) => {
    const known = Buffer.compare(chain[0] ?? new Uint8Array(), pki.other.certificate.der) === 0
    return Promise.resolve(known ? { ok: true, dn: pki.other.dn } : { ok: false, detail: 'not listed' })
  },
})

type Pair = TransportPair & { readonly receiver: ListenerTransport }

/** A sender finds the receiver's port when it opens. */
function pair(window: Window, changes: Partial<ListenerSettings> = {}, client: TestHost | null = null): Pair {
  const receiver = createListenerTransport(
    {
      listen: { host: '127.0.0.1', port: 0 },
      tls: null,
      destination: DESTINATION,
      window,
      maxConnections: 10,
      maxMessageSize: 4_000_000,
      ...changes,
    },
    testDeps(),
  )
  const sender = () =>
    createStompTransport(
      stompSettings(receiver.address()?.port ?? 1, {
        destination: DESTINATION,
        tls: client === null ? null : material(client),
      }),
      testDeps(),
    )
  return {
    sender: {
      openPublisher: (signal) => sender().openPublisher(signal),
      openSubscriber: (signal) => sender().openSubscriber(signal),
    },
    receiver,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

const plainPair: MakePair = ({ window }) => Promise.resolve(pair(window))
const tlsPair: MakePair = ({ window }) => Promise.resolve(pair(window, overTls(), pki.other))

transportContract('listener', plainPair, { direct: true })
transportContract('listener over TLS', tlsPair, { direct: true })

const refusal = (code: ErrorCode, words: RegExp) => (error: unknown) => {
  assert.ok(isSsmError(error, code), String(error))
  assert.match(error.message, words)
  return true
}

test('our sender understands what the listener refuses', async () => {
  const { sender, receiver } = pair(WINDOW, overTls(), pki.ec)
  await using subscriber = await receiver.openSubscriber(never())
  await assert.rejects(sender.openPublisher(never()), refusal('login-refused', /certificate is not accepted here/))
  await assert.rejects(pair(WINDOW).sender.openPublisher(never()), refusal('unreachable', /./))
  assert.ok(subscriber)
})

test('a message that is too large is refused by name; another destination is our configuration', async () => {
  const { sender, receiver } = pair(WINDOW, { maxMessageSize: 1000 })
  await using subscriber = await receiver.openSubscriber(never())
  {
    await using publisher = await sender.openPublisher(never())
    const large = publisher.publish({ id: 'large', body: sealed('x'.repeat(1001)) }, never())
    await assert.rejects(large, refusal('message-refused', /larger than 1000 bytes/))
  }
  const elsewhere = createStompTransport(
    stompSettings(receiver.address()?.port ?? 1, { destination: '/queue/elsewhere' }),
    testDeps(),
  )
  await using publisher = await elsewhere.openPublisher(never())
  const lost = publisher.publish({ id: 'a', body: sealed('x') }, never())
  await assert.rejects(lost, refusal('destination-refused', /Unknown destination/))
  assert.ok(subscriber)
})

test('a released message is kept by the sender, as a lost connection; those stored are not', async () => {
  const { sender, receiver } = pair(WINDOW)
  await using subscriber = await receiver.openSubscriber(never())
  await using publisher = await sender.openPublisher(never())
  const [a, b] = ['a', 'b'].map((id) => publisher.publish({ id, body: sealed(id) }, never()))
  assert.ok(a !== undefined && b !== undefined)
  const lost = assert.rejects(a, refusal('connection-lost', /cannot be stored now/))
  const [first, second] = await take(subscriber, 2, () => undefined)
  first?.release()
  second?.stored()
  await lost
  await b
})

test('the window is kept with a sender on the other end too', async () => {
  const { sender, receiver } = pair({ messages: 3, bytes: 1 << 20 })
  await using subscriber = await receiver.openSubscriber(never())
  await using publisher = await sender.openPublisher(never())
  const sent = Array.from({ length: 10 }, (_, n) => publisher.publish({ id: `m${n}`, body: sealed('x') }, never()))
  const held = await take(subscriber, 3, () => undefined)
  const iterator = subscriber[Symbol.asyncIterator]()
  const fourth = iterator.next()
  const early = await Promise.race([fourth, new Promise<'none'>((resolve) => setTimeout(resolve, 100, 'none'))])
  assert.equal(early, 'none')
  for (const delivery of held) delivery.stored()
  const next = await fourth
  if (next.done !== true) next.value.stored()
  await take(subscriber, 6)
  await Promise.all(sent)
})
