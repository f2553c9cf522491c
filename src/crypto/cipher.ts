/**
 * Content encryption algorithms as a table (RFC 3565 and 8551 section 2.7). A new cipher is a line.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Algorithm } from './cms.js'
import { malformed, TAG } from './der.js'
import { octetString, oid, sequence } from './der-write.js'

export type CipherName = 'aes128' | 'aes192' | 'aes256'

interface CipherEntry {
  readonly oid: string
  /** Node's name. */
  readonly node: string
  readonly keyLength: number
  readonly ivLength: number
}

/** By the name of the option. */
const CIPHERS: Readonly<Record<CipherName, CipherEntry>> = {
  aes128: { oid: '2.16.840.1.101.3.4.1.2', node: 'aes-128-cbc', keyLength: 16, ivLength: 16 },
  aes192: { oid: '2.16.840.1.101.3.4.1.22', node: 'aes-192-cbc', keyLength: 24, ivLength: 16 },
  aes256: { oid: '2.16.840.1.101.3.4.1.42', node: 'aes-256-cbc', keyLength: 32, ivLength: 16 },
}

const BY_OID: ReadonlyMap<string, CipherEntry> = new Map(Object.values(CIPHERS).map((entry) => [entry.oid, entry]))

const BLOCK = 16

/** Encrypted content, with the fresh key that did it and the AlgorithmIdentifier that says how. */
export interface Encrypted {
  readonly key: Buffer
  readonly algorithm: Buffer
  readonly content: Buffer
}

/** Encrypts with a fresh random key and initialisation vector. */
export function encryptContent(name: CipherName, plain: Buffer): Encrypted {
  const entry = CIPHERS[name]
  const key = randomBytes(entry.keyLength)
  const iv = randomBytes(entry.ivLength)
  const cipher = createCipheriv(entry.node, key, iv)
  const content = Buffer.concat([cipher.update(plain), cipher.final()])
  return { key, algorithm: sequence(oid(entry.oid), octetString(iv)), content }
}

/** A content cipher of a message, its parameters read. */
export interface ContentCipher {
  readonly keyLength: number
  /**
   * Never throws for a wrong key: `intact` says whether the padding was right. A caller must not act on it before it
   * has looked at the plain text in the same way as always, or it becomes an oracle.
   */
  decrypt(key: Buffer, content: Buffer): { readonly plain: Buffer; readonly intact: boolean }
}

/** Throws SsmError `malformed` for a cipher that is not read or parameters that are damaged. */
export function contentCipher({ oid: name, parameters }: Algorithm, what: string): ContentCipher {
  const entry = BY_OID.get(name)
  if (entry === undefined) throw malformed(what, `is encrypted with the cipher ${name}, which is not accepted`)
  if (parameters?.tag !== TAG.octetString || parameters.value.length !== entry.ivLength) {
    throw malformed(what, 'has a damaged initialisation vector')
  }
  const iv = parameters.value
  return {
    keyLength: entry.keyLength,
    decrypt(key, content) {
      if (content.length === 0 || content.length % BLOCK !== 0) return { plain: Buffer.alloc(0), intact: false }
      const decipher = createDecipheriv(entry.node, key, iv).setAutoPadding(false)
      return unpad(Buffer.concat([decipher.update(content), decipher.final()]))
    },
  }
}

/** Padding of RFC 5652 section 6.3, looked at without branches on its octets; wrong padding leaves everything in place. */
function unpad(padded: Buffer): { readonly plain: Buffer; readonly intact: boolean } {
  const count = padded[padded.length - 1] ?? 0
  let wrong = Number(count === 0) | Number(count > BLOCK)
  for (let back = 1; back <= BLOCK; back++) {
    const octet = padded[padded.length - back] ?? 0
    wrong |= Number(back <= count) & Number(octet !== count)
  }
  const intact = wrong === 0
  return { plain: padded.subarray(0, padded.length - (intact ? count : 0)), intact }
}
