/**
 * Every algorithm of specs, both ways with `openssl cms` (and `smime` where it can): what it makes is opened, what we
 * make it reads, and what is refused names the option that would accept it.
 */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CIPHER_NAMES } from '../../src/crypto/cipher.js'
import { KEY_TRANSPORTS } from '../../src/crypto/cms-enveloped.js'
import { encryptionWarning, sealWarning } from '../../src/envelope/seal.js'
import type { OpenSettings } from '../../src/envelope/open.js'
import { isSsmError } from '../../src/errors.js'
import type { TestHost } from '../kit/ca.js'
import { need } from '../kit/need.js'
import { openssl, opensslOk } from '../kit/openssl.js'
import { createScene, reasonOf } from './scene.js'

const skip = need('openssl')
const scene = createScene()
const { host, other, ec: p256 } = scene.pki
const p384 = scene.pki.add('p384', { keyKind: 'p384' })
const p521 = scene.pki.add('p521', { keyKind: 'p521' })
const ed = scene.pki.add('ed25519', { keyKind: 'ed25519' })
const weak = scene.pki.add('weak', { keyKind: 'rsa1024' })
const CURVES = [p256, p384, p521]

const BODY = Buffer.from('SiteName: EXAMPLE\nCpuDuration: 3600\n%%\n')
const caFile = join(scene.pki.dir, 'ca.pem')
writeFileSync(caFile, opensslOk(['x509', '-inform', 'DER'], scene.pki.ca.certificate.der))

const signed = (who: TestHost, ...flags: readonly string[]): Buffer =>
  opensslOk(['cms', '-sign', '-text', '-signer', who.certificateFile, '-inkey', who.keyFile, ...flags], BODY)
const SIGNED = signed(other)

async function openedBy(who: TestHost, wire: Uint8Array, settings: Partial<OpenSettings> = {}) {
  return await scene.opener({ dns: () => null, decryption: () => [who], ...settings })(wire)
}

async function assertOpens(who: TestHost, wire: Uint8Array, settings: Partial<OpenSettings> = {}): Promise<void> {
  const opened = await openedBy(who, wire, settings)
  assert.equal(reasonOf(opened), 'ok', JSON.stringify(opened))
  assert.ok(opened.verdict === 'ok')
  assert.deepEqual(Buffer.from(opened.plain.body), BODY)
}

async function assertRefused(wire: Uint8Array, words: RegExp, settings: Partial<OpenSettings> = {}): Promise<void> {
  const opened = await openedBy(host, wire, settings)
  assert.ok(opened.verdict === 'no')
  assert.match(opened.detail, words)
}

const encrypt = (flags: readonly string[], ...recipients: readonly string[]): Buffer =>
  opensslOk(['cms', '-encrypt', ...flags, ...recipients], SIGNED)
const to = (who: TestHost, ...options: readonly string[]): readonly string[] => [
  '-recip',
  who.certificateFile,
  ...options.flatMap((option) => ['-keyopt', option]),
]

