/** Keys of 1024 bits in TLS: refused in words where Node takes none, from 24 on, and taken everywhere once that is allowed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import tls from 'node:tls'
import { isSsmError } from '../../src/errors.js'
import { toPem } from '../../src/crypto/pem.js'
import type { TlsMaterial } from '../../src/transport/port.js'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { never } from '../contract/transport.js'
import { createTestPki, testKey, type TestHost, type TestPki } from '../kit/ca.js'
import { startFakeBroker, type FakeBroker } from '../kit/fake-broker.js'
import { DESTINATION, openListening } from '../kit/listening.js'
import { scratch } from '../kit/scratch.js'
import { connectStomp, sendFrame } from '../kit/stomp-client.js'
import { stompSettings, testDeps } from '../kit/transport.js'

const options = { timeout: 120_000 }
const ciphers = tls.DEFAULT_CIPHERS
/** A prime of 1024 bits (RFC 2409 section 6.2). */
const GROUP_2 = `-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
`

let pki: TestPki
let weak: TestHost

before(() => {
  pki = createTestPki(scratch())
  weak = pki.add('weak', { key: testKey('rsa1024') })
  // What newer versions have as their default.
  tls.DEFAULT_CIPHERS = `${ciphers}:@SECLEVEL=2`
})
after(() => {
  tls.DEFAULT_CIPHERS = ciphers
})

const pairOf = (host: TestHost) => ({ cert: readFileSync(host.certificateFile, 'utf8'), key: readFileSync(host.keyFile, 'utf8') }) // prettier-ignore

function materialOf(host: TestHost, weakKeys: boolean): () => Promise<TlsMaterial> {
  const { cert: certificate, key } = pairOf(host)
  const ca = [toPem('CERTIFICATE', pki.ca.certificate.der)]
  return () => Promise.resolve({ certificate, key, ca, verify: 'true', weakKeys })
}

const brokerAs = (host: TestHost, more: tls.TlsOptions = {}): Promise<FakeBroker> =>
  startFakeBroker(
    async (peer) => {
      await peer.greet()
    },
    { ...pairOf(host), requestCert: true, rejectUnauthorized: false, ciphers: `${ciphers}:@SECLEVEL=0`, ...more },
  )

async function connects(broker: FakeBroker, material: () => Promise<TlsMaterial>): Promise<void> {
  const transport = createStompTransport(stompSettings(broker.port, { tls: material }), testDeps())
  await using _publisher = await transport.openPublisher(never())
}

test('the broker’s', options, async () => {
  await using broker = await brokerAs(weak)
  await assert.rejects(connects(broker, materialOf(pki.other, false)), (error) => {
    assert.ok(isSsmError(error, 'peer-certificate'), String(error))
    assert.match(error.message, /too weak.*RSA below 2048 bits.*`\[certificates\] allow_weak = rsa1024`/u)
    return true
  })
  await connects(broker, materialOf(pki.other, true))
})

test('our own', options, async () => {
  await using broker = await brokerAs(pki.host)
  await assert.rejects(connects(broker, materialOf(weak, false)), (error) => {
    assert.ok(isSsmError(error, 'configuration'), String(error))
    assert.match(error.message, /our certificate and key cannot be used for TLS: .*allow_weak = rsa1024/u)
    return true
  })
  await connects(broker, materialOf(weak, true))
})

test('our own, as a listener', options, async () => {
  const open = (weakKeys: boolean) =>
    openListening({
      tls: materialOf(weak, weakKeys),
      authorizePeer: () => Promise.resolve({ ok: true, dn: pki.other.dn }),
    })
  await assert.rejects(open(false), (error) => isSsmError(error, 'configuration'))
  await using listening = await open(true)
  await using client = await connectStomp(listening.port, { ...pairOf(pki.other), ciphers: `${ciphers}:@SECLEVEL=0` })
  assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/u)
  client.send(sendFrame(DESTINATION, 'a', 'x'))
  const delivery = await listening.take()
  delivery.stored()
})

test('Diffie-Hellman of 1024 bits', options, async () => {
  const dh = { dhparam: GROUP_2, maxVersion: 'TLSv1.2', ciphers: 'DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0' } as const
  await using broker = await brokerAs(pki.host, dh)
  await assert.rejects(connects(broker, materialOf(pki.other, false)), (error) => {
    assert.ok(isSsmError(error, 'not-the-protocol'), String(error))
    assert.match(error.message, /Diffie-Hellman group is too small.*allow_weak = rsa1024/u)
    return true
  })
  await connects(broker, materialOf(pki.other, true))
})
