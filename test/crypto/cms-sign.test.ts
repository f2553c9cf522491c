/**
 * What is laid out once must be what the plain construction makes, and what pkijs reads.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes, sign, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { decodeBase64 } from '../../src/crypto/base64.js'
import { createCmsSigner, signedAttributes, signedData } from '../../src/crypto/cms-sign.js'
import { parseSignedData } from '../../src/crypto/cms-signed.js'
import { parseCms, pointsAt } from '../../src/crypto/cms.js'
import { signingWith } from '../../src/crypto/cms-algorithms.js'
import { createTestPki, type TestHost } from '../kit/ca.js'
import { scratch } from '../kit/scratch.js'

const pki = createTestPki(scratch())
const hosts: readonly TestHost[] = [
  pki.host,
  pki.ec,
  pki.add('p384', { keyKind: 'p384' }),
  pki.add('p521', { keyKind: 'p521' }),
  pki.add('ed25519', { keyKind: 'ed25519' }),
  pki.add('rsa3072', { keyKind: 'rsa3072' }),
]

/** Seconds in a row, and years in which the time has another form. */
const TIMES = [0, 1_700_000_000_000, 1_700_000_000_999, 1_700_000_001_000, 2_524_607_999_000, 2_524_608_000_000]

describe('SignedData', () => {
  for (const { name, certificate, key } of hosts) {
    test(`of a key of ${name}: laid out once and constructed plainly are the same`, async () => {
      const signer = createCmsSigner(certificate, key)
      const signing = signingWith(key)
      for (const at of [...TIMES, ...TIMES]) {
        const digest = createHash(signer.digest).update(randomBytes(8)).digest()
        const cms = decodeBase64(await signer.sign(digest, at), 'it')
        const { signer: info } = parseCms(cms, 'it', parseSignedData)
        assert.ok(info?.attributes !== undefined && pointsAt(info.id, certificate))
        assert.deepEqual(info.attributes.messageDigest, digest)
        assert.equal(info.attributes.signingTime, at - (at % 1000))
        const attributes = signedAttributes(digest, at)
        assert.deepEqual(info.attributes.set, attributes)
        assert.deepEqual(cms, signedData(certificate, signing, attributes, info.signature))
      }
    })
  }
  test('pkijs reads the same, and finds nothing to re-encode', async () => {
    for (const { certificate, key } of hosts.slice(0, 4)) {
      const signer = createCmsSigner(certificate, key)
      const digest = createHash(signer.digest).update('content').digest()
      const cms = decodeBase64(await signer.sign(digest, Date.now()), 'it')
      const { result } = asn1js.fromBER(cms)
      const info = new pkijs.ContentInfo({ schema: result })
      const data = new pkijs.SignedData({ schema: info.content })
      assert.equal(data.signerInfos.length, 1)
      assert.equal(data.certificates?.length, 1)
      const attributes = data.signerInfos[0]?.signedAttrs
      assert.ok(attributes !== undefined)
      assert.deepEqual(
        attributes.attributes.map((each) => each.type),
        attributes.attributes
          .map((each) => each.type)
          .toSorted((a, b) => lengthOf(attributes, a) - lengthOf(attributes, b)),
        'in the order of DER',
      )
      const set = Buffer.from(attributes.encodedValue)
      assert.ok(
        verify(
          signer.digest,
          set,
          certificate.publicKey,
          Buffer.from(data.signerInfos[0]?.signature.valueBlock.valueHexView ?? []),
        ),
      )
      const encoded = new pkijs.ContentInfo({ contentType: info.contentType, content: data.toSchema(true) })
        .toSchema()
        .toBER()
      assert.deepEqual(Buffer.from(encoded), cms)
    }
  })
  test('signatures are made at the same time without mixing', async () => {
    const signer = createCmsSigner(pki.host.certificate, pki.host.key)
    const digests = Array.from({ length: 50 }, () => randomBytes(32))
    const all = await Promise.all(digests.map((digest, n) => signer.sign(digest, n * 500)))
    for (const [n, lines] of all.entries()) {
      const { signer: info } = parseCms(decodeBase64(lines, 'it'), 'it', parseSignedData)
      assert.deepEqual(info?.attributes?.messageDigest, digests[n])
      assert.deepEqual(info?.signature, sign('sha256', info?.attributes?.set ?? Buffer.alloc(0), pki.host.key))
    }
  })
})

function lengthOf({ attributes }: pkijs.SignedAndUnsignedAttributes, type: string): number {
  return (
    attributes
      .find((each) => each.type === type)
      ?.toSchema()
      .toBER().byteLength ?? 0
  )
}
