/**
 * Messages that are damaged, forged or meant to hurt: each is a verdict with its reason.
 */
import assert from 'node:assert/strict'
import { createHash, sign } from 'node:crypto'
import { describe, test } from 'node:test'
import { CMS, issuerAndSerial } from '../../src/crypto/cms.js'
import { context } from '../../src/crypto/der.js'
import { derNull, element, octetString, oid, sequence } from '../../src/crypto/der-write.js'
import { SsmError } from '../../src/errors.js'
import type { OpenSettings } from '../../src/envelope/open.js'
import { testKey } from '../kit/ca.js'
import { certificateWithKey, ODD_KEYS } from '../kit/odd-keys.js'
import {
  attribute,
  contentTypeAttribute,
  digestAttribute,
  entityOf,
  forge,
  forgeCms,
  goodAttributes,
  opaqueOf,
  RSA,
  signerInfo,
  timeAttribute,
  wireOf,
} from './forge.js'
import { createScene, listOf, reasonOf, trustIn } from './scene.js'

const scene = createScene()
const { host, other, ec, unknown } = scene.pki
const TEXT = 'record one\nrecord two\n'
const content = entityOf(TEXT)
const der = (who: typeof host): Buffer => Buffer.from(who.certificate.der)

async function reason(wire: Uint8Array, settings: Partial<OpenSettings> = {}): Promise<string> {
  return reasonOf(await scene.opener(settings)(wire))
}

