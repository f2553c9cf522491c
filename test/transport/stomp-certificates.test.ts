/** The broker's certificate: nothing goes to a peer that was not verified, and the sentence says what would accept it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { toPem } from '../../src/crypto/pem.js'
import type { TlsMaterial } from '../../src/transport/port.js'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { never, sealed } from '../contract/transport.js'
import { createTestPki, type TestHost, type TestPki } from '../kit/ca.js'
import { startFakeBroker, type FakeBroker } from '../kit/fake-broker.js'
import { scratch } from '../kit/scratch.js'
import { stompSettings, testDeps } from '../kit/transport.js'

const options = { timeout: 120_000 }

let pki: TestPki
let selfSigned: TestHost
let wrongName: TestHost

before(() => {
  pki = createTestPki(scratch())
  const san = { san: ['DNS:elsewhere.example.org'] }
  wrongName = pki.add('elsewhere', san)
  selfSigned = pki.add('self', { issuer: { certificate: pki.unknown.certificate, key: pki.unknown.key } })
})

function materialOf(verify: TlsMaterial['verify'], ca = [toPem('CERTIFICATE', pki.ca.certificate.der)]) {
  return (): Promise<TlsMaterial> =>
    Promise.resolve({
      certificate: readFileSync(pki.other.certificateFile, 'utf8'),
      key: readFileSync(pki.other.keyFile, 'utf8'),
      ca,
      verify,
    })
}

/** A broker with this certificate that takes one message. */
function brokerAs(host: TestHost): Promise<FakeBroker> {
  return startFakeBroker(
    async (peer) => {
      await peer.greet()
      const { headers } = await peer.expect('SEND')
      peer.send(`RECEIPT\nreceipt-id:${headers.get('receipt') ?? ''}\n\n\0`)
    },
    {
      cert: readFileSync(host.certificateFile),
      key: readFileSync(host.keyFile),
      requestCert: true,
      rejectUnauthorized: false,
    },
  )
}

const BAD: readonly (readonly [string, () => TestHost, readonly RegExp[]])[] = [
  [
    'of an unknown CA',
    () => pki.unknown,
    [/does not end in a CA that we know/, /unknown\.example/, /`\[broker\] ca = FILE`/],
  ],
  ['issued by no CA', () => selfSigned, [/does not end in a CA that we know|self-signed/, /`\[broker\] ca = FILE`/]],
  [
    'for another host',
    () => wrongName,
    [/not made for this host name/, /DNS:elsewhere\.example\.org/, /`\[broker\] host`/],
  ],
  ['that has expired', () => pki.expired, [/has expired/, /valid from/, /`\[broker\] verify = warn`/]],
]

describe('a broker certificate', options, () => {
  for (const [name, host, words] of BAD) {
    test(`${name} is refused in one sentence, and nothing is sent`, async () => {
      await using broker = await brokerAs(host())
      const deps = testDeps()
      const transport = createStompTransport(stompSettings(broker.port, { tls: materialOf('true') }), deps)
      await assert.rejects(transport.openPublisher(never()), (error) => {
        assert.ok(isSsmError(error, 'peer-certificate'), String(error))
        for (const word of words) assert.match(error.message, word)
        assert.doesNotMatch(error.message, /\n/)
        return true
      })
      await Promise.all(broker.peers.map(({ closed }) => closed))
      assert.deepEqual(
        broker.peers.map(({ frames, socket }) => [frames.length, socket.bytesRead]),
        broker.peers.map(() => [0, 0]),
      )
      assert.ok(!deps.log.lines.includes('INFO Connected.'))
    })

    test(`${name} is accepted with verify = warn, and logged`, async () => {
      await using broker = await brokerAs(host())
      const deps = testDeps()
      const transport = createStompTransport(stompSettings(broker.port, { tls: materialOf('warn') }), deps)
      await using publisher = await transport.openPublisher(never())
      await publisher.publish({ id: 'a', body: sealed('x') }, never())
      const warnings = deps.log.lines.filter((line) => line.startsWith('WARNING'))
      assert.equal(warnings.length, 1)
      assert.match(warnings[0]!, /not verified.*is not acceptable/)
    })
  }

  test('verify = false does not look', async () => {
    await using broker = await brokerAs(pki.expired)
    const deps = testDeps()
    const transport = createStompTransport(stompSettings(broker.port, { tls: materialOf('false') }), deps)
    await using publisher = await transport.openPublisher(never())
    await publisher.publish({ id: 'a', body: sealed('x') }, never())
    assert.deepEqual(
      deps.log.lines.filter((line) => line.startsWith('WARNING')),
      [],
    )
  })

  test('a good one is accepted by name and by address; no CA at all accepts none', async () => {
    for (const host of ['localhost', '127.0.0.1']) {
      await using broker = await brokerAs(pki.host)
      const settings = stompSettings(0, { addresses: [{ host, port: broker.port }], tls: materialOf('true') })
      await using publisher = await createStompTransport(settings, testDeps()).openPublisher(never())
      await publisher.publish({ id: 'a', body: sealed('x') }, never())
    }
    await using broker = await brokerAs(pki.host)
    const none = createStompTransport(stompSettings(broker.port, { tls: materialOf('true', []) }), testDeps())
    await assert.rejects(none.openPublisher(never()), (error) => isSsmError(error, 'peer-certificate'))
  })

  test('our own is read anew at each connection', async () => {
    await using broker = await brokerAs(pki.host)
    let reads = 0
    const read = materialOf('true')
    const tls = () => {
      reads++
      return read()
    }
    const transport = createStompTransport(stompSettings(broker.port, { tls }), testDeps())
    for (const count of [1, 2]) {
      const publisher = await transport.openPublisher(never())
      assert.equal(reads, count)
      await publisher[Symbol.asyncDispose]()
    }
  })
})
