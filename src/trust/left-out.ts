/** Root CAs of the directory that nothing can be trusted by, and why: their key is of a kind or size that is not accepted. */
import { join } from 'node:path'
import type { Certificate } from '../crypto/certificate.js'
import { type AlgorithmPolicy, refusedKey } from '../crypto/signature.js'
import { isSsmError } from '../errors.js'
import type { CaSnapshot } from './ca-directory.js'

/** One sentence for each, with its file. */
export function leftOutRoots(data: CaSnapshot, policy: Pick<AlgorithmPolicy, 'allowWeak'>): readonly string[] {
  return data.certificates.flatMap((certificate) => {
    const { subject, issuer, fingerprint } = certificate
    const why = subject.key === issuer.key ? whyRefused(certificate, policy) : undefined
    if (why === undefined) return []
    const file = join(data.path, data.files.get(fingerprint) ?? '')
    return [`${file} is skipped: the key of ${subject.slash} ${why}: what it signed is not trusted`]
  })
}

function whyRefused(certificate: Certificate, policy: Pick<AlgorithmPolicy, 'allowWeak'>): string | undefined {
  try {
    return refusedKey(certificate.publicKey, policy)
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return `cannot be used (${error.message})`
  }
}
