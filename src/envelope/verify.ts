/**
 * One message judged by itself, for the command line: signature and path, without the receiver's list of DNs unless one
 * is given; any content will do.
 */
import type { DecryptionPair } from '../crypto/cms-enveloped.js'
import type { AlgorithmPolicy } from '../crypto/signature.js'
import type { Opened } from '../message.js'
import type { DnList, TrustStore } from '../trust/port.js'
import { createOpen } from './open.js'

export interface VerifySettings extends Partial<AlgorithmPolicy> {
  readonly allow3des?: boolean
  readonly trust: TrustStore
  readonly crls: boolean
  /** Without a list every signer with a good path will do. */
  readonly dns?: DnList
  readonly decryption?: readonly DecryptionPair[]
  readonly clock: { now(): number }
}

/** Judges a message. Throws SsmError `no-trust`. */
export async function verifyMessage(wire: Uint8Array, settings: VerifySettings): Promise<Opened> {
  const { trust, dns, decryption = [], crls, clock, allowSha1 = false } = settings
  const { allowWeak = false, allow3des = false } = settings
  return createOpen({
    trust: () => trust,
    dns: () => dns ?? null,
    crls,
    binary: true,
    decryption: () => decryption,
    maxMessageSize: Number.POSITIVE_INFINITY,
    allowSha1,
    allowWeak,
    allow3des,
    clock,
  })(wire)
}
