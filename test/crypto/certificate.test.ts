import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { parseCertificate } from '../../src/crypto/certificate.js'
import { element, oid, sequence, setOf } from '../../src/crypto/der-write.js'
import { issueCertificate } from '../../src/crypto/issue.js'

import { opensslHash } from '../../src/crypto/name.js'
import { toPem } from '../../src/crypto/pem.js'
import { isSsmError } from '../../src/errors.js'
import { createTestPki, testKey } from '../kit/ca.js'
import { certificateWithKey, ODD_KEYS } from '../kit/odd-keys.js'

const dir = mkdtempSync(join(tmpdir(), 'ssm-certificate-'))
after(() => {
  rmSync(dir, { recursive: true })
})

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** OpenSSL prints octets over 126 as \xHH, and since some releases of 3.x a `/` or `+` inside a value as `\/`, `\+`. */
function unescape(line: string): string {
  const octets = line
    .replace(/\\([/+])/g, '$1')
    .replace(/\\x([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1').toString('utf8')
}

describe('parseCertificate', () => {
  it('reads what OpenSSL reads', () => {
    const pki = createTestPki(dir)
    for (const host of [pki.host, pki.ec, pki.expired]) {
      const node = new X509Certificate(host.certificate.der)
      const ours = parseCertificate(host.certificate.der)
      assert.equal(ours.fingerprint, node.fingerprint256.replaceAll(':', '').toLowerCase())
      assert.equal(ours.serial.replace(/^00/, ''), node.serialNumber.toLowerCase())
      assert.equal(ours.notAfter, Date.parse(node.validTo))
      assert.equal(ours.notBefore, Date.parse(node.validFrom))
      assert.ok(ours.publicKey.equals(node.publicKey))
      assert.ok(node.verify(pki.ca.certificate.publicKey))
      assert.equal(ours.version, 3)
    }
  })

  it('is accepted by openssl verify with the directory and the CRL', () => {
    const pki = createTestPki(dir)
    const verify = ['verify', '-crl_check_all', '-no-CAfile', '-no-CAstore', '-CApath', pki.capath]
    assert.match(openssl(...verify, pki.host.certificateFile, pki.ec.certificateFile), /host.crt: OK\n.*ec.crt: OK/)
    assert.throws(() => openssl(...verify, pki.revoked.certificateFile), /revoked/)
    assert.throws(() => openssl(...verify, pki.expired.certificateFile), /expired/)
    assert.throws(() => openssl(...verify, pki.unknown.certificateFile), /issuer/)
  })

  it('refuses every truncation, and never throws anything else', () => {
    const { der } = createTestPki(dir).host.certificate
    for (let length = 0; length < der.length; length++) {
      assert.throws(
        () => parseCertificate(der.subarray(0, length)),
        (error) => isSsmError(error, 'malformed'),
      )
    }
    assert.throws(() => parseCertificate(Buffer.concat([der, Buffer.from([0])])), /1 bytes too many/)
    assert.throws(() => parseCertificate(Buffer.alloc(70_000)), /larger than 65536 bytes/)
  })

  it('survives random mutations', () => {
    const { der } = createTestPki(dir).host.certificate
    let seed = 42
    const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
    let accepted = 0
    for (let round = 0; round < 5000; round++) {
      const bytes = Buffer.from(der)
      for (let i = 0; i <= random(3); i++) bytes[random(bytes.length)] = random(256)
      try {
        parseCertificate(bytes)
        accepted++
      } catch (error) {
        assert.ok(isSsmError(error, 'malformed'), String(error))
      }
    }
    assert.ok(accepted > 100)
  })
})

describe('names', () => {
  const type = (id: string, tag: number, value: string | Buffer) =>
    setOf(sequence(oid(id), element(tag, Buffer.isBuffer(value) ? value : Buffer.from(value, 'utf8'))))
  const multi = setOf(
    sequence(oid('2.5.4.10'), element(0x0c, Buffer.from('a b'))),
    sequence(oid('2.5.4.3'), element(0x0c, Buffer.from('c'))),
  )
  const attributes = [
    '2.5.4.3 2.5.4.4 2.5.4.5 2.5.4.6 2.5.4.7 2.5.4.8 2.5.4.9 2.5.4.10 2.5.4.11 2.5.4.12 2.5.4.13 2.5.4.15 2.5.4.17',
    '2.5.4.18 2.5.4.20 2.5.4.41 2.5.4.42 2.5.4.43 2.5.4.44 2.5.4.45 2.5.4.46 2.5.4.65 2.5.4.72 2.5.4.97',
    '1.2.840.113549.1.9.1 1.2.840.113549.1.9.2 1.2.840.113549.1.9.8 0.9.2342.19200300.100.1.1',
    '0.9.2342.19200300.100.1.3 0.9.2342.19200300.100.1.25 1.2.3.4.5 1.3.6.1.4.1.99999.1.300000 2.999.1',
  ]
  const cases: Readonly<Record<string, Buffer>> = {
    'all types': sequence(
      ...attributes
        .join(' ')
        .split(' ')
        .map((id) => type(id, 0x13, 'x')),
    ),
    'grid host': sequence(type('0.9.2342.19200300.100.1.25', 0x16, 'org'), type('2.5.4.3', 0x13, 'host/x.example.org')),
    'UTF-8, spaces and case': sequence(type('2.5.4.10', 0x0c, '  Müller  & Söhne '), type('2.5.4.3', 0x0c, 'ÄB')),
    T61String: sequence(type('2.5.4.10', 0x14, Buffer.from('Universit\u00e4t', 'latin1'))),
    'several attributes in an RDN': sequence(multi),
    'slashes inside': sequence(type('2.5.4.3', 0x13, 'a/CN=b')),
  }
  for (const [what, subject] of Object.entries(cases)) {
    it(`are printed and hashed as by openssl: ${what}`, () => {
      const certificate = issueCertificate({ subject, key: testKey('p256') })
      const file = join(dir, 'name.pem')
      writeFileSync(file, toPem('CERTIFICATE', certificate.der))
      const [line = '', hash] = openssl('x509', '-in', file, '-noout', '-subject', '-nameopt', 'compat', '-hash').split(
        '\n',
      )
      const expected = what === 'T61String' ? '/O=Universität' : unescape(line.replace(/^subject=/, ''))
      assert.equal(certificate.subject.slash, expected)
      assert.equal(opensslHash(certificate.subject), hash)
    })
  }

  for (const [name, spki] of Object.entries(ODD_KEYS)) {
    it(`gives no key to node for which node would end the process: ${name}`, () => {
      const certificate = parseCertificate(certificateWithKey('/CN=x', spki))
      const details = (): unknown => certificate.publicKey.asymmetricKeyDetails
      // Node bears RSA keys of any numbers; they are refused for their size.
      if (name.startsWith('RSA with')) assert.ok(details() !== undefined)
      else assert.throws(details, (error) => isSsmError(error, 'malformed'))
    })
  }
})
