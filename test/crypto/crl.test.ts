import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as pkijs from 'pkijs'
import { parseCertificate } from '../../src/crypto/certificate.js'
import { parseCrl } from '../../src/crypto/crl.js'
import { element, sequence } from '../../src/crypto/der-write.js'
import { issueCrl } from '../../src/crypto/issue.js'
import { parsePem, toPem } from '../../src/crypto/pem.js'
import { isSsmError } from '../../src/errors.js'
import { createTestCa, testKey } from '../kit/ca.js'
import { need } from '../kit/need.js'

const dir = mkdtempSync(join(tmpdir(), 'ssm-crl-'))
after(() => {
  rmSync(dir, { recursive: true })
})
const ca = createTestCa('/C=XX/O=Test/CN=CRL CA', { key: testKey('p256', 6) })
const now = Math.floor(Date.now() / 1000) * 1000
const onlyMalformed = (error: unknown): boolean => isSsmError(error, 'malformed')

/** Small random numbers that are the same in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return (below) => (state = (state * 1103515245 + 12345) % 2147483648) % below
}

describe('parseCrl', () => {
  const revoked = [
    { serial: '01', at: now - 5000 },
    { serial: '00ff', at: now - 6000, reason: 1 },
    { serial: 'ff', at: Date.UTC(2055, 0, 1), reason: 6 },
  ]
  const der = issueCrl({ issuer: ca.issuer, revoked, number: 7 })

  it('finds what is listed', () => {
    const crl = parseCrl(der)
    assert.equal(crl.issuer.key, ca.certificate.subject.key)
    assert.deepEqual([crl.size, crl.number, crl.indirectEntries, crl.unknownCritical], [3, '07', false, undefined])
    assert.equal(crl.authorityKeyId, ca.certificate.subjectKeyId)
    assert.deepEqual(crl.find('01'), [{ at: now - 5000, reason: 0 }])
    assert.deepEqual(crl.find('00ff'), [{ at: now - 6000, reason: 1 }])
    assert.deepEqual(crl.find('ff'), [{ at: Date.UTC(2055, 0, 1), reason: 6 }])
    assert.deepEqual(crl.find('02'), [])
    assert.equal(parseCrl(issueCrl({ issuer: ca.issuer })).size, 0)
  })

  it('sees delta, scope, and critical extensions it does not know', () => {
    const flag = element(0x84, Buffer.from([0xff]))
    const extensions = [
      { oid: '2.5.29.27', critical: true, value: Buffer.from([2, 1, 5]) },
      { oid: '2.5.29.28', critical: true, value: sequence(element(0x83, Buffer.from([1, 0x60])), flag) },
      { oid: '1.2.3', critical: true, value: Buffer.from([5, 0]) },
    ]
    const crl = parseCrl(issueCrl({ issuer: ca.issuer, extensions }))
    assert.equal(crl.deltaBase, '05')
    assert.deepEqual(crl.scope, { onlyUser: false, onlyCa: false, onlyAttribute: false, indirect: true, reasons: 6 })
    assert.equal(crl.unknownCritical, '1.2.3')
  })

  it('refuses serial numbers that are not in shortest form: they would not be found', () => {
    for (const serial of ['0001', 'ff80']) {
      assert.throws(() => parseCrl(issueCrl({ issuer: ca.issuer, revoked: [{ serial }] })), onlyMalformed)
    }
  })

  it('refuses every truncation and survives mutations', () => {
    for (let length = 0; length < der.length; length++)
      assert.throws(() => parseCrl(der.subarray(0, length)), onlyMalformed)
    const random = dice(7)
    for (let round = 0; round < 5000; round++) {
      const bytes = Buffer.from(der)
      for (let i = 0; i <= random(3); i++) bytes[random(bytes.length)] = random(256)
      try {
        const crl = parseCrl(bytes)
        for (const { serial } of revoked) crl.find(serial)
      } catch (error) {
        assert.ok(onlyMalformed(error), String(error))
      }
    }
  })

  it('reads 50 000 entries quickly', () => {
    const many = [...Array(50_000).keys()].map((n) => ({ serial: (n + 0x1000000).toString(16).padStart(8, '0'), at: now, reason: 1 })) // prettier-ignore
    const big = issueCrl({ issuer: ca.issuer, revoked: many })
    const [before, memory] = [process.cpuUsage(), process.memoryUsage().rss]
    const crl = parseCrl(big)
    const { user, system } = process.cpuUsage(before)
    const grown = process.memoryUsage().rss - memory
    assert.equal(crl.size, 50_000)
    assert.equal(crl.find('01000000').length, 1)
    assert.equal(crl.find('0100c34f').length, 1)
    assert.equal(crl.find('0100c350').length, 0)
    // Time of the processor, not of the clock: 70 ms here. A parser that makes a tree needs 2.5 s and 300 MB.
    assert.ok(user + system < 300_000, `${(user + system) / 1000} ms`)
    assert.ok(grown < 60_000_000, `${grown} bytes`)
  })

  it('reads what asn1js reads', () => {
    const random = dice(11)
    const serials = [...Array(300).keys()].map(() => {
      const octets = [1 + random(0x7f), ...Array.from({ length: random(19) }, () => random(256))]
      return Buffer.from(octets).toString('hex')
    })
    const entries = [...new Set(serials)].map((serial) => ({ serial, at: now - 1000 * random(1e6), ...(random(2) === 0 ? {} : { reason: 1 + random(6) }) })) // prettier-ignore
    const bytes = issueCrl({ issuer: ca.issuer, revoked: entries, number: 300 })
    const crl = parseCrl(bytes)
    const theirs = pkijs.CertificateRevocationList.fromBER(bytes).revokedCertificates ?? []
    assert.deepEqual([crl.size, theirs.length], [entries.length, entries.length])
    for (const { userCertificate, revocationDate, crlEntryExtensions } of theirs) {
      const [reason] = crlEntryExtensions?.extensions ?? []
      const found = crl.find(Buffer.from(userCertificate.valueBlock.valueHexView).toString('hex'))
      const expected = { at: revocationDate.value.getTime(), reason: reason === undefined ? 0 : Number(reason.extnValue.valueBlock.valueHexView[2]) } // prettier-ignore
      assert.deepEqual(found, [expected])
    }
  })

  it('reads what openssl reads', { skip: need('openssl') }, () => {
    const file = join(dir, 'list.pem')
    writeFileSync(file, toPem('X509 CRL', der))
    const text = execFileSync('openssl', ['crl', '-in', file, '-noout', '-text'], { encoding: 'utf8' })
    assert.equal(text.match(/Serial Number/g)?.length, parseCrl(der).size)
    assert.match(text, /Key Compromise/)
  })
})

describe('parsePem', () => {
  const block = toPem('CERTIFICATE', ca.certificate.der)

  it('finds all blocks between other text', () => {
    const text = `words\n${block}-----BEGIN in words\r\nmore -----BEGIN X-----\n${block.replaceAll('\n', '\r\n')}`
    const damaged = Buffer.from(text)
    assert.throws(() => parsePem(damaged), onlyMalformed)
    const blocks = parsePem(Buffer.from(`words\n${block}Issuer: -----BEGIN X-----\n${block.replaceAll('\n', '\r\n')}`))
    assert.equal(blocks.length, 2)
    for (const { label, der } of blocks) {
      assert.equal(label, 'CERTIFICATE')
      assert.equal(parseCertificate(der).fingerprint, ca.certificate.fingerprint)
    }
    assert.deepEqual(parsePem(Buffer.from('no block')), [])
  })

  it('keeps to its limits and refuses damage', () => {
    assert.throws(() => parsePem(Buffer.from(block.repeat(3)), { blocks: 2 }), (error) => isSsmError(error, 'limit')) // prettier-ignore
    assert.throws(() => parsePem(Buffer.from(block), { bytes: 10 }), (error) => isSsmError(error, 'limit')) // prettier-ignore
    for (const bad of [
      block.slice(0, -10),
      block.replace(/.{3}\n/, '*\n'),
      '-----BEGIN \n',
      '-----BEGIN A-----\n-----END A-----\n',
      '-----BEGIN A-----\na: b\n-----END A-----\n',
    ]) {
      // prettier-ignore
      assert.throws(() => parsePem(Buffer.from(bad)), onlyMalformed, bad.slice(0, 40))
    }
  })
})
