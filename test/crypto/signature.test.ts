import assert from 'node:assert/strict'
import { createPublicKey, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import { derNull, element, integer, oid, sequence } from '../../src/crypto/der-write.js'
import type { KeyKind } from '../../src/crypto/issue.js'
import { encodeScheme, resolveScheme, signData, type SignatureScheme, signingScheme, verifySignature } from '../../src/crypto/signature.js' // prettier-ignore
import { testKey } from '../kit/ca.js'

const strict = { allowSha1: false, allowWeak: false }
const data = Buffer.from('what is signed')

async function judge(kind: KeyKind, scheme: SignatureScheme, policy = strict): Promise<string> {
  const key = testKey(kind)
  const signature = await signData(scheme, key, data)
  const input = { algorithm: encodeScheme(scheme), data, signature, key: createPublicKey(key) }
  const altered = verifySignature({ ...input, data: Buffer.from('something else') }, policy)
  assert.equal(altered.ok, false)
  const judgement = verifySignature(input, policy)
  return judgement.ok ? 'ok' : judgement.reason
}

describe('signatures', () => {
  it('of every accepted algorithm are made and verified', async () => {
    for (const digest of ['sha256', 'sha384', 'sha512'] as const) {
      assert.equal(await judge('rsa2048', { family: 'rsa', digest }), 'ok')
      assert.equal(await judge('rsa2048', { family: 'pss', digest, saltLength: 20 }), 'ok')
      for (const kind of ['p256', 'p384', 'p521'] as const)
        assert.equal(await judge(kind, { family: 'ecdsa', digest }), 'ok')
    }
    assert.equal(await judge('ed25519', { family: 'ed25519', digest: null }), 'ok')
  })

  it('by default are those of the key', async () => {
    for (const kind of ['rsa2048', 'p256', 'p521', 'ed25519'] as const) {
      assert.equal(await judge(kind, signingScheme(testKey(kind))), 'ok')
    }
  })

  it('with SHA-1 or short keys need the option', async () => {
    const sha1 = { family: 'rsa', digest: 'sha1' } as const
    assert.equal(await judge('rsa2048', sha1), 'algorithm')
    assert.equal(await judge('rsa2048', sha1, { ...strict, allowSha1: true }), 'ok')
    const weak = { family: 'rsa', digest: 'sha256' } as const
    assert.equal(await judge('rsa1024', weak), 'algorithm')
    assert.equal(await judge('rsa1024', weak, { ...strict, allowWeak: true }), 'ok')
  })

  it('with MD5, DSA or an unknown algorithm are refused whatever the options', () => {
    for (const id of ['1.2.840.113549.1.1.4', '1.2.840.113549.1.1.2', '1.2.840.10040.4.3', '1.2.3.4']) {
      const resolved = resolveScheme(sequence(oid(id), derNull))
      assert.ok(!resolved.ok && resolved.reason === 'algorithm')
    }
    const md5 = resolveScheme(sequence(oid('1.2.840.113549.1.1.1'), derNull), '1.2.840.113549.2.5')
    assert.ok(!md5.ok && md5.reason === 'algorithm' && md5.detail.includes('md5'))
  })

  it('of a message may name key and digest apart, but not two digests', () => {
    const sha256 = '2.16.840.1.101.3.4.2.1'
    const rsa = resolveScheme(sequence(oid('1.2.840.113549.1.1.1'), derNull), sha256)
    assert.deepEqual(rsa, { ok: true, scheme: { family: 'rsa', digest: 'sha256' } })
    assert.equal(resolveScheme(sequence(oid('1.2.840.113549.1.1.1'), derNull)).ok, false)
    assert.equal(resolveScheme(sequence(oid('1.2.840.113549.1.1.12'), derNull), sha256).ok, false)
    assert.equal(resolveScheme(sequence(oid('1.2.840.113549.1.1.11'), derNull), sha256).ok, true)
  })

  it('never verify with a key of another kind, and never throw for damage', () => {
    const signature = sign('sha256', data, testKey('rsa2048'))
    const algorithm = encodeScheme({ family: 'rsa', digest: 'sha256' })
    for (const kind of ['p256', 'ed25519', 'rsa3072'] as const) {
      const key = createPublicKey(testKey(kind))
      assert.equal(verifySignature({ algorithm, data, signature, key }, strict).ok, false)
    }
    const key = createPublicKey(testKey('p256'))
    const ecdsa = encodeScheme({ family: 'ecdsa', digest: 'sha256' })
    for (const bad of [Buffer.alloc(0), Buffer.alloc(70), signature]) {
      assert.equal(verifySignature({ algorithm: ecdsa, data, signature: bad, key }, strict).ok, false)
    }
    for (let length = 0; length < algorithm.length; length++) {
      assert.equal(resolveScheme(algorithm.subarray(0, length)).ok, false)
    }
  })

  it('with odd PSS parameters are refused', () => {
    const sha256 = sequence(oid('2.16.840.1.101.3.4.2.1'), derNull)
    const pss = (...fields: Buffer[]) => resolveScheme(sequence(oid('1.2.840.113549.1.1.10'), sequence(...fields)))
    const mask = (hash: Buffer) => element(0xa1, sequence(oid('1.2.840.113549.1.1.8'), hash))
    assert.equal(pss(element(0xa0, sha256), mask(sha256), element(0xa2, integer(32))).ok, true)
    assert.equal(pss(element(0xa0, sha256), element(0xa2, integer(32))).ok, false, 'mask with SHA-1')
    assert.equal(pss(element(0xa0, sha256), mask(sha256), element(0xa2, integer(100_000))).ok, false)
    assert.equal(pss(element(0xa0, sha256), mask(sha256), element(0xa3, integer(2))).ok, false)
  })
})
