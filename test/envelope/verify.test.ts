import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encryptFor } from '../../src/envelope/seal.js'
import { decryptText, isRefusal } from '../../src/envelope/take-apart.js'
import { verifyMessage } from '../../src/envelope/verify.js'
import { isSsmError } from '../../src/errors.js'
import type { TestHost } from '../kit/ca.js'
import { BINARY_CONTENTS, clock, createScene, listOf, reasonOf, trustIn } from './scene.js'

const scene = createScene()
const { host, other, unknown } = scene.pki
const settings = { trust: trustIn(scene.pki.ca.certificate), crls: false, clock }
const body = BINARY_CONTENTS.latin1!

test('verify needs no list, takes any content, and uses a list that is given', async () => {
  const wire = await scene.sealer(host, { binary: true })({ body })
  const opened = await verifyMessage(wire, settings)
  assert.ok(opened.verdict === 'ok')
  assert.deepEqual(Buffer.from(opened.plain.body), body)
  assert.equal(reasonOf(await verifyMessage(wire, { ...settings, dns: listOf(other) })), 'not-listed')
  assert.equal(
    reasonOf(await verifyMessage(await scene.sealer(unknown)({ body: Buffer.from('x') }), settings)),
    'untrusted',
  )
})

const AES = { cipher: 'aes256', keyTransport: 'pkcs1' } as const
const opening = (pair: TestHost) => ({ pairs: () => [pair], allow3des: false })

test('encrypt and decrypt are the halves of sealing and opening', async () => {
  const signed = Buffer.from(await scene.sealer(host)({ body: Buffer.from('text\n') }))
  const wire = await encryptFor(signed, [other.certificate], { cipher: 'aes192', keyTransport: 'pkcs1' })
  const text = await decryptText(wire, opening(other))
  assert.ok(!isRefusal(text))
  assert.equal(text.toString('latin1'), signed.toString('latin1').replaceAll('\n', '\r\n'))
  assert.equal(reasonOf(await verifyMessage(text, settings)), 'ok')
  assert.equal(reasonOf(await verifyMessage(wire, { ...settings, decryption: [other] })), 'ok')
})

test('decrypt says why not', async () => {
  const wire = await encryptFor(Buffer.from('anything'), [other.certificate], AES)
  for (const [bytes, pair, expected] of [
    [wire, host, 'undecryptable'],
    [wire.subarray(0, 500), other, 'undecryptable'],
    [Buffer.from('Subject: x\n\ntext'), other, 'not-smime'],
  ] as const) {
    const text = await decryptText(bytes, opening(pair))
    assert.equal(isRefusal(text) ? text.refused : 'ok', expected)
  }
  await assert.rejects(encryptFor(Buffer.alloc(0), [other.certificate], AES), (error) =>
    isSsmError(error, 'cannot-seal'),
  )
})
