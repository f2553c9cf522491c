/**
 * The certificate that messages are encrypted for.
 */
import type { SenderConfig } from '../config/config.js'
import type { Certificate } from '../crypto/certificate.js'
import { loadRecipient } from '../crypto/keys.js'
import { SsmError } from '../errors.js'
import { systemClock } from '../os/clock.js'

/** Loaded and judged; undefined: messages are not encrypted. Throws SsmError `configuration` or `no-trust`. */
export async function loadServerCert(certificates: SenderConfig['certificates']): Promise<Certificate | undefined> {
  const { serverCert, certificate, verifyServerCert } = certificates
  if (serverCert === undefined) return undefined
  const allowWeak = certificates.allowWeak.includes('rsa1024')
  const recipient = loadRecipient(serverCert, { now: systemClock.now(), allowWeak })
  if (serverCert === certificate) {
    throw new SsmError(
      'configuration',
      `server_cert is our own certificate ${certificate}: set it to the certificate of the final receiver`,
    )
  }
  if (verifyServerCert) await assertTrusted(recipient, serverCert, certificates)
  return recipient
}

/** Throws SsmError `configuration` unless the certificate's path ends in a CA of `capath`. CRLs are the receiver's business. */
async function assertTrusted(
  recipient: Certificate,
  file: string,
  { capath, allowSha1, allowWeak }: SenderConfig['certificates'],
): Promise<void> {
  const { createTrust } = await import('../trust/trust-holder.js')
  const trust = await createTrust({
    capath,
    clock: systemClock,
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
