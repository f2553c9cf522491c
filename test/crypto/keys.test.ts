import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { loadKeyPair, loadRecipient } from '../../src/crypto/keys.js'
import { toPem } from '../../src/crypto/pem.js'
import { isSsmError } from '../../src/errors.js'
import { createTestPki, testKey } from '../kit/ca.js'

const dir = mkdtempSync(join(tmpdir(), 'ssm-keys-'))
after(() => {
  rmSync(dir, { recursive: true })
})
const pki = createTestPki(dir)
const now = Date.now()

function refuses(words: RegExp, certificate: string, key: string, at = now): void {
  assert.throws(
    () => loadKeyPair(certificate, key, { now: at }),
    (error) => isSsmError(error, 'configuration') && words.test(error.message),
  )
}

describe('loadKeyPair', () => {
  it('loads RSA, EC and Ed25519 pairs', () => {
    const ed = pki.add('ed', { keyKind: 'ed25519' })
    for (const host of [pki.host, pki.ec, ed]) {
      const pair = loadKeyPair(host.certificateFile, host.keyFile, { now })
      assert.equal(pair.certificate.fingerprint, host.certificate.fingerprint)
      assert.ok(pair.key.equals(host.key))
      assert.equal(pair.keyReadableByOthers, false)
    }
  })

  it('keeps the chain of the file, own certificate first', () => {
    const file = join(dir, 'chain.crt')
    const ca = toPem('CERTIFICATE', pki.ca.certificate.der)
    writeFileSync(file, `in words\n${ca}${readFileSync(pki.host.certificateFile, 'utf8')}`)
    const pair = loadKeyPair(file, pki.host.keyFile, { now })
    assert.equal(pair.certificate.fingerprint, pki.host.certificate.fingerprint)
    assert.deepEqual(
      pair.chain.map(({ fingerprint }) => fingerprint),
      [pki.ca.certificate.fingerprint],
    )
    assert.ok(pair.certificatePem.endsWith(ca))
  })

  it('says what is wrong and what to do', () => {
    refuses(/does not belong to the certificate/, pki.host.certificateFile, pki.other.keyFile)
    refuses(/expired on .*ask its CA/, pki.expired.certificateFile, pki.expired.keyFile)
    refuses(/expires within 24 hours/, pki.host.certificateFile, pki.host.keyFile, pki.host.certificate.notAfter - 1000)
    refuses(/valid only from .*clock/, pki.host.certificateFile, pki.host.keyFile, pki.host.certificate.notBefore - 1)
    refuses(/does not exist/, join(dir, 'none.crt'), pki.host.keyFile)
    refuses(/does not exist/, pki.host.certificateFile, join(dir, 'none.key'))
    refuses(/is a directory/, dir, pki.host.keyFile)
    refuses(/holds no PEM private key .*is it the right file/, pki.host.certificateFile, pki.host.certificateFile)
    refuses(/holds no PEM certificate .*is it the right file/, pki.host.keyFile, pki.host.keyFile)
    const weak = pki.add('weak', { keyKind: 'rsa1024' })
    refuses(/1024 bits .*allow_weak/, weak.certificateFile, weak.keyFile)
    assert.ok(loadKeyPair(weak.certificateFile, weak.keyFile, { now, allowWeak: true }))
    const der = join(dir, 'host.der')
    writeFileSync(der, pki.host.certificate.der)
    refuses(/openssl x509 -inform DER/, der, pki.host.keyFile)
    const big = join(dir, 'big')
    writeFileSync(big, Buffer.alloc(1024 * 1024 + 1))
    refuses(/larger than 1048576 bytes/, pki.host.certificateFile, big)
  })

  it('refuses an encrypted key and names the command that removes the passphrase', () => {
    const file = join(dir, 'locked.key')
    const key = createPrivateKey(readFileSync(pki.host.keyFile))
    for (const type of ['pkcs8', 'pkcs1'] as const) {
      writeFileSync(file, key.export({ format: 'pem', type, cipher: 'aes-256-cbc', passphrase: 'x' }))
      refuses(/openssl pkey -in .*locked.key -out/, pki.host.certificateFile, file)
    }
  })

  it('tells when every user may read the key, and never shows the key', () => {
    const file = join(dir, 'open.key')
    copyFileSync(pki.host.keyFile, file)
    chmodSync(file, 0o644)
    assert.equal(loadKeyPair(pki.host.certificateFile, file, { now }).keyReadableByOthers, true)
    const damaged = toPem('PRIVATE KEY', Buffer.from('secret words'))
    writeFileSync(file, damaged)
    assert.throws(
      () => loadKeyPair(pki.host.certificateFile, file, { now }),
      (error) => isSsmError(error, 'configuration') && !error.message.includes('secret') && error.cause === undefined,
    )
  })
})

describe('loadRecipient', () => {
  it('loads a certificate without a key and checks its dates', () => {
    assert.equal(loadRecipient(pki.ec.certificateFile, { now }).subject.slash, pki.ec.dn)
    assert.throws(() => loadRecipient(pki.expired.certificateFile, { now }), /expired on .*ask the receiver’s operator/)
    assert.ok(testKey('p256').type === 'private')
  })
})
