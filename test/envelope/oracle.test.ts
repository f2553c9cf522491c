/**
 * No padding oracle: what is done, said and answered is the same for a key that does not unwrap, for wrong padding or a
 * wrong tag, and for garbage inside. Compared by what is asked of node:crypto, step by step.
 */
import assert from 'node:assert/strict'
import crypto, { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { afterEach, describe, test } from 'node:test'
import { createUnwrapThread } from '../../src/cli/unwrap-thread.js'
import { CIPHER_NAMES } from '../../src/crypto/cipher.js'
import { CMS, contentInfo, issuerAndSerial } from '../../src/crypto/cms.js'
import { context, TAG } from '../../src/crypto/der.js'
import { derNull, element, integer, octetString, oid, sequence } from '../../src/crypto/der-write.js'
import { envelopedData, type Encryption } from '../../src/crypto/cms-enveloped.js'
import { envelopedText } from '../../src/crypto/smime.js'
import type { TestHost } from '../kit/ca.js'
import { createMemoryLog } from '../kit/transport.js'
import { createScene, reasonOf } from './scene.js'

const scene = createScene()
const { host, other, ec } = scene.pki

const WATCHED = [
  'privateDecrypt',
  'diffieHellman',
  'createDecipheriv',
  'createHash',
  'hash',
  'randomBytes',
  'createPublicKey',
  'verify',
] as const

const real = Object.fromEntries(WATCHED.map((name) => [name, crypto[name]]))

function restore(): void {
  Object.assign(crypto, real)
  syncBuiltinESMExports()
}

afterEach(restore)

/** Every call of node:crypto, with its algorithm or size. */
function watch(): string[] {
  const trace: string[] = []
  for (const name of WATCHED) {
    const call = real[name] as (...args: unknown[]) => unknown // only called as before
    Object.assign(crypto, {
      [name]: (...args: unknown[]) => {
        const [first] = args
        trace.push(typeof first === 'string' || typeof first === 'number' ? `${name} ${first}` : name)
        return call(...args)
      },
    })
  }
  syncBuiltinESMExports()
  return trace
}

/** What opening does, asks for, and answers. */
async function observe(wire: Uint8Array, pair: TestHost) {
  let asked = 0
  const open = scene.opener({
    decryption: () => {
      asked++
      return [pair]
    },
  })
  // Once before: libraries are loaded and keys are made at first use.
  await open(wire)
  asked = 0
  const trace = watch()
  const opened = await open(wire)
  restore()
  return { opened, asked, trace }
}

/** The message with the octet at `at` of its CMS changed. */
function changed(cms: Buffer, at: number, authenticated: boolean): Buffer {
  const copy = Buffer.from(cms)
  copy[at] = (copy[at] ?? 0) ^ 0x55
  return envelopedText(copy, authenticated)
}

/** Where the wrapped key of the one recipient is: the only octet string so long in front of the content. */
function wrappedKeyAt(cms: Buffer, who: TestHost, encryption: Encryption): number {
  if (who.key.asymmetricKeyType === 'rsa') return cms.indexOf(Buffer.from('04820100', 'hex')) + 4 + 128
  const length = { aes128: 24, aes192: 32, aes256: 40, 'aes128-gcm': 24, 'aes256-gcm': 40 }[encryption.cipher]
  const content = cms.indexOf(oid(CMS.data))
  return cms.lastIndexOf(Buffer.from([4, length]), content) + 2 + (length >> 1)
}

const SIGNED = Buffer.from(await scene.sealer(other)({ body: Buffer.from('SiteName: EXAMPLE\n%%\n') }))

const CASES: readonly { readonly who: TestHost; readonly encryption: Encryption }[] = CIPHER_NAMES.flatMap((cipher) => [
  { who: host, encryption: { cipher, keyTransport: 'pkcs1' } as const },
  { who: host, encryption: { cipher, keyTransport: 'oaep' } as const },
  { who: ec, encryption: { cipher, keyTransport: 'pkcs1' } as const },
])

describe('bad unwrap, bad padding or tag, and garbage inside look the same', () => {
  for (const { who, encryption } of CASES) {
    const { cipher, keyTransport } = encryption
    test(`${who.key.asymmetricKeyType ?? ''}, ${keyTransport}, ${cipher}`, async () => {
      const gcm = cipher.endsWith('-gcm')
      const make = (plain: Buffer) => envelopedData(plain, [who.certificate], encryption)
      const cms = await make(SIGNED)
      assert.equal(reasonOf((await observe(envelopedText(cms, gcm), who)).opened), 'ok')
      const garbage = await make(randomBytes(SIGNED.length))
      // The last octet but sixteen: of the last block but one, where it changes the padding, or of the ciphertext.
      const outcomes = {
        'bad unwrap': await observe(changed(cms, wrappedKeyAt(cms, who, encryption), gcm), who),
        'bad padding or tag': await observe(changed(cms, cms.length - (gcm ? 1 : 17), gcm), who),
        'garbage inside': await observe(envelopedText(garbage, gcm), who),
      }
      const expected = outcomes['bad unwrap']
      assert.equal(reasonOf(expected.opened), 'undecryptable')
      assert.ok(
        expected.trace.some((call) => call.startsWith('createDecipheriv aes-')),
        expected.trace.join(),
      )
      for (const [name, outcome] of Object.entries(outcomes)) assert.deepEqual(outcome, expected, name)
    })
  }
  test('also when a thread has the key: none of them is done again on the main thread', async () => {
    await using thread = createUnwrapThread({ log: createMemoryLog() })
    const open = scene.opener({ decryption: () => [host], unwrap: thread.unwrap })
    const several = (wire: Uint8Array) => Promise.all([1, 2, 3, 4].map(async () => await open(wire)))
    const cms = await envelopedData(SIGNED, [host.certificate], { cipher: 'aes256', keyTransport: 'pkcs1' })
    await several(envelopedText(cms))
    const at = cms.indexOf(Buffer.from('04820100', 'hex')) + 4
    const beyond = Buffer.from(cms).fill(0xff, at, at + 256)
    const outcomes = []
    for (const wire of [changed(cms, at + 100, false), changed(cms, cms.length - 17, false), envelopedText(beyond)]) {
      const trace = watch()
      const opened = await several(wire)
      restore()
      outcomes.push({ opened, trace: trace.toSorted() })
    }
    const expected = outcomes[0]!
    assert.ok(expected.trace.some((call) => call.startsWith('createDecipheriv aes-')))
    assert.ok(!expected.trace.includes('privateDecrypt'))
    for (const outcome of outcomes) assert.deepEqual(outcome, expected)
    for (const opened of expected.opened) assert.equal(reasonOf(opened), 'undecryptable')
  })
  test('the trace sees a difference where there is one', async () => {
    const cms = await envelopedData(SIGNED, [host.certificate], { cipher: 'aes256', keyTransport: 'pkcs1' })
    const good = await observe(envelopedText(cms), host)
    const bad = await observe(changed(cms, cms.length - 17, false), host)
    assert.notDeepEqual(good.trace, bad.trace)
  })
  test('numbers beyond the modulus and wrapped keys of other lengths, too', async () => {
    const cms = await envelopedData(SIGNED, [host.certificate], { cipher: 'aes256', keyTransport: 'pkcs1' })
    const at = cms.indexOf(Buffer.from('04820100', 'hex')) + 4
    const beyond = Buffer.from(cms)
    beyond.fill(0xff, at, at + 256)
    const expected = await observe(changed(cms, at + 100, false), host)
    assert.deepEqual(await observe(envelopedText(beyond), host), expected)
  })
  test('wrong padding behind a signed message that is whole', async () => {
    // What follows it looks like blanks, which may be there; only the padding is none.
    const key = randomBytes(32)
    const iv = randomBytes(16)
    const wire = (end: Buffer): Buffer => {
      const plain = Buffer.concat([SIGNED, Buffer.alloc(16 - (SIGNED.length % 16), ' '), end])
      const content = Buffer.concat([createCipheriv('aes-256-cbc', key, iv).setAutoPadding(false).update(plain)])
      const wrapped = publicEncrypt({ key: host.certificate.publicKey, padding: constants.RSA_PKCS1_PADDING }, key)
      const algorithm = sequence(oid('1.2.840.113549.1.1.1'), derNull)
      const info = sequence(integer(0), issuerAndSerial(host.certificate), algorithm, octetString(wrapped))
      const aes = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(iv))
      const encrypted = sequence(oid(CMS.data), aes, element(context(0), content))
      return envelopedText(contentInfo(CMS.envelopedData, sequence(integer(0), element(TAG.set, info), encrypted)))
    }
    const open = scene.opener({ decryption: () => [host] })
    assert.equal(reasonOf(await open(wire(Buffer.alloc(16, 16)))), 'ok')
    for (const end of [Buffer.alloc(16, ' '), Buffer.alloc(16, ' \n')]) {
      assert.equal(reasonOf(await open(wire(end))), 'undecryptable')
    }
  })
})
