/** Clients whose certificates hold keys for which Node may end the process: the listener refuses them, and lives. */
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { toPem } from '../../src/crypto/pem.js'
import { keyToPem } from '../../src/crypto/issue.js'
import { systemClock } from '../../src/os/clock.js'
import { createAuthorizePeer } from '../../src/trust/authorize-peer.js'
import { parseDnList } from '../../src/trust/dn-list.js'
import { createTrust } from '../../src/trust/trust-holder.js'
import { createTestPki, testKey, type TestHost, type TestPki } from '../kit/ca.js'
import { DESTINATION, openListening, type Listening } from '../kit/listening.js'
import { certificateBelow, certificateWithKey, ODD_KEYS } from '../kit/odd-keys.js'
import { scratch } from '../kit/scratch.js'
import { connectStomp, sendFrame } from '../kit/stomp-client.js'

let pki: TestPki
before(() => {
  pki = createTestPki(scratch())
})

const pairOf = (host: TestHost) => ({
  cert: readFileSync(host.certificateFile, 'utf8'),
  key: readFileSync(host.keyFile, 'utf8'),
})

/** As `ssmreceive` judges; `lengths` has how many certificates of each client it was shown. */
async function openJudging(lengths: number[]): Promise<Listening> {
  const trust = await createTrust({ capath: pki.capath, clock: systemClock })
  const { list: dns } = parseDnList(`${pki.other.dn}\n/C=XX/CN=leaf\n`)
  const authorize = createAuthorizePeer({ trust, dns, crls: true, now: () => Date.now() })
  const { cert: certificate, key } = pairOf(pki.host)
  return openListening({
    tls: () => Promise.resolve({ certificate, key, ca: [], verify: 'true' }),
    authorizePeer: (chain) => {
      lengths.push(chain.length)
      const judged = authorize(chain)
      return Promise.resolve(judged.ok ? { ok: true, dn: judged.dn.slash } : { ok: false, detail: judged.detail })
    },
  })
}

async function assertAlive(listening: Listening): Promise<void> {
  await using client = await connectStomp(listening.port, pairOf(pki.other))
  assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/)
  client.send(sendFrame(DESTINATION, 'a', 'x'))
  const delivery = await listening.take()
  delivery.stored()
  assert.match(await client.next(), /^RECEIPT/)
}

test('odd keys above the certificate that a client shows', async () => {
  const lengths: number[] = []
  await using listening = await openJudging(lengths)
  const key = testKey('p256', 7)
  for (const [name, spki] of Object.entries(ODD_KEYS)) {
    const subject = `/C=XX/CN=${name}`
    const chain = [certificateBelow(subject, key, spki).der, certificateWithKey(subject, spki)]
    const cert = chain.map((der) => toPem('CERTIFICATE', der)).join('')
    // Else OpenSSL on the client's side looks at the keys, too.
    const own = { cert, key: keyToPem(key), ciphers: 'DEFAULT:@SECLEVEL=0' }
    await using client = await connectStomp(listening.port, own)
    assert.match(await client.greet('accept-version:1.2'), /^ERROR\nmessage:Authentication failed/, name)
  }
  assert.equal(lengths.length, Object.keys(ODD_KEYS).length)
  assert.ok(lengths.filter((length) => length === 2).length >= 6, 'Node took them for issuers, and showed their keys')
  await assertAlive(listening)
})

test('a certificate with a DSA key', async () => {
  const lengths: number[] = []
  await using listening = await openJudging(lengths)
  const { privateKey } = generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 })
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const cert = toPem('CERTIFICATE', certificateWithKey('/C=XX/CN=leaf', spki))
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const own = { cert, key: keyToPem(privateKey), ciphers: 'DEFAULT:@SECLEVEL=0', sigalgs: 'DSA+SHA256', maxVersion }
    await assert.rejects(async () => {
      await using client = await connectStomp(listening.port, own)
      assert.match(await client.greet('accept-version:1.2'), /^CONNECTED/)
    })
  }
  await assertAlive(listening)
})
