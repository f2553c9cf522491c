/** Sealing from files, as `ssmsend` does. */
import { loadKeyPair, loadRecipient } from '../../crypto/keys.js'
import { createSeal, type SealSettings } from '../../envelope/seal.js'
import type { Seal } from '../../message.js'
import { systemClock } from '../../os/clock.js'

export interface SealFiles {
  /** Ours, PEM. */
  readonly certificate: string
  readonly key: string
  /** Certificates that messages are encrypted for. Without any they are only signed. Their own trust is the caller's matter. */
  readonly recipients?: readonly string[]
  /** Default aes256, which every receiver reads. */
  readonly cipher?: SealSettings['cipher']
  /** Default pkcs1, likewise. */
  readonly keyTransport?: SealSettings['keyTransport']
  /** May contents be sent that are not UTF-8? Default: no, because Python receivers cannot read them. */
  readonly binary?: boolean
}

/**
 * Reads and checks the files, once: make another after a renewal. Throws SsmError `configuration`. What it makes rejects
 * with SsmError `cannot-seal` for what is true of one content.
 */
export function loadSeal(files: SealFiles): Seal {
  const now = systemClock.now()
  const { certificate, key } = loadKeyPair(files.certificate, files.key, { now })
  return createSeal({
    certificate,
    key,
    recipients: (files.recipients ?? []).map((file) => loadRecipient(file, { now })),
    cipher: files.cipher ?? 'aes256',
    keyTransport: files.keyTransport ?? 'pkcs1',
    binary: files.binary ?? false,
    clock: systemClock,
  })
}
