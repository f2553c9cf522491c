import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { unwrapHere, type Unwrap } from '../../src/crypto/key-transport.js'
import { isSsmError } from '../../src/errors.js'
import type { Opened } from '../../src/message.js'
import { BINARY_CONTENTS, CONTENTS, createScene, reasonOf } from './scene.js'

const scene = createScene()
const { host, other, ec } = scene.pki
const p384 = scene.pki.add('p384', { keyKind: 'p384' })
const p521 = scene.pki.add('p521', { keyKind: 'p521' })
const ed25519 = scene.pki.add('ed25519', { keyKind: 'ed25519' })

function assertArrives(opened: Opened, body: Buffer, dn: string): void {
  assert.equal(reasonOf(opened), 'ok', JSON.stringify(opened))
  assert.ok(opened.verdict === 'ok')
  assert.deepEqual(Buffer.from(opened.plain.body), body)
  assert.equal(opened.signer.slash, dn)
}

describe('what is sealed is opened byte for byte', () => {
  const open = scene.opener({ binary: true, dns: () => null })
  for (const [name, body] of Object.entries({ ...CONTENTS, ...BINARY_CONTENTS })) {
    test(`signed: ${name}`, async () => {
      const wire = await scene.sealer(host, { binary: true })({ body })
      assert.equal(wire.includes(0x0d), false, 'in transit lines end in LF')
      assertArrives(await open(wire), body, host.dn)
    })
    test(`signed and encrypted: ${name}`, async () => {
      const wire = await scene.sealer(other, { binary: true, recipients: [host.certificate] })({ body })
      assertArrives(await open(wire), body, other.dn)
    })
  }
  for (const signer of [host, other, ec, p384, p521, ed25519]) {
    for (const cipher of ['aes128', 'aes192', 'aes256'] as const) {
      test(`a key of ${signer.name}, ${cipher}`, async () => {
        const body = CONTENTS['ascii lines']!
        assertArrives(await open(await scene.sealer(signer)({ body })), body, signer.dn)
        const sealed = await scene.sealer(signer, { recipients: [host.certificate], cipher })({ body })
        assertArrives(await open(sealed), body, signer.dn)
      })
    }
  }
  for (const type of ['application/pkcs7-mime', 'application/x-pkcs7-mime']) {
    test(`signed text with the words ${type} does not have them on the wire`, async () => {
      const body = Buffer.from(`a record\nabout ${type}\n`)
      const wire = Buffer.from(await scene.sealer()({ body }))
      assert.equal(wire.includes(type), false, wire.toString('latin1'))
      assert.ok(wire.includes('Content-Transfer-Encoding: quoted-printable'))
      assertArrives(await open(wire), body, host.dn)
    })
  }
  test('through a transport that makes the line ends CRLF', async () => {
    const wire = Buffer.from(await scene.sealer()({ body: CONTENTS.utf8! }))
    assertArrives(
      await open(Buffer.from(wire.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')),
      CONTENTS.utf8!,
      host.dn,
    )
  })
  test('many at once, ECDSA signatures of every length among them', async () => {
    const seal = scene.sealer(ec)
    const bodies = Array.from({ length: 200 }, (_, n) => Buffer.from(`record ${n}\n`.repeat(n + 1)))
    const wires = await Promise.all(bodies.map((body) => seal({ body })))
    for (const [n, wire] of wires.entries()) assertArrives(await open(wire), bodies[n]!, ec.dn)
  })

  test('many at once, by several signers for several recipients, of every size that memory is lent for', async () => {
    // Private keys in a thread answer when they like.
    const unwrap: Unwrap = async (key, what) => {
      await sleep(randomInt(20))
      return unwrapHere(key, what)
    }
    const open = scene.opener({ dns: () => null, decryption: () => [host, ec, other], unwrap })
    await Promise.all(
      Array.from({ length: 120 }, async (_, n) => {
        const signer = [host, other, ec][n % 3]!
        const recipients = [[host, ec], [ec], [other, host], []][n % 4]!.map(({ certificate }) => certificate)
        const body = Buffer.from(`record ${n}\n`.repeat(1 + randomInt(2400)))
        const cipher = n % 5 === 0 ? 'aes256-gcm' : 'aes128'
        const wire = Buffer.from(await scene.sealer(signer, { recipients, cipher })({ body }))
        const before = Buffer.from(wire)
        const opened = await open(wire)
        await sleep(randomInt(20))
        assertArrives(opened, body, signer.dn)
        assert.deepEqual(wire, before, 'what came may have to be stored as it came')
      }),
    )
  })
})

describe('what cannot be sealed says why', () => {
  test('empty content', async () => {
    await assert.rejects(scene.sealer()({ body: Buffer.alloc(0) }), (error) => isSsmError(error, 'cannot-seal'))
  })
  test('content that is not UTF-8, without binary', async () => {
    await assert.rejects(scene.sealer()({ body: BINARY_CONTENTS.latin1! }), (error) => {
      return isSsmError(error, 'cannot-seal') && error.message.includes('not-utf8')
    })
  })
  test('a recipient whose key cannot be encrypted for', () => {
    const ed = scene.pki.add('ed-recipient', { keyKind: 'ed25519' })
    assert.throws(
      () => scene.sealer(host, { recipients: [ed.certificate] }),
      (error) => isSsmError(error, 'configuration'),
    )
  })
})

describe('identity', () => {
  test('says which certificate, signature and content, and the signed time', async () => {
    const body = Buffer.from('x\n')
    const at = 1_700_000_000_000
    const open = scene.opener()
    const opened = await open(await scene.sealer(host, { clock: { now: () => at + 999 } })({ body }))
    const encrypted = await open(
      await scene.sealer(host, { clock: { now: () => at }, recipients: [host.certificate] })({ body }),
    )
    assert.ok(opened.verdict === 'ok' && encrypted.verdict === 'ok')
    assert.equal(opened.identity.certificate, host.certificate.fingerprint)
    assert.equal(opened.identity.signingTime, at)
    assert.deepEqual(opened.identity, encrypted.identity)
  })
})