describe('what openssl cms encrypts is opened', { skip }, () => {
  const CIPHERS = [
    ...['aes128', 'aes192', 'aes256', 'aes-128-gcm', 'aes-192-gcm', 'aes-256-gcm'].map((name) => [`-${name}`]),
    ['-aes256', '-stream'],
    ['-aes-256-gcm', '-stream'],
    ['-aes-256-gcm', '-indef'],
    ['-aes256', '-keyid'],
    ['-aes-128-gcm', '-keyid'],
  ]
  for (const cipher of CIPHERS) {
    test(`with ${cipher.join(' ')}, for RSA and each curve`, async () => {
      for (const who of [host, ...CURVES]) await assertOpens(who, encrypt(cipher, ...to(who)))
    })
  }
  const OAEP: readonly (readonly string[])[] = [
    [],
    ...['sha1', 'sha256', 'sha384', 'sha512'].map((md) => [`rsa_oaep_md:${md}`]),
    ['rsa_oaep_md:sha256', 'rsa_mgf1_md:sha1'],
    ['rsa_oaep_md:sha1', 'rsa_mgf1_md:sha512'],
    ['rsa_oaep_md:sha256', 'rsa_oaep_label:616263'],
  ]
  for (const options of OAEP) {
    test(`OAEP ${options.join(' ')}`, async () => {
      for (const cipher of ['-aes256', '-aes-256-gcm']) {
        await assertOpens(host, encrypt([cipher], ...to(host, 'rsa_padding_mode:oaep', ...options)))
      }
    })
  }
  for (const md of ['sha1', 'sha256', 'sha384', 'sha512']) {
    test(`ECDH with the key derivation of ${md}, and with cofactor`, async () => {
      for (const who of CURVES) {
        await assertOpens(who, encrypt(['-aes128'], ...to(who, `ecdh_kdf_md:${md}`)))
        await assertOpens(who, encrypt(['-aes256'], ...to(who, `ecdh_kdf_md:${md}`, 'ecdh_cofactor_mode:1')))
      }
    })
  }
  test('key wraps of another size than the content key', async () => {
    for (const wrap of ['aes128-wrap', 'aes192-wrap', 'aes256-wrap']) {
      const probe = openssl(['cms', '-encrypt', '-aes128', '-wrap', wrap, ...to(p256)], SIGNED)
      if (probe.status === 0) await assertOpens(p256, probe.stdout)
    }
  })
  test('for several recipients of all kinds, whichever is ours', async () => {
    const wire = encrypt(['-aes-256-gcm'], ...to(other), ...to(p384), ...to(host, 'rsa_padding_mode:oaep'), ...to(p256))
    for (const who of [other, p384, host, p256]) await assertOpens(who, wire)
    assert.equal(reasonOf(await openedBy(p521, wire)), 'undecryptable')
    assert.equal(reasonOf(await openedBy(weak, wire)), 'undecryptable')
  })
  test('3DES only by allow_weak, and the refusal says so', async () => {
    for (const command of ['smime', 'cms']) {
      const wire = opensslOk([command, '-encrypt', '-des3', host.certificateFile], SIGNED)
      await assertRefused(wire, /allow_weak = 3des/u)
      await assertOpens(host, wire, { allow3des: true })
    }
  })
  test('other ciphers never', async () => {
    const wire = encrypt(['-camellia128'], ...to(host))
    for (const allow3des of [false, true]) {
      assert.equal(reasonOf(await openedBy(host, wire, { allow3des })), 'undecryptable')
    }
  })
})

describe('what openssl signs is opened', { skip }, () => {
  for (const md of ['sha256', 'sha384', 'sha512']) {
    test(`RSA, PSS and each curve with ${md}`, async () => {
      await assertOpens(host, signed(other, '-md', md))
      await assertOpens(host, signed(other, '-md', md, '-keyopt', 'rsa_padding_mode:pss'))
      for (const saltlen of ['0', '20', '64']) {
        const flags = ['-keyopt', 'rsa_padding_mode:pss', '-keyopt', `rsa_pss_saltlen:${saltlen}`]
        await assertOpens(host, signed(other, '-md', md, ...flags))
      }
      for (const who of CURVES) await assertOpens(host, signed(who, '-md', md))
    })
  }
  test('SHA-1 only by allow_sha1, RSA 1024 only by allow_weak, and the refusals say so', async () => {
    await assertRefused(signed(other, '-md', 'sha1'), /allow_sha1/u)
    await assertOpens(host, signed(other, '-md', 'sha1'), { allowSha1: true })
    await assertRefused(signed(weak), /allow_weak = rsa1024/u)
    await assertOpens(host, signed(weak), { allowWeak: true })
  })
  test('MD5 never', async () => {
    await assertRefused(signed(other, '-md', 'md5'), /not accepted/u, { allowSha1: true, allowWeak: true })
  })
})

