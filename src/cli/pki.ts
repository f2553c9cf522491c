/**
 * A throw-away public key infrastructure on disk: a CA directory as OpenSSL reads it, with hash links and a CRL, and
 * certificates of hosts. For trying out and for the demonstration; every certificate says that it is worth nothing.
 */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CertificateRequest,
  type Issuer,
  generateKey,
  issueCertificate,
  issueCrl,
  type KeyKind,
  type KeyUsage,
  keyToPem,
} from '../crypto/issue.js'
import { opensslHash } from '../crypto/name.js'
import { toPem } from '../crypto/pem.js'
import { SsmError, messageOf, systemCode } from '../errors.js'

export const THROW_AWAY = 'Throw-away certificate made by ssmctl: worth nothing, never trust it'
const ORGANISATION = '/C=XX/O=Throw-away PKI'
const DAY = 24 * 3_600_000

export interface PkiRequest {
  /** Common names below the throw-away organisation; each becomes NAME.pem and NAME.key.pem. */
  readonly holders: readonly string[]
  /** DNS names and IPv4 addresses that every holder's certificate is good for, as TLS server. */
  readonly hosts: readonly string[]
  readonly keyKind: KeyKind
  readonly days: number
  /** ms since the epoch. */
  readonly now: number
  /** Tells one throw-away CA from another. */
  readonly label: string
}

export interface Holder {
  readonly certificate: string
  readonly key: string
  /** Slash form. */
  readonly dn: string
}

export interface Pki {
  readonly capath: string
  readonly holders: Readonly<Record<string, Holder>>
}

/** Makes everything below `dir`. Throws SsmError `usage` when there is something already, `disk` when it cannot write. */
export function makePki(dir: string, request: PkiRequest): Pki {
  assertEmpty(dir)
  try {
    const capath = join(dir, 'certificates')
    mkdirSync(capath, { recursive: true })
    const ca = writeCa(dir, capath, request)
    const holders = request.holders.map((name) => [name, writeHolder(dir, name, ca, request)] as const)
    return { capath, holders: Object.fromEntries(holders) }
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause
    throw new SsmError('disk', `cannot write the certificates into ${dir}: ${messageOf(cause)}`, { cause })
  }
}

/** Throws SsmError `usage` when there is something in `dir`, or it is no directory. */
export function assertEmpty(dir: string): void {
  try {
    if (readdirSync(dir).length === 0) return
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw new SsmError('usage', `cannot look into ${dir}: ${messageOf(error)}`, { cause: error })
  }
  throw new SsmError('usage', `${dir} is not empty: name a new or an empty directory; nothing there is overwritten.`)
}

function validity({ now, days }: PkiRequest): Pick<CertificateRequest, 'notBefore' | 'notAfter'> {
  const start = Math.floor(now / 1000) * 1000
  return { notBefore: start - 3_600_000, notAfter: start + days * DAY }
}

function writeCa(dir: string, capath: string, request: PkiRequest): Issuer {
  const key = generateKey(request.keyKind)
  const certificate = issueCertificate({
    subject: `${ORGANISATION}/CN=Throw-away CA ${request.label}`,
    key,
    ca: true,
    pathLength: 0,
    keyUsage: ['keyCertSign', 'cRLSign'],
    comment: THROW_AWAY,
    ...validity(request),
  })
  const { notBefore, notAfter } = validity(request)
  const times = { thisUpdate: notBefore ?? request.now, nextUpdate: notAfter ?? request.now }
  const hash = opensslHash(certificate.subject)
  write(join(dir, 'ca.key.pem'), keyToPem(key), 0o600)
  write(join(capath, 'ca.pem'), toPem('CERTIFICATE', certificate.der))
  write(join(capath, 'ca.crl.pem'), toPem('X509 CRL', issueCrl({ issuer: { certificate, key }, ...times })))
  symlinkSync('ca.pem', join(capath, `${hash}.0`))
  symlinkSync('ca.crl.pem', join(capath, `${hash}.r0`))
  return { certificate, key }
}

function writeHolder(dir: string, name: string, issuer: Issuer, request: PkiRequest): Holder {
  const key = generateKey(request.keyKind)
  const certificate = issueCertificate({
    subject: `${ORGANISATION}/CN=${name}`,
    key,
    issuer,
    ca: false,
    keyUsage: holderUsage(request.keyKind),
    // emailProtection: `openssl smime -verify` asks for it by default.
    extendedKeyUsage: ['serverAuth', 'clientAuth', 'emailProtection'],
    san: request.hosts.map((host) => (/^[\d.]+$/u.test(host) ? `IP:${host}` : `DNS:${host}`)),
    comment: THROW_AWAY,
    ...validity(request),
  })
  const files = { certificate: join(dir, `${name}.pem`), key: join(dir, `${name}.key.pem`) }
  write(files.key, keyToPem(key), 0o600)
  write(files.certificate, toPem('CERTIFICATE', certificate.der))
  return { ...files, dn: certificate.subject.slash }
}

function write(path: string, text: string, mode = 0o644): void {
  writeFileSync(path, text, { mode, flag: 'wx', flush: true })
}

/** Signing, and what senders need to encrypt for the holder. */
function holderUsage(kind: KeyKind): readonly KeyUsage[] {
  if (kind.startsWith('rsa')) return ['digitalSignature', 'keyEncipherment']
  return kind === 'ed25519' ? ['digitalSignature'] : ['digitalSignature', 'keyAgreement']
}
