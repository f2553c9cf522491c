/**
 * `openssl smime` and `openssl cms` as the other end, both ways.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { toCrlf } from '../../src/crypto/text.js'
import type { TestHost } from '../kit/ca.js'
import { need } from '../kit/need.js'
import { openssl, opensslOk } from '../kit/openssl.js'
import { BINARY_CONTENTS, CONTENTS, createScene, reasonOf } from './scene.js'

const skip = need('openssl')
const scene = createScene()
const { host, other, ec, capath } = { ...scene.pki, capath: scene.pki.capath }
const p384 = scene.pki.add('p384', { keyKind: 'p384' })

const BODY = CONTENTS['10 KB of records']!
const caFile = join(scene.pki.dir, 'ca.pem')
writeFileSync(caFile, opensslOk(['x509', '-inform', 'DER'], scene.pki.ca.certificate.der))

const signWith = (who: TestHost, ...more: readonly string[]): readonly string[] => [
  '-sign',
  '-signer',
  who.certificateFile,
  '-inkey',
  who.keyFile,
  ...more,
]

async function assertOpens(wire: Buffer, body: Buffer, dn: string): Promise<void> {
  const opened = await scene.opener({ binary: true, dns: () => null, allowSha1: true })(wire)
  assert.equal(reasonOf(opened), 'ok', JSON.stringify(opened))
  assert.ok(opened.verdict === 'ok')
  assert.deepEqual(Buffer.from(opened.plain.body), body)
  assert.equal(opened.signer.slash, dn)
}

/** As a Python sender hands it on: text mode makes every line end LF. */
function inTransit(wire: Buffer): Buffer {
  return Buffer.from(wire.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
}

describe('what openssl signs is opened', { skip }, () => {
  const FORMS: readonly (readonly string[])[] = [
    ['smime', '-text'],
    ['smime'],
    ['smime', '-text', '-nodetach'],
    ['smime', '-nodetach'],
    ['smime', '-nodetach', '-binary'],
    ['smime', '-text', '-nodetach', '-stream'],
    ['smime', '-text', '-indef'],
    ['smime', '-text', '-md', 'sha384'],
    ['smime', '-text', '-md', 'sha512'],
    ['smime', '-text', '-md', 'sha1'],
    ['smime', '-text', '-noattr'],
    ['smime', '-text', '-nosmimecap'],
    ['smime', '-text', '-certfile', scene.pki.other.certificateFile],
    ['smime', '-text', '-crlfeol'],
    ['cms', '-text'],
    ['cms', '-text', '-nodetach'],
    ['cms', '-text', '-nodetach', '-stream'],
    ['cms', '-text', '-keyid'],
    ['cms', '-text', '-noattr'],
    ['cms', '-text', '-binary'],
    ['cms', '-text', '-md', 'sha512', '-keyopt', 'rsa_padding_mode:pss'],
    ['cms', '-text', '-keyopt', 'rsa_padding_mode:pss', '-keyopt', 'rsa_pss_saltlen:32'],
  ]
  for (const [command = '', ...flags] of FORMS) {
    test(`openssl ${command} -sign ${flags.join(' ')}`, async () => {
      const wire = opensslOk([command, ...signWith(host, ...flags)], BODY)
      await assertOpens(wire, BODY, host.dn)
      // Signed as binary beside the signature, the line ends may not change on the way.
      if (flags.includes('-binary') && !flags.includes('-nodetach')) return
      await assertOpens(inTransit(wire), BODY, host.dn)
      await assertOpens(toCrlf(wire), BODY, host.dn)
    })
  }
  for (const who of [ec, p384]) {
    test(`a key of ${who.name}`, async () => {
      await assertOpens(opensslOk(['smime', ...signWith(who, '-text')], BODY), BODY, who.dn)
      await assertOpens(opensslOk(['cms', ...signWith(who, '-text', '-nodetach', '-stream')], BODY), BODY, who.dn)
    })
  }
  test('a large streamed message', async () => {
    const body = Buffer.from('0123456789 '.repeat(8).concat('\n').repeat(20_000))
    await assertOpens(opensslOk(['smime', ...signWith(host, '-text', '-nodetach', '-stream')], body), body, host.dn)
  })
})

describe('what openssl encrypts is opened', { skip }, () => {
  for (const command of ['smime', 'cms']) {
    for (const cipher of ['aes128', 'aes192', 'aes256']) {
      for (const form of [[], ['-binary'], ['-stream'], ['-indef']]) {
        test(`openssl ${command} -encrypt -${cipher} ${form.join(' ')}`, async () => {
          const signed = inTransit(opensslOk(['smime', ...signWith(other, '-text')], BODY))
          const wire = opensslOk([command, '-encrypt', `-${cipher}`, ...form, host.certificateFile], signed)
          await assertOpens(wire, BODY, other.dn)
          await assertOpens(inTransit(wire), BODY, other.dn)
        })
      }
    }
  }
  test('for several recipients, ours among them', async () => {
    const signed = inTransit(opensslOk(['smime', ...signWith(other, '-text')], BODY))
    const wire = opensslOk(['smime', '-encrypt', '-aes256', other.certificateFile, host.certificateFile], signed)
    await assertOpens(wire, BODY, other.dn)
  })
  test('by key identifier', async () => {
    const signed = inTransit(opensslOk(['smime', ...signWith(other, '-text')], BODY))
    await assertOpens(opensslOk(['cms', '-encrypt', '-aes256', '-keyid', host.certificateFile], signed), BODY, other.dn)
  })
  test('opaque inside', async () => {
    const signed = opensslOk(['smime', ...signWith(other, '-text', '-nodetach')], BODY)
    await assertOpens(opensslOk(['smime', '-encrypt', '-aes256', host.certificateFile], signed), BODY, other.dn)
  })
})

describe('openssl reads what we make', { skip }, () => {
  /** What `openssl smime -verify -text` gives back, which has CRLF line ends and may be quoted-printable. */
  const verifyBy = (command: string, wire: Uint8Array): Buffer =>
    opensslOk([command, '-verify', '-CAfile', caFile, '-purpose', 'any'], wire)

  for (const [name, body] of Object.entries({ ...CONTENTS, ...BINARY_CONTENTS })) {
    test(`signed: ${name}`, async () => {
      const wire = await scene.sealer(host, { binary: true })({ body })
      const entity = verifyBy('smime', wire)
      assert.deepEqual(verifyBy('cms', wire), entity)
      // Text as it is comes back with canonical line ends and nothing else changed.
      if (Buffer.from(wire).includes('quoted-printable\n\n')) return
      assert.deepEqual(entity, Buffer.concat([Buffer.from('Content-Type: text/plain\r\n\r\n'), toCrlf(body)]))
    })
  }
  for (const who of [ec, p384, scene.pki.add('p521', { keyKind: 'p521' })]) {
    test(`a key of ${who.name}`, async () => {
      verifyBy('smime', await scene.sealer(who)({ body: BODY }))
    })
  }
  for (const cipher of ['aes128', 'aes192', 'aes256'] as const) {
    test(`encrypted, ${cipher}`, async () => {
      const wire = await scene.sealer(other, { recipients: [host.certificate], cipher })({ body: BODY })
      for (const command of ['smime', 'cms']) {
        const signed = opensslOk([command, '-decrypt', '-recip', host.certificateFile, '-inkey', host.keyFile], wire)
        verifyBy(command, signed)
      }
    })
  }
  test('header, parts and structure are those of openssl smime -sign -text', async () => {
    const shape = (wire: Uint8Array): string =>
      Buffer.from(wire)
        .toString('latin1')
        .replace(/[0-9A-F]{32}/g, 'BOUNDARY')
        .replace(/(?:[A-Za-z0-9+/=]{4,64}\n)+/g, 'BASE64\n')
    const body = Buffer.from('two words\nand more\n')
    const ours = await scene.sealer()({ body })
    assert.equal(shape(ours), shape(inTransit(opensslOk(['smime', ...signWith(host, '-text')], body))))
    const enveloped = await scene.sealer(host, { recipients: [other.certificate] })({ body })
    assert.equal(shape(enveloped), shape(opensslOk(['smime', '-encrypt', '-aes256', other.certificateFile], ours)))
  })
  test('a changed letter is noticed', async () => {
    const wire = Buffer.from(await scene.sealer()({ body: BODY }))
    wire[wire.indexOf('SiteName')] = 0x54
    assert.notEqual(openssl(['smime', '-verify', '-CApath', capath], wire).status, 0)
  })
})
