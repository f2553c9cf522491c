/**
 * A certificate authority for tests: a CA directory as OpenSSL reads it (HASH.0, HASH.r0), host certificates and keys as
 * PEM files, and ready-made bad ones. Issuing is fast; RSA keys are not, so they are kept between test files in a
 * private temporary folder.
 */
import type { KeyObject } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from '../../src/crypto/certificate.js'
import {
  type CertificateRequest,
  type CrlRequest,
  generateKey,
  issueCertificate,
  issueCrl,
  type Issuer,
  keyFromPem,
  type KeyKind,
  keyToPem,
} from '../../src/crypto/issue.js'
import { opensslHash } from '../../src/crypto/name.js'
import { toPem } from '../../src/crypto/pem.js'

const HOUR = 3_600_000

/** A holder of a certificate: files for programs, values for tests. */
export interface TestHost {
  readonly name: string
  /** Paths of PEM files. */
  readonly certificateFile: string
  readonly keyFile: string
  /** Slash form of the subject. */
  readonly dn: string
  readonly certificate: Certificate
  readonly key: KeyObject
}

export interface TestCa {
  readonly issuer: Issuer
  readonly certificate: Certificate
  readonly dn: string
}

export interface TestPki {
  readonly dir: string
  /** The CA directory: the CA's certificate and CRL under OpenSSL's hash names. */
  readonly capath: string
  readonly ca: TestCa
  /** A CA that is not in `capath`. */
  readonly unknownCa: TestCa
  /** Good ones: two with RSA keys, one with an EC key. */
  readonly host: TestHost
  readonly other: TestHost
  readonly ec: TestHost
  /** Bad ones. */
  readonly expired: TestHost
  readonly revoked: TestHost
  readonly unknown: TestHost
  /** Issues one more certificate of `ca` and writes its files. */
  add(name: string, request?: Partial<CertificateRequest> & { readonly keyKind?: KeyKind }): TestHost
  /** Replaces the CA's CRL; without arguments a good one that lists `revoked`. */
  writeCrl(request?: Partial<CrlRequest>): void
}

const keys = new Map<string, KeyObject>()

/** The n-th test key of a kind, the same in every test file. Secret to nobody. */
export function testKey(kind: KeyKind, n = 0): KeyObject {
  const name = `${kind}-${n}`
  const known = keys.get(name)
  if (known !== undefined) return known
  const key = kind.startsWith('rsa') ? keptKey(kind, name) : generateKey(kind)
  keys.set(name, key)
  return key
}

function keptKey(kind: KeyKind, name: string): KeyObject {
  const folder = join(tmpdir(), `ssm-test-keys-${process.getuid?.() ?? 0}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { uid, mode } = lstatSync(folder)
  if (uid !== (process.getuid?.() ?? 0) || (mode & 0o170077) !== 0o040000) return generateKey(kind)
  const file = join(folder, `${name}.pem`)
  try {
    return keyFromPem(readFileSync(file, 'utf8'))
  } catch {
    // Not there yet: make it. Two test files may do so at once; `link` lets one win.
  }
  const temporary = join(folder, `${name}.${process.pid}`)
  writeFileSync(temporary, keyToPem(generateKey(kind)), { mode: 0o600 })
  try {
    linkSync(temporary, file)
  } catch {
    // The other one won: use its key.
  }
  rmSync(temporary)
  return keyFromPem(readFileSync(file, 'utf8'))
}

/** A self-signed CA. */
export function createTestCa(dn: string, request: Partial<CertificateRequest> = {}): TestCa {
  const key = request.key ?? testKey('rsa2048', 9)
  const certificate = issueCertificate({
    subject: dn,
    ca: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    comment: 'made by a test: worth nothing',
    ...request,
    key,
  })
  return { issuer: { certificate, key }, certificate, dn: certificate.subject.slash }
}

/** Writes CA certificates and CRLs (DER) into a directory under OpenSSL's hash names. */
export function writeCaDirectory(
  capath: string,
  cas: readonly { readonly certificate: Certificate; readonly crl?: Uint8Array }[],
): void {
  mkdirSync(capath, { recursive: true })
  const counts = new Map<string, number>()
  for (const { certificate, crl } of cas) {
    const hash = opensslHash(certificate.subject)
    const n = counts.get(hash) ?? 0
    counts.set(hash, n + 1)
    writeFileSync(join(capath, `${hash}.${n}`), toPem('CERTIFICATE', certificate.der))
    if (crl !== undefined) writeFileSync(join(capath, `${hash}.r${n}`), toPem('X509 CRL', crl))
  }
}

/** Writes a certificate and its key (0600) as PEM files. */
export function writeHost(dir: string, name: string, certificate: Certificate, key: KeyObject): TestHost {
  const certificateFile = join(dir, `${name}.crt`)
  const keyFile = join(dir, `${name}.key`)
  writeFileSync(certificateFile, toPem('CERTIFICATE', certificate.der))
  writeFileSync(keyFile, keyToPem(key), { mode: 0o600 })
  chmodSync(keyFile, 0o600)
  return { name, certificateFile, keyFile, dn: certificate.subject.slash, certificate, key }
}

/** A whole public key infrastructure below `dir`, which must exist. Takes some ms once the keys are there. */
export function createTestPki(dir: string): TestPki {
  const capath = join(dir, 'certificates')
  const ca = createTestCa('/C=XX/O=Test/CN=Test CA')
  const unknownCa = createTestCa('/C=XX/O=Test/CN=Unknown CA', { key: testKey('rsa2048', 8) })
  const host = (name: string, request: Partial<CertificateRequest>, by: TestCa = ca): TestHost => {
    const key = request.key ?? testKey('rsa2048', 0)
    const certificate = issueCertificate({
      subject: `/C=XX/O=Test/CN=${name}.example.org`,
      issuer: by.issuer,
      ca: false,
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      san: [`DNS:${name}.example.org`, 'DNS:localhost', 'IP:127.0.0.1'],
      ...request,
      key,
    })
    return writeHost(dir, name, certificate, key)
  }
  const now = Math.floor(Date.now() / 1000) * 1000
  const revoked = host('revoked', { key: testKey('rsa2048', 2) })
  const writeCrl = (request: Partial<CrlRequest> = {}): void => {
    const crl = issueCrl({ issuer: ca.issuer, revoked: [{ serial: revoked.certificate.serial }], ...request })
    writeCaDirectory(capath, [{ certificate: ca.certificate, crl }])
  }
  writeCrl()
  return {
    dir,
    capath,
    ca,
    unknownCa,
    host: host('host', { key: testKey('rsa2048', 0) }),
    other: host('other', { key: testKey('rsa2048', 1) }),
    ec: host('ec', { key: testKey('p256', 0), keyUsage: ['digitalSignature'] }),
    expired: host('expired', { key: testKey('rsa2048', 3), notBefore: now - 48 * HOUR, notAfter: now - 24 * HOUR }),
    revoked,
    unknown: host('unknown', { key: testKey('rsa2048', 4) }, unknownCa),
    add: (name, { keyKind, ...request } = {}) =>
      host(name, { ...(keyKind === undefined ? {} : { key: testKey(keyKind, 0) }), ...request }),
    writeCrl,
  }
}
