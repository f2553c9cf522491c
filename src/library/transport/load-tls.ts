/** Our side of TLS from files, read at each connection: a renewed pair is taken up by itself. */
import { loadCertificates, loadKeyPair } from '../../crypto/keys.js'
import { toPem } from '../../crypto/pem.js'
import { systemClock } from '../../os/clock.js'
import { loadCaDirectory } from '../../trust/ca-directory.js'
import type { TlsMaterial } from '../../transport/port.js'

export interface TlsFiles {
  /** Ours, PEM. */
  readonly certificate: string
  readonly key: string
  /** Whose certificates a broker may have: a CA directory, or a file of at most 16 CAs. */
  readonly ca: { readonly directory: string } | { readonly file: string }
  /** Default `true`: nobody is sent anything who was not verified. */
  readonly verify?: TlsMaterial['verify']
}

/** For the setting `tls` of a transport. What it makes rejects with SsmError `configuration`. */
export function loadTls(files: TlsFiles): () => Promise<TlsMaterial> {
  return async () => {
    const { certificatePem, keyPem } = loadKeyPair(files.certificate, files.key, { now: systemClock.now() })
    const { ca } = files
    const certificates =
      'directory' in ca ? (await loadCaDirectory(ca.directory)).certificates : loadCertificates(ca.file)
    return {
      certificate: certificatePem,
      key: keyPem,
      ca: certificates.map(({ der }) => toPem('CERTIFICATE', der)),
      verify: files.verify ?? 'true',
    }
  }
}