describe('who signed', () => {
  test('the forge itself makes good messages', async () => {
    assert.equal(await reason(forge(TEXT, host)), 'ok')
    assert.equal(
      await reason(
        opaqueOf(forgeCms({ signers: [signerInfo(content, host)], certificates: [der(host)], embedded: content })),
      ),
      'signature',
      'hashed with CRLF, embedded with LF',
    )
  })
  test('a foreign certificate placed first is not the signer', async () => {
    const opened = await scene.opener()(forge(TEXT, other, { certificates: [der(host), der(other)] }))
    assert.ok(opened.verdict === 'ok')
    assert.equal(opened.signer.slash, other.dn)
  })
  test('a signature by the key of another certificate of the message is refused', async () => {
    const wire = forge(
      TEXT,
      { certificate: host.certificate, key: other.key },
      { certificates: [der(other), der(host)] },
    )
    const opened = await scene.opener()(wire)
    assert.ok(opened.verdict === 'no')
    assert.equal(opened.reason, 'signature')
    assert.equal(opened.signer, undefined, 'nobody is named whose signature was not verified')
  })
  test('the certificate that the signer info names is missing', async () => {
    assert.equal(await reason(forge(TEXT, host, { certificates: [der(other)] })), 'no-certificate')
    assert.equal(await reason(forge(TEXT, host, { certificates: [] })), 'no-certificate')
  })
  test('its certificate has a key of a kind that is not taken: the words say which', async () => {
    const odd = certificateWithKey('/C=XX/O=Test/CN=odd', ODD_KEYS['DSA without parameters'] ?? Buffer.alloc(0))
    const opened = await scene.opener()(forge(TEXT, host, { certificates: [odd] }))
    assert.ok(opened.verdict === 'no')
    assert.equal(opened.reason, 'no-certificate')
    assert.match(
      opened.detail,
      / among the 1 in the message \(one cannot be used: the certificate has a key of the kind DSA, which is not accepted\)/u,
    )
  })
  test('a damaged certificate beside the good one does no harm', async () => {
    const damaged = sequence(sequence(oid('1.2.3')), derNull)
    assert.equal(await reason(forge(TEXT, host, { certificates: [damaged, der(host)] })), 'ok')
    assert.equal(await reason(forge(TEXT, host, { certificates: [damaged] })), 'no-certificate')
  })
  test('by key identifier', async () => {
    const id = element(context(0), Buffer.from(host.certificate.subjectKeyId ?? '', 'hex'))
    assert.equal(await reason(forge(TEXT, { ...host, id })), 'ok')
    assert.equal(await reason(forge(TEXT, { ...host, id }, { certificates: [der(other)] })), 'no-certificate')
    const wrong = element(context(0), Buffer.alloc(20))
    assert.equal(await reason(forge(TEXT, { ...host, id: wrong })), 'no-certificate')
  })
  test('two signers, and none', async () => {
    const signers = [signerInfo(content, host), signerInfo(content, other)]
    assert.equal(await reason(forge(TEXT, host, { signers, certificates: [der(host), der(other)] })), 'signer-count')
    assert.equal(await reason(forge(TEXT, host, { signers: [] })), 'signer-count')
  })
  test('not in the list: told before anything is verified, and nobody is named as verified', async () => {
    const settings = { dns: () => listOf(other), trust: () => assert.fail('the path must not be looked at') }
    const tampered = forge(TEXT, host).toString('latin1').replace('record one', 'record 1')
    for (const wire of [forge(TEXT, host), Buffer.from(tampered, 'latin1')]) {
      const opened = await scene.opener(settings)(wire)
      assert.ok(opened.verdict === 'no')
      assert.equal(opened.reason, 'not-listed')
      assert.equal(opened.detail, `${host.dn} (not verified)`)
      assert.equal(opened.signer, undefined)
    }
  })
  test('listed, but no path', async () => {
    const opened = await scene.opener()(forge(TEXT, unknown))
    assert.ok(opened.verdict === 'no')
    assert.equal(opened.reason, 'untrusted')
    assert.equal(opened.signer, undefined, 'nobody vouches for the name')
  })
  test('a verdict to hold is handed on with its CA', async () => {
    const trust = () => ({
      judge: () => ({ verdict: 'hold', reason: 'crl-outdated', detail: 'since yesterday', ca: '/CN=CA' }) as const,
    })
    const opened = await scene.opener({ trust })(forge(TEXT, host))
    assert.deepEqual({ ...opened, claimed: undefined }, { ...trust().judge(), claimed: undefined })
  })
  test('the other certificates are candidates of the path, for the purpose of signing', async () => {
    const seen: unknown[] = []
    const good = trustIn(scene.pki.ca.certificate)
    const trust = () => ({
      judge: (...[certificate, options]: Parameters<typeof good.judge>) => {
        seen.push(
          options.candidates?.map((each) => each.subject.slash),
          options.purpose,
          options.crls,
          options.at,
        )
        return good.judge(certificate, options)
      },
    })
    const settings = { trust, crls: true, clock: { now: () => 42 } }
    await scene.opener(settings)(forge(TEXT, host, { certificates: [der(ec), der(host)] }))
    assert.deepEqual(seen, [[ec.dn], 'signer', true, 42])
  })
  test('our own trouble is thrown, not judged', async () => {
    const trust = () => {
      throw new SsmError('no-trust', 'the CA directory is gone')
    }
    await assert.rejects(scene.opener({ trust })(forge(TEXT, host)), /the CA directory is gone/)
    const bug = () => {
      throw new TypeError('a bug')
    }
    await assert.rejects(scene.opener({ dns: bug })(forge(TEXT, host)), /a bug/)
  })
})

describe('what was signed', () => {
  test('content altered on the way', async () => {
    const wire = Buffer.from(forge(TEXT, host))
    wire[wire.indexOf('record one')] = 0x52
    assert.equal(await reason(wire), 'signature')
  })
  test('content embedded beside the detached one', async () => {
    assert.equal(await reason(forge(TEXT, host, { embedded: content })), 'malformed')
  })
  test('no content anywhere', async () => {
    const cms = forgeCms({ signers: [signerInfo(content, host)], certificates: [der(host)] })
    assert.equal(await reason(opaqueOf(cms)), 'malformed')
  })
  test('empty content', async () => {
    assert.equal(await reason(forge('', host)), 'empty')
  })
  test('content that is not UTF-8', async () => {
    assert.equal(await reason(forge('caf\xe9', host)), 'not-utf8')
    assert.equal(await reason(forge('caf\xe9', host), { binary: true }), 'ok')
  })
  test('signed content that is not one text', async () => {
    const nested = Buffer.from('Content-Type: multipart/mixed; boundary=x\n\n--x--\n')
    const wire = wireOf(nested, forgeCms({ signers: [signerInfo(nested, host)], certificates: [der(host)] }))
    assert.equal(await reason(wire), 'malformed')
  })
  test('signed attributes presented as content', async () => {
    const set = Buffer.concat([Buffer.from([0x31]), Buffer.from([0x40]), Buffer.alloc(0x40)])
    const info = signerInfo(set, { ...host, attributes: null, signature: sign('sha256', set, host.key) })
    const cms = forgeCms({ signers: [info], certificates: [der(host)], embedded: set })
    assert.equal(await reason(opaqueOf(cms), { binary: true }), 'signature')
  })
  test('without signed attributes the content itself is signed', async () => {
    assert.equal(await reason(forge(TEXT, { ...host, attributes: null })), 'ok')
    assert.equal(await reason(forge(TEXT, { ...host, attributes: null, signature: Buffer.alloc(256) })), 'signature')
  })
})

