/**
 * Key transport: whatever the wrapped key is, decrypting goes on with some key and tells nothing.
 */
import assert from 'node:assert/strict'
import { constants, publicEncrypt } from 'node:crypto'
import { describe, test } from 'node:test'
import { CIPHER_NAMES, encryptContent } from '../../src/crypto/cipher.js'
import { decryptEnveloped, envelopedData, KEY_TRANSPORTS, parseEnvelopedData } from '../../src/crypto/cms-enveloped.js'
import { CMS, contentInfo, issuerAndSerial, parseCms } from '../../src/crypto/cms.js'
import { context, TAG } from '../../src/crypto/der.js'
import { derNull, element, integer, octetString, oid, sequence } from '../../src/crypto/der-write.js'
import { isSsmError } from '../../src/errors.js'
import { createTestPki, type TestHost } from '../kit/ca.js'
import { scratch } from '../kit/scratch.js'

const pki = createTestPki(scratch())
const { host, other, ec: p256 } = pki
const p384 = pki.add('p384', { keyKind: 'p384' })
const p521 = pki.add('p521', { keyKind: 'p521' })
const stranger = pki.add('stranger', { keyKind: 'p256' })
const PLAIN = Buffer.from('sixteen octets, and some more')
const { key, algorithm, content } = await encryptContent('aes256', PLAIN)

/** An EnvelopedData whose wrapped key is these octets. */
function withWrapped(wrapped: Buffer, recipients = 1): Buffer {
  const info = sequence(
    integer(0),
    issuerAndSerial(host.certificate),
    sequence(oid('1.2.840.113549.1.1.1'), derNull),
    octetString(wrapped),
  )
  const set = element(TAG.set, ...Array.from({ length: recipients }, () => info))
  const encrypted = sequence(oid(CMS.data), algorithm, element(context(0), ...content))
  return contentInfo(CMS.envelopedData, sequence(integer(0), set, encrypted))
}

/** What the private operation gives is exactly this block. */
function wrapBlock(block: Buffer): Buffer {
  return publicEncrypt({ key: host.certificate.publicKey, padding: constants.RSA_NO_PADDING }, block)
}

const decrypt = (cms: Buffer, pairs: readonly TestHost[] = [other, host]) =>
  decryptEnveloped(parseCms(cms, 'it', parseEnvelopedData), pairs)

/** 00 02, filler, 00, key. */
function padded(change: (block: Buffer) => void = () => undefined): Buffer {
  const block = Buffer.concat([Buffer.from([0, 2]), Buffer.alloc(256 - 3 - key.length, 0x7f), Buffer.from([0]), key])
  change(block)
  return block
}

describe('EnvelopedData', () => {
  test('decrypts, by hand and as written', async () => {
    assert.deepEqual(await decrypt(withWrapped(wrapBlock(padded()))), { plain: PLAIN, intact: true })
    for (const cipher of CIPHER_NAMES) {
      for (const keyTransport of KEY_TRANSPORTS) {
        for (const who of [host, p256, p384, p521]) {
          for (const length of [0, 1, 15, 16, 17, 31, 32, 100]) {
            const plain = Buffer.alloc(length, 0x10)
            const cms = await envelopedData(plain, [who.certificate], { cipher, keyTransport })
            assert.deepEqual(await decrypt(cms, [who]), { plain, intact: true })
          }
        }
      }
    }
  })
  test('several recipients: each reads it with its own key, nobody else does', async () => {
    const all = [host, other, p256, p384]
    for (const cipher of ['aes256', 'aes256-gcm'] as const) {
      const to = all.map((who) => who.certificate)
      const cms = await envelopedData(PLAIN, to, { cipher, keyTransport: 'oaep' })
      for (const who of all) assert.deepEqual(await decrypt(cms, [who]), { plain: PLAIN, intact: true })
      for (const who of [p521, stranger]) assert.equal(await decrypt(cms, [who]), undefined)
    }
  })
  const separator = 256 - key.length - 1
  const wrong: Readonly<Record<string, (block: Buffer) => void>> = {
    'a first octet that is not zero': (block) => block.fill(1, 0, 1),
    'another block type': (block) => block.fill(1, 1, 2),
    'no separator': (block) => block.fill(9, separator, separator + 1),
    'a separator too early': (block) => block.fill(0, 100, 101),
    'a separator in the first filler octet': (block) => block.fill(0, 2, 3),
    'nothing but zeros': (block) => block.fill(0),
  }
  for (const [name, change] of Object.entries(wrong)) {
    test(`goes on with a random key: ${name}`, async () => {
      // A random key leaves right padding behind once in 256 times: what must never come out is the plain text.
      assert.notDeepEqual((await decrypt(withWrapped(wrapBlock(padded(change)))))?.plain, PLAIN)
    })
  }
  test('wrapped keys of any length, and numbers beyond the modulus', async () => {
    for (const length of [0, 1, 10, 255, 256, 257, 5000]) {
      for (const octet of [0, 1, 0xff]) {
        assert.notDeepEqual((await decrypt(withWrapped(Buffer.alloc(length, octet))))?.plain, PLAIN)
      }
    }
  })
  test('at most 32 recipients; nobody else can decrypt', async () => {
    const wrapped = wrapBlock(padded())
    assert.deepEqual((await decrypt(withWrapped(wrapped, 32)))?.plain, PLAIN)
    await assert.rejects(
      async () => decrypt(withWrapped(wrapped, 33)),
      (error) => isSsmError(error, 'limit'),
    )
    const message = parseCms(withWrapped(wrapped), 'it', parseEnvelopedData)
    assert.equal(await decryptEnveloped(message, [other]), undefined)
    assert.equal(await decryptEnveloped(message, []), undefined)
  })
})
