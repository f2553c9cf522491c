/**
 * OAEP and AES-GCM by hand: what openssl never makes, and what must not be taken for a key or a tag.
 */
import assert from 'node:assert/strict'
import { constants, createCipheriv, createHash, hash, publicEncrypt, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { decryptEnveloped, parseEnvelopedData } from '../../src/crypto/cms-enveloped.js'
import { CMS, contentInfo, issuerAndSerial, parseCms } from '../../src/crypto/cms.js'
import { constructed, context, TAG } from '../../src/crypto/der.js'
import { element, integer, octetString, oid, sequence } from '../../src/crypto/der-write.js'
import { unwrapOaep, wrapOaep } from '../../src/crypto/key-transport.js'
import { oaepAlgorithm } from '../../src/crypto/recipient-infos.js'
import { isSsmError } from '../../src/errors.js'
import { createTestPki } from '../kit/ca.js'
import { scratch } from '../kit/scratch.js'

const { host } = createTestPki(scratch())
const KEY = randomBytes(32)
const SIZE = 256
const SHA256 = { digest: 'sha256', maskDigest: 'sha256', label: Buffer.alloc(0) } as const

function xorMask(target: Buffer, seed: Buffer): void {
  for (let at = 0, counter = 0; at < target.length; counter++) {
    const mask = createHash('sha256')
      .update(seed)
      .update(Buffer.of(0, 0, 0, counter))
      .digest()
    for (const octet of mask.subarray(0, target.length - at)) target[at] = (target[at++] ?? 0) ^ octet
  }
}

/** RFC 8017 section 7.1.1 step 2, changed where `change` says. */
function wrapped(change: (data: Buffer, block: Buffer) => void = () => undefined): Buffer {
  const block = Buffer.alloc(SIZE)
  const seed = block.subarray(1, 33)
  const data = block.subarray(33)
  randomBytes(32).copy(seed)
  hash('sha256', Buffer.alloc(0), 'buffer').copy(data)
  data[data.length - KEY.length - 1] = 1
  KEY.copy(data, data.length - KEY.length)
  change(data, block)
  xorMask(data, seed)
  xorMask(seed, data)
  return publicEncrypt({ key: host.certificate.publicKey, padding: constants.RSA_NO_PADDING }, block)
}

describe('OAEP', () => {
  test('by hand, and by node', () => {
    assert.deepEqual(unwrapOaep(host.key, wrapped(), KEY.length, SHA256), KEY)
    assert.deepEqual(unwrapOaep(host.key, wrapOaep(host.certificate.publicKey, KEY), KEY.length, SHA256), KEY)
  })
  const separator = SIZE - 33 - KEY.length - 1
  const WRONG: Readonly<Record<string, (data: Buffer, block: Buffer) => void>> = {
    'a first octet that is not zero': (_data, block) => block.fill(1, 0, 1),
    'the digest of another label': (data) => hash('sha256', 'x', 'buffer').copy(data),
    'one octet of the digest': (data) => data.fill(0, 31, 32),
    'filler that is not zero': (data) => data.fill(1, 40, 41),
    'filler that is not zero, right before the end': (data) => data.fill(2, separator - 1, separator),
    'another separator': (data) => data.fill(2, separator, separator + 1),
    'no separator': (data) => data.fill(0, separator, separator + 1),
  }
  for (const [name, change] of Object.entries(WRONG)) {
    test(`gives a random key for ${name}`, () => {
      const once = unwrapOaep(host.key, wrapped(change), KEY.length, SHA256)
      assert.equal(once.length, KEY.length)
      assert.notDeepEqual(once, KEY)
      assert.notDeepEqual(unwrapOaep(host.key, wrapped(change), KEY.length, SHA256), once)
    })
  }
  test('gives a random key for one of another length, another label, another digest', () => {
    const good = wrapped()
    for (const length of [16, 24, 31, 33]) assert.notDeepEqual(unwrapOaep(host.key, good, length, SHA256), KEY)
    for (const other of [{ label: Buffer.from('x') }, { maskDigest: 'sha1' }, { digest: 'sha1' }] as const) {
      assert.notDeepEqual(unwrapOaep(host.key, good, KEY.length, { ...SHA256, ...other }), KEY)
    }
  })
})

const PLAIN = Buffer.from('what is vouched for')
const NONCE = randomBytes(12)

interface Sealed {
  readonly tagLength?: number
  /** As written in the parameters; null: left out, which means 12. */
  readonly said?: number | null
  /** DER of each attribute. */
  readonly attributes?: readonly Buffer[]
  /** What stands in the message; absent: the right one. */
  readonly mac?: (mac: Buffer) => Buffer
  readonly shown?: readonly Buffer[]
  readonly type?: string
}

function authEnveloped({
  tagLength = 16,
  said = tagLength,
  attributes,
  shown = attributes,
  mac,
  type,
}: Sealed = {}): Buffer {
  const cipher = createCipheriv('aes-256-gcm', KEY, NONCE, { authTagLength: tagLength })
  if (attributes !== undefined) cipher.setAAD(element(TAG.set, ...attributes))
  const content = Buffer.concat([cipher.update(PLAIN), cipher.final()])
  const tag = mac?.(cipher.getAuthTag()) ?? cipher.getAuthTag()
  const recipient = sequence(
    integer(0),
    issuerAndSerial(host.certificate),
    oaepAlgorithm('sha256'),
    octetString(wrapped()),
  )
  const parameters = sequence(octetString(NONCE), ...(said === null ? [] : [integer(said)]))
  return contentInfo(
    type ?? CMS.authEnvelopedData,
    sequence(
      integer(0),
      element(TAG.set, recipient),
      sequence(oid(CMS.data), sequence(oid('2.16.840.1.101.3.4.1.46'), parameters), element(context(0), content)),
      ...(shown === undefined ? [] : [element(constructed(1), ...shown)]),
      octetString(tag),
    ),
  )
}

const decrypt = async (cms: Buffer) => await decryptEnveloped(parseCms(cms, 'it', parseEnvelopedData), [host])
const GOOD = { plain: PLAIN, intact: true }
const NOTHING = { plain: Buffer.alloc(0), intact: false }
const attribute = (text: string): Buffer => sequence(oid('1.2.3.4'), element(TAG.set, octetString(Buffer.from(text))))

describe('AuthEnvelopedData', () => {
  test('with tags of 12 to 16 octets, said or not, and with attributes', async () => {
    for (const tagLength of [12, 13, 14, 15, 16]) assert.deepEqual(await decrypt(authEnveloped({ tagLength })), GOOD)
    assert.deepEqual(await decrypt(authEnveloped({ tagLength: 12, said: null })), GOOD)
    assert.deepEqual(await decrypt(authEnveloped({ attributes: [attribute('a'), attribute('b')] })), GOOD)
  })
  test('releases nothing when the tag does not fit content and attributes', async () => {
    const attributes = [attribute('a')]
    const bad: readonly Sealed[] = [
      { mac: (mac) => Buffer.from(mac.map((octet) => octet ^ 1)) },
      { mac: (mac) => mac.subarray(0, 12) },
      { mac: () => Buffer.alloc(0) },
      { mac: (mac) => Buffer.concat([mac, Buffer.of(0)]) },
      { attributes, shown: [attribute('b')] },
      { attributes, shown: [] },
      { shown: attributes },
    ]
    for (const sealed of bad) assert.deepEqual(await decrypt(authEnveloped(sealed)), NOTHING)
  })
  test('short tags, and GCM or CBC where the other belongs, are not read', async () => {
    for (const sealed of [{ tagLength: 8 }, { tagLength: 16, said: 4 }, { said: 17 }, { type: CMS.envelopedData }]) {
      await assert.rejects(
        async () => decrypt(authEnveloped(sealed)),
        (error) => isSsmError(error, 'malformed'),
      )
    }
  })
})
