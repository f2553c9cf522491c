/**
 * Certificates that came in messages, parsed once and kept by their bytes: a sender's is in each of its messages.
 * Bounded, because anybody may send certificates.
 */
import { parseCertificate, type Certificate } from '../crypto/certificate.js'
import { isSsmError } from '../errors.js'

/** Most certificates kept; a central receiver has some thousand senders. */
const MAX_KEPT = 4096
/** Most octets of DER kept. */
const MAX_OCTETS = 16 * 1024 * 1024

/** The certificate of these bytes; undefined when they are not one. */
export type CertificateReader = (der: Buffer) => Certificate | undefined

export function createCertificateReader(): CertificateReader {
  const kept = new Map<string, Certificate>()
  let octets = 0
  return (der) => {
    // The bytes themselves are the key: as good as a digest, and faster to make.
    const key = der.toString('latin1')
    const known = kept.get(key)
    if (known !== undefined) return known
    const certificate = readable(der)
    if (certificate === undefined) return undefined
    if (kept.size >= MAX_KEPT || octets + der.length > MAX_OCTETS) {
      kept.clear()
      octets = 0
    }
    kept.set(key, certificate)
    octets += der.length
    return certificate
  }
}

function readable(der: Buffer): Certificate | undefined {
  const read = readOrWhy(der)
  return typeof read === 'string' ? undefined : read
}

/** Why these bytes are no certificate that can be used; undefined: they are one. For the words of a refusal. */
export function whyUnreadable(der: Buffer): string | undefined {
  const read = readOrWhy(der)
  return typeof read === 'string' ? read : undefined
}

function readOrWhy(der: Buffer): Certificate | string {
  try {
    const certificate = parseCertificate(der)
    // Made on first use, and throws when node cannot read it: find out here.
    return certificate.publicKey.type === 'public' ? certificate : 'the certificate has no public key'
  } catch (error) {
    // Damage of one certificate is no damage of the message: it may be one that nobody needs.
    if (isSsmError(error, 'malformed', 'limit')) return error.message
    throw error
  }
}
