import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { before, test } from 'node:test'
import { TLSSocket, type ConnectionOptions } from 'node:tls'
import { isSsmError, SsmError } from '../../src/errors.js'
import { toPem } from '../../src/crypto/pem.js'
import type { AuthorizePeer, ListenerSettings } from '../../src/transport/listener/index.js'
import type { TlsMaterial } from '../../src/transport/port.js'
import { createTestPki, type TestHost, type TestPki } from '../kit/ca.js'
import { DESTINATION, openListening } from '../kit/listening.js'
import { scratch } from '../kit/scratch.js'
import { connectStomp, sendFrame } from '../kit/stomp-client.js'

let pki: TestPki
before(() => {
  pki = createTestPki(scratch())
})

function pair(host: TestHost, ...further: readonly string[]): ConnectionOptions {
  return { cert: readFileSync(host.certificateFile, 'utf8') + further.join(''), key: readFileSync(host.keyFile) }
}

function material(host: TestHost, ca: readonly string[] = []): TlsMaterial {
  const certificate = readFileSync(host.certificateFile, 'utf8')
  return { certificate, key: readFileSync(host.keyFile, 'utf8'), ca, verify: 'true' }
}

/** Obeys exactly this host. */
const only =
  (host: () => TestHost): AuthorizePeer =>
  (chain) => {
    const leaf = chain[0] ?? new Uint8Array()
    const same = Buffer.compare(leaf, host().certificate.der) === 0
    return Promise.resolve(
      same ? { ok: true, dn: host().dn } : { ok: false, detail: `not listed (chain of ${chain.length})` },
    )
  }

const settings = (): Partial<ListenerSettings> => ({
  tls: () => Promise.resolve(material(pki.host)),
  authorizePeer: only(() => pki.other),
})

test('a client whose certificate is authorised sends; its DN is in the log', async () => {
  await using listening = await openListening(settings())
  await using client = await connectStomp(listening.port, pair(pki.other))
  assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/)
  client.send(sendFrame(DESTINATION, 'a', 'x'.repeat(100_000)))
  const delivery = await listening.take()
  assert.equal(delivery.body.length, 100_000)
  delivery.stored()
  assert.equal(await client.next(), 'RECEIPT\nreceipt-id:a\n\n')
  assert.ok(listening.log.some((line) => line === `DEBUG Connection from 127.0.0.1 is ${pki.other.dn}.`))
})

test('a client without a certificate, or with another, gets an ERROR instead of CONNECTED, and nothing of our lists', async () => {
  await using listening = await openListening(settings())
  for (const options of [{}, pair(pki.ec), pair(pki.unknown)]) {
    await using client = await connectStomp(listening.port, options)
    const answer = await client.greet('accept-version:1.2')
    assert.match(answer, /^ERROR\nmessage:Authentication failed: this certificate is not accepted here;/)
    assert.doesNotMatch(answer, /not listed|other/)
    await client.closed()
  }
  assert.ok(listening.log.some((line) => /^WARNING .* refused: it showed no certificate$/.test(line)))
  assert.ok(listening.log.some((line) => /^WARNING .* refused: not listed \(chain of 1\)$/.test(line)))
})

test('the judge sees the whole chain that the client sent, leaf first', async () => {
  const seen: number[] = []
  await using listening = await openListening({
    ...settings(),
    authorizePeer: (chain) => {
      seen.push(chain.length)
      assert.deepEqual(Buffer.from(chain[0] ?? []), Buffer.from(pki.unknown.certificate.der))
      assert.deepEqual(Buffer.from(chain[1] ?? []), Buffer.from(pki.unknownCa.certificate.der))
      return Promise.resolve({ ok: true, dn: 'x' })
    },
  })
  const ca = toPem('CERTIFICATE', pki.unknownCa.certificate.der)
  await using client = await connectStomp(listening.port, pair(pki.unknown, ca))
  assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/)
  assert.deepEqual(seen, [2])
})