describe('games with signed attributes', () => {
  const type = contentTypeAttribute()
  const digest = digestAttribute(content)
  const otherDigest = digestAttribute(entityOf('something else\n'))
  const cases: readonly (readonly [string, readonly Buffer[], string])[] = [
    ['in another order', [digest, timeAttribute(), type], 'ok'],
    ['without signing time', [type, digest], 'ok'],
    ['with an unknown one', [type, digest, attribute('1.2.3.4', derNull)], 'ok'],
    ['without message digest', [type], 'malformed'],
    ['without content type', [digest], 'malformed'],
    ['none of them', [], 'malformed'],
    ['message digest twice', [type, digest, digest], 'malformed'],
    ['two message digests', [type, otherDigest, digest], 'malformed'],
    [
      'message digest with two values',
      [type, attribute(CMS.messageDigest, octetString(Buffer.alloc(32)), octetString(Buffer.alloc(32)))],
      'malformed',
    ],
    ['message digest without value', [type, attribute(CMS.messageDigest)], 'malformed'],
    ['message digest of another kind', [type, attribute(CMS.messageDigest, derNull)], 'malformed'],
    ['message digest of another content', [type, otherDigest], 'signature'],
    [
      'message digest cut short',
      [type, attribute(CMS.messageDigest, octetString(createHash('sha256').digest().subarray(0, 8)))],
      'signature',
    ],
    ['empty message digest', [type, attribute(CMS.messageDigest, octetString(Buffer.alloc(0)))], 'signature'],
    ['content type twice', [type, type, digest], 'malformed'],
    ['another content type', [contentTypeAttribute(CMS.envelopedData), digest], 'signature'],
    ['two signing times', [type, digest, timeAttribute(), timeAttribute(0)], 'malformed'],
    ['a damaged signing time', [type, digest, attribute(CMS.signingTime, octetString(Buffer.alloc(1)))], 'malformed'],
    [
      'a hundred',
      [type, digest, ...Array.from({ length: 100 }, (_, n) => attribute(`1.2.3.${n}`, derNull))],
      'malformed',
    ],
  ]
  for (const [name, attributes, expected] of cases) {
    test(name, async () => {
      assert.equal(await reason(forge(TEXT, { ...host, attributes })), expected)
    })
  }
  test('the signature is over the attributes, not the content', async () => {
    assert.equal(await reason(forge(TEXT, { ...host, signature: sign('sha256', content, host.key) })), 'signature')
  })
  test('attributes signed with their tag in the message instead of as a SET', async () => {
    const implicit = element(0xa0, ...goodAttributes(content))
    assert.equal(await reason(forge(TEXT, { ...host, signature: sign('sha256', implicit, host.key) })), 'signature')
  })
})

