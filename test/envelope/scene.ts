/**
 * Two ends of a message for tests: a throw-away PKI, a seal at one end, an open at the other. Trust is a double that
 * knows one CA: the envelope's own tests judge the envelope.
 */
import { type KeyObject, X509Certificate } from 'node:crypto'
import type { Certificate } from '../../src/crypto/certificate.js'
import { createOpen, type OpenSettings } from '../../src/envelope/open.js'
import { createSeal, type SealSettings } from '../../src/envelope/seal.js'
import type { Open, Opened, Seal } from '../../src/message.js'
import type { DnList, TrustStore } from '../../src/trust/port.js'
import { createTestPki, type TestHost, type TestPki } from '../kit/ca.js'
import { scratch } from '../kit/scratch.js'

export interface Scene {
  readonly pki: TestPki
  sealer(by?: TestHost, settings?: Partial<SealSettings>): Seal
  opener(settings?: Partial<OpenSettings>): Open
}

export const clock = { now: () => Date.now() }

export function createScene(): Scene {
  const pki = createTestPki(scratch())
  return {
    pki,
    sealer: (by = pki.host, settings = {}) =>
      createSeal({
        certificate: by.certificate,
        key: by.key,
        cipher: 'aes256',
        keyTransport: 'pkcs1',
        binary: false,
        clock,
        ...settings,
      }),
    opener: (settings = {}) =>
      createOpen({
        trust: () => trustIn(pki.ca.certificate),
        dns: () => listOf(pki.host, pki.other, pki.ec, pki.unknown),
        crls: false,
        binary: false,
        decryption: () => [pki.host],
        maxMessageSize: 64 * 1024 * 1024,
        allowSha1: false,
        allowWeak: false,
        allow3des: false,
        clock,
        ...settings,
      }),
  }
}

/** OpenSSL does not read everything that we do: what it does not read, this CA has not signed. */
function isSignedBy(der: Uint8Array, key: KeyObject): boolean {
  try {
    return new X509Certificate(der).verify(key)
  } catch {
    return false
  }
}

/** Trusts what this CA has signed, and nothing else. */
export function trustIn(ca: Certificate): TrustStore {
  const caKey = new X509Certificate(ca.der).publicKey
  return {
    judge: (certificate) =>
      isSignedBy(certificate.der, caKey)
        ? { verdict: 'ok', path: [certificate, ca], until: certificate.notAfter }
        : { verdict: 'no', reason: 'untrusted', detail: `no path for ${certificate.subject.slash}` },
  }
}

export function listOf(...hosts: readonly TestHost[]): DnList {
  const keys = new Set(hosts.map((host) => host.certificate.subject.key))
  return { size: keys.size, standing: (dn) => ({ standing: keys.has(dn.key) ? 'listed' : 'unlisted' }) }
}

/** The reason of a refusal, or `ok`. */
export function reasonOf(opened: Opened): string {
  return opened.verdict === 'ok' ? 'ok' : opened.reason
}

/** Contents that a careless end changes or loses, by name. */
export const CONTENTS: Readonly<Record<string, Buffer>> = {
  'ascii lines': Buffer.from('SiteName: EXAMPLE\nValue: 1\n%%\n'),
  'header-like first line': Buffer.from('Content-Type: text/html\n\n<p>\n'),
  'no final newline': Buffer.from('a\nb'),
  'one character': Buffer.from('x'),
  'one newline': Buffer.from('\n'),
  'many newlines': Buffer.from('\n\n\n\n'),
  'leading newline': Buffer.from('\n\nrecord\n'),
  'empty lines': Buffer.from('a\n\n\nb\n\n'),
  'trailing blanks': Buffer.from('a  \nb\t\n  c \n '),
  tabs: Buffer.from('a\tb\n\tc\n'),
  crlf: Buffer.from('a\r\nb\r\n'),
  'mixed line ends': Buffer.from('a\r\nb\nc\rd\r\r\n\n\re\r'),
  'lone cr': Buffer.from('a\rb'),
  utf8: Buffer.from('Żółć, ünïcode — 日本語 🎈\n'),
  'utf8 with crlf': Buffer.from('é\r\nè\r\n'),
  nul: Buffer.from('a\0b\n'),
  'vertical tab and form feed': Buffer.from('a\vb\fc\n'),
  'line separator': Buffer.from('a\u2028b\u2029c\u0085d\n'),
  escape: Buffer.from('\x1b[31mred\x7f\n'),
  '998 columns': Buffer.from(`${'x'.repeat(998)}\n`),
  '999 columns': Buffer.from(`${'x'.repeat(999)}\n`),
  'long line': Buffer.from(`${'x'.repeat(70_000)}\n`),
  'long line of utf8': Buffer.from('é'.repeat(40_000)),
  'boundary-like': Buffer.from('------ABCDEF0123456789ABCDEF0123456789\n--\n----\n--x--\n'),
  'from and dots': Buffer.from('From someone\n.\n..\n.hidden\n>From\n'),
  'equals signs': Buffer.from('a=3D\n=\n==\na=\n'),
  'words of encryption': Buffer.from('application/pkcs7-mime smime-type=enveloped-data\nquoted-printable base64\n'),
  'an s/mime message': Buffer.from(
    'MIME-Version: 1.0\nContent-Type: application/x-pkcs7-mime; smime-type=enveloped-data\n\nMIIB\n',
  ),
  '10 KB of records': Buffer.from('SiteName: EXAMPLE\nCpuDuration: 3600\nWallDuration: 3612\n%%\n'.repeat(200)),
}

/** Contents that only `binary` carries. */
export const BINARY_CONTENTS: Readonly<Record<string, Buffer>> = {
  latin1: Buffer.from('caf\xe9\n', 'latin1'),
  'all octets': Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)),
  'a gzip header': Buffer.from('1f8b0800000000000003', 'hex'),
}
