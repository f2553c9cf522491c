/**
 * Messages cut off anywhere, changed anywhere, and random bytes: always a verdict, never a crash, never somebody else's
 * content or name.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Opened } from '../../src/message.js'
import { encodeBase64Lines } from '../../src/crypto/base64.js'
import { opaqueOf } from './forge.js'
import { createScene, listOf } from './scene.js'

const scene = createScene()
const { host, other, ec } = scene.pki
const BODY = Buffer.from('SiteName: EXAMPLE\nCpuDuration: 3600\n%%\nünïcode\n')
const open = scene.opener()

const clear = Buffer.from(await scene.sealer(ec)({ body: BODY }))
const encrypted = Buffer.from(await scene.sealer(ec, { recipients: [host.certificate] })({ body: BODY }))

/** Good, and then exactly what was signed; or refused for one of these reasons. */
function assertSane(opened: Opened, reasons: ReadonlySet<string>, what: string): void {
  if (opened.verdict === 'ok') {
    assert.deepEqual(Buffer.from(opened.plain.body), BODY, what)
    assert.equal(opened.signer.slash, ec.dn, what)
    return
  }
  assert.equal(opened.verdict, 'no', what)
  assert.ok(reasons.has(opened.reason), `${what}: ${opened.reason}`)
  assert.ok(opened.detail.length > 10 && opened.detail.length < 1000, what)
}

const CLEAR = new Set([
  'not-smime',
  'malformed',
  'signature',
  'algorithm',
  'no-certificate',
  'not-listed',
  'signer-count',
])
const MORE = new Set([...CLEAR, 'untrusted', 'empty'])
/** Decrypting has no check of its own: what is damaged inside may still be a signed message, whose signature says so. */
const INSIDE = ['undecryptable', 'signature', 'algorithm', 'no-certificate', 'not-listed', 'signer-count', 'untrusted']
const ENCRYPTED = new Set(['not-smime', 'malformed', ...INSIDE])

/** A small generator with a seed, so that a failure can be repeated (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

function mutated(bytes: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(bytes)
  for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
    copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
  }
  const kind = random()
  const at = Math.floor(random() * copy.length)
  if (kind < 0.1) return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 50))])
  if (kind < 0.2) return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.max(0, at - 50))])
  return copy
}

/** The CMS structure of a message, for changing octets that base64 would hide. */
function cmsOf(wire: Buffer): Buffer {
  const [, base64 = ''] = /\n\n(MI[\w+/=\n]+?)\n(?:\n|$)/.exec(wire.toString('latin1')) ?? []
  return Buffer.from(base64, 'base64')
}

describe('cut off', () => {
  test('a signed message at every byte', async () => {
    const complete = clear.lastIndexOf('--') + 2
    for (let length = 1; length < clear.length; length++) {
      const opened = await open(clear.subarray(0, length))
      assertSane(opened, CLEAR, `${length} bytes`)
      assert.equal(opened.verdict, length < complete ? 'no' : 'ok', `${length} bytes`)
    }
  })
  test('an encrypted message at every byte', async () => {
    const complete = encrypted.length - 2
    for (let length = 1; length < encrypted.length; length++) {
      const opened = await open(encrypted.subarray(0, length))
      assertSane(opened, ENCRYPTED, `${length} bytes`)
      assert.equal(opened.verdict, length < complete ? 'no' : 'ok', `${length} bytes`)
    }
  })
})