describe('algorithms', () => {
  const algorithm = (name: string): Buffer => sequence(oid(name), derNull)
  const SHA1 = algorithm('1.3.14.3.2.26')
  const sha1Attributes = [
    contentTypeAttribute(),
    attribute(
      CMS.messageDigest,
      octetString(createHash('sha1').update(content.toString('latin1').replaceAll('\n', '\r\n'), 'latin1').digest()),
    ),
  ]
  const sha1Signer = {
    ...host,
    digestAlgorithm: SHA1,
    attributes: sha1Attributes,
    signature: sign('sha1', element(0x31, ...sha1Attributes), host.key),
  }
  test('SHA-1 by option only', async () => {
    assert.equal(await reason(forge(TEXT, sha1Signer)), 'algorithm')
    assert.equal(await reason(forge(TEXT, sha1Signer), { allowSha1: true }), 'ok')
  })
  test('MD5 never', async () => {
    const md5 = algorithm('1.2.840.113549.2.5')
    assert.equal(await reason(forge(TEXT, { ...host, digestAlgorithm: md5 }), { allowSha1: true }), 'algorithm')
  })
  for (const [name, expected] of [
    ['1.2.840.10045.4.3.2', 'signature'],
    ['1.3.101.112', 'malformed'],
    ['1.2.840.113549.1.1.13', 'algorithm'],
    ['1.2.840.113549.1.1.10', 'malformed'],
    ['1.2.840.113549.1.1.4', 'algorithm'],
    ['1.2.3', 'algorithm'],
  ] as const) {
    test(`the signature algorithm ${name} beside an RSA key and SHA-256`, async () => {
      assert.equal(await reason(forge(TEXT, { ...host, signatureAlgorithm: algorithm(name) })), expected)
    })
  }
  test('an RSA key of 1024 bits by option only', async () => {
    const weak = scene.pki.add('weak', { key: testKey('rsa1024', 0) })
    const settings = { dns: () => listOf(weak) }
    assert.equal(await reason(forge(TEXT, weak), settings), 'algorithm')
    assert.equal(await reason(forge(TEXT, weak), { ...settings, allowWeak: true }), 'ok')
  })
  test('sha256WithRSAEncryption is as good as rsaEncryption', async () => {
    const wire = forge(TEXT, { ...host, signatureAlgorithm: algorithm('1.2.840.113549.1.1.11') })
    assert.equal(await reason(wire), 'ok')
  })
})

describe('limits', () => {
  test('empty, and too large', async () => {
    assert.equal(await reason(Buffer.alloc(0)), 'empty')
    assert.equal(await reason(Buffer.alloc(1001, 'x'), { maxMessageSize: 1000 }), 'too-large')
  })
  test('17 certificates', async () => {
    const certificates = Array.from({ length: 16 }, () => der(host))
    assert.equal(await reason(forge(TEXT, host, { certificates })), 'ok')
    assert.equal(await reason(forge(TEXT, host, { certificates: [...certificates, der(host)] })), 'malformed')
  })
  test('a certificate of 100 KiB is not one', async () => {
    const huge = sequence(Buffer.alloc(100_000))
    assert.equal(await reason(forge(TEXT, host, { certificates: [huge, der(host)] })), 'ok')
  })
  test('CRLs in the message are passed over', async () => {
    assert.equal(await reason(forge(TEXT, host, { crls: [sequence(Buffer.alloc(1000))] })), 'ok')
  })
  test('nested beyond reason', async () => {
    let nest: Buffer = derNull
    for (let depth = 0; depth < 50_000 && nest.length < 60_000; depth++) nest = sequence(nest)
    assert.equal(await reason(opaqueOf(nest)), 'malformed')
    const indefinite = Buffer.concat([Buffer.from('3080'.repeat(50_000), 'hex'), Buffer.alloc(100_000)])
    assert.equal(await reason(opaqueOf(indefinite)), 'malformed')
    const strings = Buffer.concat([Buffer.from('2480'.repeat(50_000), 'hex'), Buffer.alloc(100_000)])
    assert.equal(await reason(opaqueOf(strings)), 'malformed')
  })
  test('a wrong issuer or serial of the same shape', async () => {
    const id = Buffer.from(issuerAndSerial(host.certificate))
    id[id.length - 1] = (id[id.length - 1] ?? 0) ^ 1
    assert.equal(await reason(forge(TEXT, { ...host, id, signatureAlgorithm: RSA })), 'no-certificate')
  })
})
