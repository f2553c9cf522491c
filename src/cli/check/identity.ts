/** Who we are, and whom messages are encrypted for: files, dates, algorithms that the other end can read. */
import { statSync } from 'node:fs'
import type { Certificate } from '../../crypto/certificate.js'
import { assertRecipient } from '../../crypto/cms-enveloped.js'
import { loadKeyPair, type KeyPair } from '../../crypto/keys.js'
import { encryptionWarning, sealWarning } from '../../envelope/seal.js'
import { loadServerCerts } from '../recipient.js'
import { isInstalled } from './installation.js'
import { dateText, failed, ok, warning, type Check, type Finding, type Subject } from './finding.js'

const DAY = 24 * 3600 * 1000
const SOON = 30 * DAY

export const IDENTITY_CHECKS: readonly Check[] = [
  { about: 'certificate', run: checkPair },
  { about: 'server_cert', only: 'sender', run: checkServerCert },
]

/** Throws SsmError `configuration` when the pair is not good. */
export function loadPair({ config: { certificates }, now }: Subject): KeyPair {
  const allowWeak = certificates.allowWeak.includes('rsa1024')
  return loadKeyPair(certificates.certificate, certificates.key, { now, allowWeak })
}

function checkPair(subject: Subject): readonly Finding[] {
  const { certificate: file, key: keyFile } = subject.config.certificates
  const pair = loadPair(subject)
  const { certificate } = pair
  return [
    ok('certificate', `${file} is ${certificate.subject.slash}, issued by ${certificate.issuer.slash}`),
    datesOf('certificate', file, certificate, subject.now),
    ...forUnit(subject, keyFile),
    pair.keyReadableByOthers
      ? warning('key', `${keyFile} can be read by other users`, `chmod 0400 ${keyFile}`)
      : ok('key', `${keyFile} belongs to the certificate, ${keyText(pair)}, mode ${modeOf(keyFile)}`),
    ...algorithmOf(subject, pair),
  ]
}

/** Root can read it; the unit of the packages, which begins as another user, perhaps not. */
function forUnit({ role, program, config }: Subject, keyFile: string): readonly Finding[] {
  if (role !== 'receiver' || program.getuid?.() !== 0 || !isInstalled('/', program.argv[1] ?? '')) return []
  const { uid, mode } = statSync(keyFile)
  if (uid !== 0 || (mode & 0o044) !== 0 || keyFile.startsWith('/run/credentials/')) return []
  if (statSync(config.messaging.path, { throwIfNoEntry: false })?.uid === 0) return []
  const text = `${keyFile} is for root alone: apelssm.service, which does not begin as root, cannot read it`
  return [warning('key', text, 'hand it over, with LoadCredential= or as a copy: docs/operations.md, The host key')]
}

function keyText({ key }: KeyPair): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  const type = (key.asymmetricKeyType ?? 'unknown').toUpperCase()
  return `${type}${modulusLength === undefined ? '' : `, ${modulusLength} bits`}${namedCurve === undefined ? '' : `, ${namedCurve}`}`
}

function modeOf(file: string): string {
  return (statSync(file).mode & 0o7777).toString(8).padStart(4, '0')
}

function datesOf(about: string, file: string, { notAfter }: Certificate, now: number): Finding {
  const days = Math.floor((notAfter - now) / DAY)
  const text = `${file} is valid until ${dateText(notAfter)} UTC (${days} days)`
  return notAfter - now < SOON ? warning(about, text, 'ask its CA for a new one before that day') : ok(about, text)
}

function algorithmOf({ role }: Subject, pair: KeyPair): readonly Finding[] {
  const type = pair.key.asymmetricKeyType ?? 'unknown'
  if (role === 'sender') {
    const unreadable = sealWarning(pair)
    return unreadable === undefined ? [] : [warning('key', unreadable, 'ignore this when the receiver is this program')]
  }
  if (type === 'rsa') return []
  const text =
    type === 'ec'
      ? 'Python senders cannot encrypt messages for an EC key'
      : `nobody can encrypt messages for a key of the type ${type}, only sign them`
  return [warning('key', text, 'use a certificate with an RSA key when senders encrypt')]
}

async function checkServerCert(subject: Subject): Promise<readonly Finding[]> {
  if (subject.role !== 'sender') return []
  const about = 'server_cert'
  const { certificates } = subject.config
  const recipients = await loadServerCerts(certificates)
  if (recipients.length === 0) return [ok(about, 'not set: messages are signed, and can be read by the broker')]
  const own = loadPair(subject).certificate.fingerprint
  const checked = certificates.verifyServerCert ? 'its path ends in the CA directory' : 'its CA is not checked'
  const unreadable = encryptionWarning(
    recipients.map(({ certificate }) => certificate),
    certificates,
  )
  return [
    ...recipients.flatMap(({ file, certificate }) => {
      assertRecipient(certificate)
      if (certificate.fingerprint === own) {
        return [failed(about, `${file} is our own certificate`, 'set it to the certificate of the final receiver')]
      }
      return [
        ok(about, `messages are encrypted for ${certificate.subject.slash}; ${checked}`),
        datesOf(about, file, certificate, subject.now),
      ]
    }),
    ...(unreadable === undefined ? [] : [warning(about, unreadable, 'ignore this when the receiver is this program')]),
  ]
}