describe('what we make, openssl reads', { skip }, () => {
  const decrypted = (command: string, who: TestHost, wire: Uint8Array): Buffer =>
    opensslOk([command, '-decrypt', '-recip', who.certificateFile, '-inkey', who.keyFile], wire)
  const verified = (wire: Uint8Array): Buffer =>
    opensslOk(['cms', '-verify', '-text', '-CAfile', caFile, '-purpose', 'any'], wire)

  for (const cipher of CIPHER_NAMES) {
    for (const keyTransport of KEY_TRANSPORTS) {
      test(`${cipher}, ${keyTransport}, for RSA and each curve`, async () => {
        for (const who of [host, ...CURVES]) {
          const settings = { recipients: [who.certificate], cipher, keyTransport }
          const wire = await scene.sealer(other, settings)({ body: BODY })
          const text = decrypted('cms', who, wire)
          assert.deepEqual(Buffer.from(verified(text).toString().replaceAll('\r\n', '\n')), BODY)
          await assertOpens(who, wire)
          // What the warning says is what openssl smime, and the Python SSM with it, does.
          const warned = encryptionWarning(settings.recipients, settings) !== undefined
          const smime = openssl(['smime', '-decrypt', '-recip', who.certificateFile, '-inkey', who.keyFile], wire)
          assert.equal(
            warned,
            smime.status !== 0 || !smime.stdout.equals(text),
            `${cipher} ${keyTransport} ${who.name}`,
          )
        }
      })
    }
  }
  test('for several recipients', async () => {
    const recipients = [host, p256, other, p521].map((who) => who.certificate)
    const wire = await scene.sealer(p384, { recipients, cipher: 'aes256-gcm', keyTransport: 'oaep' })({ body: BODY })
    for (const who of [host, p256, other, p521]) {
      verified(decrypted('cms', who, wire))
      await assertOpens(who, wire)
    }
  })
  test('signatures by keys of all kinds', async () => {
    for (const who of [other, ...CURVES]) verified(await scene.sealer(who)({ body: BODY }))
    await assertOpens(host, await scene.sealer(ed)({ body: BODY }))
    for (const who of [other, ...CURVES]) assert.equal(sealWarning(who), undefined)
    assert.match(sealWarning(ed) ?? '', /Python receivers cannot read/u)
  })
})

describe('keys that only make PSS signatures', { skip }, () => {
  const KINDS: Readonly<Record<string, readonly string[]>> = {
    free: [],
    'of SHA-512': ['rsa_pss_keygen_md:sha512', 'rsa_pss_keygen_mgf1_md:sha512', 'rsa_pss_keygen_saltlen:64'],
    'of SHA-256 with a long salt': [
      'rsa_pss_keygen_md:sha256',
      'rsa_pss_keygen_mgf1_md:sha256',
      'rsa_pss_keygen_saltlen:48',
    ],
  }
  for (const [name, options] of Object.entries(KINDS)) {
    test(name, async () => {
      const flags = ['rsa_keygen_bits:2048', ...options].flatMap((option) => ['-pkeyopt', option])
      const key = createPrivateKey(opensslOk(['genpkey', '-algorithm', 'RSA-PSS', ...flags]).toString())
      const who = scene.pki.add(`pss-${options.length}`, { key, subject: `/C=XX/O=Test/CN=pss ${name}` })
      const wire = await scene.sealer(who)({ body: BODY })
      await assertOpens(host, wire)
      opensslOk(['cms', '-verify', '-CAfile', caFile, '-purpose', 'any'], wire)
      assert.match(sealWarning(who) ?? '', /Python/u)
    })
  }
  test('a digest that nobody accepts is our trouble, said at the start', () => {
    const flags = ['rsa_keygen_bits:2048', 'rsa_pss_keygen_md:sha1'].flatMap((option) => ['-pkeyopt', option])
    const key = createPrivateKey(opensslOk(['genpkey', '-algorithm', 'RSA-PSS', ...flags]).toString())
    const who = scene.pki.add('pss-sha1', { key })
    assert.throws(
      () => scene.sealer(who),
      (error) => isSsmError(error, 'configuration'),
    )
  })
})
