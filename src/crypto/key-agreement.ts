/**
 * Content keys agreed upon by elliptic curves (RFC 5753 section 3.1): ephemeral-static ECDH, the X9.63 key derivation,
 * AES key wrap (RFC 3394). A key that does not unwrap becomes a random one, as in key-transport.ts.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { SsmError } from '../errors.js'
import { bitStringOctets, DerReader, TAG } from './der.js'
import { bitString, oid, sequence } from './der-write.js'

export type AgreementDigest = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/**
 * Key agreement schemes by OID (RFC 5753 section 7.1.4): dhSinglePass-stdDH, and with cofactor, which is 1 on all curves
 * that are accepted. SHA-1 is no weakness in a key derivation, and the default of openssl cms.
 */
export const SCHEMES: ReadonlyMap<string, AgreementDigest> = new Map([
  ['1.3.133.16.840.63.0.2', 'sha1'],
  ['1.3.132.1.11.1', 'sha256'],
  ['1.3.132.1.11.2', 'sha384'],
  ['1.3.132.1.11.3', 'sha512'],
  ['1.3.133.16.840.63.0.3', 'sha1'],
  ['1.3.132.1.14.1', 'sha256'],
  ['1.3.132.1.14.2', 'sha384'],
  ['1.3.132.1.14.3', 'sha512'],
])

interface WrapEntry {
  readonly node: 'aes128-wrap' | 'aes192-wrap' | 'aes256-wrap'
  readonly keyLength: number
}

/** AES key wrap by OID (RFC 3565 section 2.3.2). */
export const WRAPS: ReadonlyMap<string, WrapEntry> = new Map([
  ['2.16.840.1.101.3.4.1.5', { node: 'aes128-wrap', keyLength: 16 }],
  ['2.16.840.1.101.3.4.1.25', { node: 'aes192-wrap', keyLength: 24 }],
  ['2.16.840.1.101.3.4.1.45', { node: 'aes256-wrap', keyLength: 32 }],
])

interface Curve {
  readonly oid: string
  /** The scheme for new messages, of the strength of the curve. */
  readonly scheme: string
}

/** Curves by node's name. */
const CURVES: ReadonlyMap<string, Curve> = new Map([
  ['prime256v1', { oid: '1.2.840.10045.3.1.7', scheme: '1.3.132.1.11.1' }],
  ['secp384r1', { oid: '1.3.132.0.34', scheme: '1.3.132.1.11.2' }],
  ['secp521r1', { oid: '1.3.132.0.35', scheme: '1.3.132.1.11.3' }],
])

const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
/** RFC 3394 section 2.2.3.1. */
const INITIAL_VALUE = Buffer.alloc(8, 0xa6)

/** The curve of a key we can agree upon keys with; undefined for others. */
export function curveOf(key: KeyObject): Curve | undefined {
  return key.asymmetricKeyType === 'ec' ? CURVES.get(key.asymmetricKeyDetails?.namedCurve ?? '') : undefined
}

/** A fresh key pair on the curve of `recipient`, used once: the point goes into the message, the secret stays here. */
export function beginAgreement(recipient: KeyObject): { readonly point: Buffer; readonly secret: Buffer } {
  const namedCurve = recipient.asymmetricKeyDetails?.namedCurve
  if (namedCurve === undefined) throw new SsmError('internal', 'internal error: key agreement without a curve')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  const spki = new DerReader(publicKey.export({ format: 'der', type: 'spki' }), 'the key').enter(TAG.sequence)
  spki.next(TAG.sequence)
  const point = bitStringOctets(spki.next(TAG.bitString).value, 'the key')
  return { point, secret: diffieHellman({ privateKey, publicKey: recipient }) }
}

/**
 * The secret that a point of a message and our key make; undefined for a point that is not on our curve (OpenSSL looks),
 * which everybody can see.
 */
export function agree(privateKey: KeyObject, point: Buffer): Buffer | undefined {
  const curve = curveOf(privateKey)
  if (curve === undefined) return undefined
  const spki = sequence(sequence(oid(EC_PUBLIC_KEY), oid(curve.oid)), bitString(point))
  try {
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    return diffieHellman({ privateKey, publicKey })
  } catch {
    return undefined
  }
}

/** The key derivation of ANSI X9.63 (SEC 1 section 3.6.1). */
export function deriveKey(digest: AgreementDigest, secret: Buffer, sharedInfo: Buffer, length: number): Buffer {
  const counter = Buffer.alloc(4)
  const parts: Buffer[] = []
  for (let made = 0; made < length;) {
    counter.writeUInt32BE(parts.length + 1)
    const part = createHash(digest).update(secret).update(counter).update(sharedInfo).digest()
    parts.push(part)
    made += part.length
  }
  return Buffer.concat(parts).subarray(0, length)
}

export function wrapKey({ node }: WrapEntry, wrapping: Buffer, key: Buffer): Buffer {
  const cipher = createCipheriv(node, wrapping, INITIAL_VALUE)
  return Buffer.concat([cipher.update(key), cipher.final()])
}

/** A random key when it does not unwrap, or is of another length. */
export function unwrapKey({ node }: WrapEntry, wrapping: Buffer, wrapped: Buffer, length: number): Buffer {
  const random = randomBytes(length)
  try {
    const decipher = createDecipheriv(node, wrapping, INITIAL_VALUE)
    const key = Buffer.concat([decipher.update(wrapped), decipher.final()])
    return key.length === length ? key : random
  } catch {
    return random
  }
}

/** The wrap for new messages: as strong as the key that is wrapped. */
export function wrapFor(keyLength: number): { readonly id: string; readonly entry: WrapEntry } {
  for (const [id, entry] of WRAPS) if (entry.keyLength === keyLength) return { id, entry }
  throw new SsmError('internal', `internal error: no key wrap for ${keyLength} octets`)
}