test('nobody is let in while we cannot judge, or cannot read our own pair; then it goes on', async () => {
  let broken = false
  let judging = true
  const judge = only(() => pki.other)
  await using listening = await openListening({
    tls: () =>
      broken
        ? Promise.reject(new SsmError('configuration', 'host.key cannot be read'))
        : Promise.resolve(material(pki.host)),
    authorizePeer: (chain) => (judging ? judge(chain) : Promise.reject(new SsmError('no-trust', 'no CA directory'))),
  })
  judging = false
  {
    await using client = await connectStomp(listening.port, pair(pki.other))
    await assert.rejects(client.greet('accept-version:1.2'), /closed/)
  }
  broken = true
  await assert.rejects(connectStomp(listening.port, pair(pki.other)))
  broken = false
  judging = true
  await using client = await connectStomp(listening.port, pair(pki.other))
  assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/)
  assert.match(listening.log.join('\n'), /WARNING .*: no CA directory\nWARNING .*: host.key cannot be read/)
})

test('a renewed pair is used for the next connection', async () => {
  let now = pki.host
  await using listening = await openListening({
    tls: () => Promise.resolve(material(now, [toPem('CERTIFICATE', pki.ca.certificate.der)])),
    authorizePeer: only(() => pki.other),
  })
  const name = async () => {
    await using client = await connectStomp(listening.port, pair(pki.other))
    assert.ok(client.socket instanceof TLSSocket)
    return client.socket.getPeerCertificate().subject.CN
  }
  assert.equal(await name(), 'host.example.org')
  now = pki.ec
  assert.equal(await name(), 'ec.example.org')
})

test('an unusable pair is told at the start', async () => {
  const tls = () => Promise.resolve({ ...material(pki.host), key: readFileSync(pki.other.keyFile, 'utf8') })
  await assert.rejects(openListening({ ...settings(), tls }), (error) => isSsmError(error, 'configuration'))
})

test('no TLS within the time, plain STOMP or garbage on the TLS port: that client ends, others go on', async () => {
  await using listening = await openListening({ ...settings(), limits: { connectMs: 300 } })
  await using good = await connectStomp(listening.port, pair(pki.other))
  await good.greet('accept-version:1.2')
  const strangers = ['', 'CONNECT\naccept-version:1.2\n\n\0', 'GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\x00\x01']
  await Promise.all(
    strangers.map(async (bytes) => {
      const socket = connectPlain({ host: '127.0.0.1', port: listening.port })
      socket.on('error', () => undefined)
      socket.on('data', () => undefined)
      socket.write(Buffer.from(bytes, 'latin1'))
      await new Promise((resolve) => socket.once('close', resolve))
    }),
  )
  assert.ok(listening.log.some((line) => line.includes('no TLS handshake within 0.3 s')))
  // One that shakes hands and then says nothing.
  await using silent = await connectStomp(listening.port, pair(pki.other))
  assert.match(await silent.next(), /^ERROR\nmessage:no complete CONNECT within/)
  good.send(sendFrame(DESTINATION, 'a', 'x'))
  assert.equal((await listening.take()).id, 'a')
})

test('with TLS one address cannot take all connections', async () => {
  await using listening = await openListening({ ...settings(), maxConnections: 4 })
  await using first = await connectStomp(listening.port, pair(pki.other))
  await using second = await connectStomp(listening.port, pair(pki.other))
  await assert.rejects(connectStomp(listening.port, pair(pki.other)))
  assert.ok(listening.log.some((line) => line.includes('refused: there are 2 connections from this address')))
  assert.ok(first.beats + second.beats === 0)
})

test('dispose ends handshakes and sessions', async () => {
  const listening = await openListening(settings())
  const halfway = connectPlain({ host: '127.0.0.1', port: listening.port })
  halfway.on('error', () => undefined)
  await using client = await connectStomp(listening.port, pair(pki.other))
  await client.greet('accept-version:1.2')
  await listening[Symbol.asyncDispose]()
  await client.closed()
})

test('a client that leaves in the middle of the handshake gives its place back at once', async () => {
  await using listening = await openListening({ ...settings(), maxConnections: 1 })
  const socket = connectPlain({ host: '127.0.0.1', port: listening.port })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.end('\x16\x03\x01\x02\x00\x01', 'latin1')
  socket.resume()
  await closed
  await using client = await connectStomp(listening.port, pair(pki.other))
  assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/)
  assert.match(listening.log.join('\n'), /refused: closed during the TLS handshake/)
})
