/**
 * The certificates that messages are encrypted for.
 */
import type { SenderConfig } from '../config/config.js'
import type { Certificate } from '../crypto/certificate.js'
import { loadRecipient } from '../crypto/keys.js'
import { SsmError } from '../errors.js'
import { systemClock } from '../os/clock.js'

/** Most certificates; each costs 300 bytes a message. Readers of ours take 32. */
const MAX_SERVER_CERTS = 32

/** Loaded and judged; none: messages are not encrypted. Throws SsmError `configuration` or `no-trust`. */
export async function loadServerCerts(
  certificates: SenderConfig['certificates'],
): Promise<readonly { readonly file: string; readonly certificate: Certificate }[]> {
  const { serverCerts, certificate: own, verifyServerCert } = certificates
  if (serverCerts.length > MAX_SERVER_CERTS) {
    throw new SsmError('configuration', `server_cert names more than ${MAX_SERVER_CERTS} certificates`)
  }
  const allowWeak = certificates.allowWeak.includes('rsa1024')
  const loaded = []
  for (const file of serverCerts) {
    const certificate = loadRecipient(file, { now: systemClock.now(), allowWeak })
    if (file === own) {
      throw new SsmError(
        'configuration',
        `server_cert is our own certificate ${own}: set it to the certificate of the final receiver`,
      )
    }
    if (verifyServerCert) await assertTrusted(certificate, file, certificates)
    loaded.push({ file, certificate })
  }
  return loaded
}

/** Throws SsmError `configuration` unless the certificate's path ends in a CA of `capath`. CRLs are the receiver's business. */
async function assertTrusted(
  recipient: Certificate,
  file: string,
  { capath, allowSha1, allowWeak, signingPolicy }: SenderConfig['certificates'],
): Promise<void> {
  const { createTrust } = await import('../trust/trust-holder.js')
  const trust = await createTrust({
    capath,
    clock: systemClock,
    signingPolicy,
    allowSha1: allowSha1.includes('certificates'),
    allowWeak: allowWeak.includes('rsa1024'),
  })
  const verdict = trust.judge(recipient, { at: systemClock.now(), purpose: 'any', crls: false })
  if (verdict.verdict === 'ok') return
  throw new SsmError(
    'configuration',
    `Failed to verify server certificate ${file} against CA path ${capath}: ${verdict.detail}. ` +
      'Put its CA there, or set verify_server_cert: false.',
  )
}