describe('changed at random', () => {
  test('the text of a signed message, 4000 times', async () => {
    const random = seeded(1)
    for (let n = 0; n < 4000; n++) assertSane(await open(mutated(clear, random)), MORE, `mutation ${n}`)
  })
  test('the text of an encrypted message, 1500 times', async () => {
    const random = seeded(2)
    for (let n = 0; n < 1500; n++) assertSane(await open(mutated(encrypted, random)), ENCRYPTED, `mutation ${n}`)
  })
  test('every octet of the structure of a signed message', async () => {
    const cms = cmsOf(clear)
    const start = clear.lastIndexOf('\n\nMI') + 2
    const tail = clear.subarray(clear.lastIndexOf('\n------'))
    const random = seeded(3)
    for (let at = 0; at < cms.length; at++) {
      const changed = Buffer.from(cms)
      changed[at] = (changed[at] ?? 0) ^ (1 + Math.floor(random() * 255))
      const wire = Buffer.concat([clear.subarray(0, start), encodeBase64Lines(changed), tail])
      assertSane(await open(wire), MORE, `octet ${at}`)
    }
  })
  test('every octet of the structure of an encrypted message, its padding and key too', async () => {
    const cms = cmsOf(encrypted)
    const random = seeded(4)
    for (let at = 0; at < cms.length; at++) {
      const changed = Buffer.from(cms)
      changed[at] = (changed[at] ?? 0) ^ (1 + Math.floor(random() * 255))
      assertSane(await open(opaqueOf(changed, 'smime-type=enveloped-data')), ENCRYPTED, `octet ${at}`)
    }
  })
  test('random bytes, alone and as a structure', async () => {
    const random = seeded(5)
    for (let n = 0; n < 2000; n++) {
      const noise = Buffer.from(
        Array.from({ length: Math.floor(random() * 200) + 1 }, () => Math.floor(random() * 256)),
      )
      assertSane(await open(noise), CLEAR, `noise ${n}`)
      noise[0] = 0x30
      assertSane(await open(opaqueOf(noise)), CLEAR, `noise ${n}`)
      assertSane(await open(opaqueOf(noise, 'name=x')), new Set([...CLEAR, 'undecryptable']), `noise ${n}`)
    }
  })
})

describe('an encrypted message tells nothing about why it does not open', () => {
  const undecryptable = async (wire: Uint8Array, settings = {}): Promise<Opened> => {
    const opened = await scene.opener(settings)(wire)
    assert.ok(opened.verdict === 'no')
    assert.equal(opened.reason, 'undecryptable')
    return opened
  }
  test('one reason and one sentence for all causes', async () => {
    const cms = cmsOf(encrypted)
    const change = (at: number): Buffer => {
      const changed = Buffer.from(cms)
      changed[at] = (changed[at] ?? 0) ^ 0xff
      return opaqueOf(changed, 'smime-type=enveloped-data')
    }
    const keyAt = cms.indexOf(Buffer.from('04820100', 'hex')) + 100
    const notSigned = await scene.sealer(ec, { recipients: [host.certificate] })({ body: BODY })
    const outcomes = [
      await undecryptable(encrypted, { decryption: () => [] }),
      await undecryptable(encrypted, { decryption: () => [other] }),
      await undecryptable(encrypted, { decryption: () => [{ certificate: host.certificate, key: other.key }] }),
      await undecryptable(change(keyAt)),
      await undecryptable(change(cms.length - 1)),
      await undecryptable(change(cms.length - 200)),
      await undecryptable(cmsLess(notSigned)),
      await undecryptable(encrypted.subarray(0, encrypted.length >> 1)),
    ]
    for (const opened of outcomes) assert.deepEqual(opened, outcomes[0])
  })
  test('with a renewed pair the old one still opens', async () => {
    const opened = await scene.opener({ decryption: () => [other, host] })(encrypted)
    assert.equal(opened.verdict, 'ok')
  })
  test('a signed message that claims to be encrypted, and the reverse', async () => {
    await undecryptable(opaqueOf(cmsOf(clear), 'smime-type=enveloped-data'))
    const opened = await open(opaqueOf(cmsOf(encrypted), 'smime-type=signed-data'))
    assert.ok(opened.verdict === 'no')
    assert.equal(opened.reason, 'malformed')
  })
  test('undeclared: the structure says what it is', async () => {
    assert.equal((await open(opaqueOf(cmsOf(encrypted), 'name=smime.p7m'))).verdict, 'ok')
  })
  test('a signer who is not listed is told like any other, after decryption', async () => {
    const opened = await scene.opener({ dns: () => listOf(other) })(encrypted)
    assert.ok(opened.verdict === 'no')
    assert.equal(opened.reason, 'not-listed')
  })
})

/** An encrypted text that is no signed message. */
function cmsLess(sealed: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(sealed.subarray(0, sealed.length - 400)), Buffer.from('\n')])
}
