/**
 * One message at a time, for the command line: bytes in, bytes or a refusal out.
 */
import type { KeyObject } from 'node:crypto'
import type { Certificate } from '../crypto/certificate.js'
import type { CipherName } from '../crypto/cipher.js'
import { assertRecipient, type KeyPair } from '../crypto/cms-enveloped.js'
import { asBuffer } from '../crypto/der.js'
import { fromCrlf } from '../crypto/text.js'
import { SsmError } from '../errors.js'
import type { Opened } from '../message.js'
import type { DnList, TrustStore } from '../trust/port.js'
import { createOpen } from './open.js'
import { createSeal, encryptFor } from './seal.js'
import { decryptText, isRefusal, type Refusal } from './take-apart.js'

interface Clocked {
  readonly clock: { now(): number }
}

export interface SignSettings extends Clocked {
  readonly certificate: Certificate
  readonly key: KeyObject
  readonly binary: boolean
}

/** Signs a content: what a sender without `server_cert` would send. Throws SsmError `cannot-seal`, `configuration`. */
export async function signMessage(body: Uint8Array, settings: SignSettings): Promise<Uint8Array> {
  return createSeal({ cipher: 'aes256', ...settings })({ body })
}

/** Encrypts a signed message for one recipient. Throws SsmError `cannot-seal` when empty, `configuration`. */
export function encryptMessage(signed: Uint8Array, recipient: Certificate, cipher: CipherName = 'aes256'): Uint8Array {
  assertRecipient(recipient)
  if (signed.length === 0) throw new SsmError('cannot-seal', 'there is nothing to encrypt: the input is empty')
  return encryptFor(asBuffer(signed), recipient, cipher)
}

/** The text inside an encrypted message, with LF line ends as in transit; or why there is none. */
export function decryptMessage(wire: Uint8Array, pairs: readonly KeyPair[]): Uint8Array | Refusal {
  const plain = decryptText(asBuffer(wire), pairs)
  return isRefusal(plain) ? plain : fromCrlf(plain)
}

export interface VerifySettings extends Clocked {
  readonly trust: TrustStore
  readonly crls: boolean
  /** Without a list every signer with a good path will do. */
  readonly dns?: DnList
  readonly decryption?: readonly KeyPair[]
  readonly allowSha1?: boolean
  readonly allowWeak?: readonly ('rsa1024' | '3des')[]
}

/** Judges a message as a receiver would, but for the list of DNs unless one is given; any content will do. */
export async function verifyMessage(wire: Uint8Array, settings: VerifySettings): Promise<Opened> {
  const { trust, dns, decryption = [], crls, clock, allowSha1 = false, allowWeak = [] } = settings
  return createOpen({
    trust: () => trust,
    dns: () => dns ?? null,
    crls,
    binary: true,
    decryption: () => decryption,
    maxMessageSize: Number.POSITIVE_INFINITY,
    allowSha1,
    allowWeak,
    clock,
  })(wire)
}
