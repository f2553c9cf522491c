/**
 * Content keys transported by RSA (RFC 3370 section 4.2.1, RFC 3560): PKCS#1 v1.5 and OAEP, without an oracle.
 *
 * Both unwraps take the raw private operation (Node 20 refuses PKCS#1 v1.5 in privateDecrypt, and node's OAEP knows one
 * digest for both uses and throws), look at the padding without branches on its octets, and go on with a random key when
 * it is wrong (RFC 3218 section 2.3.2). So no step, sentence or error tells a wrong padding from a wrong key.
 */
import { constants, createHash, hash, type KeyObject, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto'
import { systemCode } from '../errors.js'

/** Digests that OAEP is accepted with. SHA-1 is no weakness here (RFC 8017 appendix B.1), and openssl's default. */
export type OaepDigest = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** RSAES-OAEP-params, read. */
export interface OaepParameters {
  readonly digest: OaepDigest
  /** Of the mask function MGF1. */
  readonly maskDigest: OaepDigest
  readonly label: Uint8Array
}

/** What new messages are made with. */
export const OAEP_DIGEST: OaepDigest = 'sha256'

export function wrapPkcs1(recipient: KeyObject, key: Buffer): Buffer {
  return publicEncrypt({ key: recipient, padding: constants.RSA_PKCS1_PADDING }, key)
}

export function wrapOaep(recipient: KeyObject, key: Buffer): Buffer {
  return publicEncrypt({ key: recipient, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: OAEP_DIGEST }, key)
}

/** A wrapped content key of `length` octets; with `oaep`, wrapped so. */
export interface WrappedKey {
  readonly wrapped: Uint8Array
  readonly length: number
  readonly oaep?: OaepParameters
}

/**
 * Unwraps with a private key, here or elsewhere. A wrapped key that is wrong gives a random one, never an error: what is thrown is
 * trouble of ours.
 */
export type Unwrap = (key: KeyObject, wrapped: WrappedKey) => Buffer | Promise<Buffer>

/** Unwraps here and now. */
export function unwrapHere(key: KeyObject, { wrapped, length, oaep }: WrappedKey): Buffer {
  return oaep === undefined ? unwrapPkcs1(key, wrapped, length) : unwrapOaep(key, wrapped, length, oaep)
}

/** RFC 8017 section 7.2.2: 00 02, at least eight octets of filler, 00, the key of `length` octets. */
export function unwrapPkcs1(key: KeyObject, wrapped: Uint8Array, length: number): Buffer {
  const random = randomBytes(length)
  const block = rawDecrypt(key, wrapped)
  const separator = block.length - length - 1
  if (separator < 10) return random
  let wrong = octet(block, 0) | (octet(block, 1) ^ 2) | octet(block, separator)
  for (let at = 2; at < separator; at++) wrong |= Number(block[at] === 0)
  return chosen(wrong, block.subarray(separator + 1), random)
}

/** RFC 8017 section 7.1.2: 00, masked seed, masked (digest of the label, zeros, 01, the key of `length` octets). */
export function unwrapOaep(key: KeyObject, wrapped: Uint8Array, length: number, parameters: OaepParameters): Buffer {
  const { digest, maskDigest, label } = parameters
  const random = randomBytes(length)
  const block = rawDecrypt(key, wrapped)
  const labelDigest = hash(digest, label, 'buffer')
  const seedLength = labelDigest.length
  const seed = block.subarray(1, 1 + seedLength)
  const data = block.subarray(1 + seedLength)
  const separator = data.length - length - 1
  // The sizes of key, digest and modulus are nobody's secret.
  if (separator < seedLength) return random
  applyMask(seed, data, maskDigest)
  applyMask(data, seed, maskDigest)
  let wrong = octet(block, 0) | (octet(data, separator) ^ 1)
  for (let at = 0; at < seedLength; at++) wrong |= octet(data, at) ^ octet(labelDigest, at)
  for (let at = seedLength; at < separator; at++) wrong |= octet(data, at)
  return chosen(wrong, data.subarray(separator + 1), random)
}

function octet(block: Buffer, at: number): number {
  return block[at] ?? 1
}

/** XORs MGF1 of `seed` onto `target` (RFC 8017 appendix B.2.1). */
function applyMask(target: Buffer, seed: Buffer, digest: OaepDigest): void {
  const counter = Buffer.alloc(4)
  for (let at = 0; at < target.length;) {
    const mask = createHash(digest).update(seed).update(counter).digest()
    for (const each of mask.subarray(0, target.length - at)) target[at] = (target[at++] ?? 0) ^ each
    counter.writeUInt32BE(counter.readUInt32BE() + 1)
  }
}

/** The key when nothing is wrong, else the random one, chosen without a branch. */
function chosen(wrong: number, key: Buffer, random: Buffer): Buffer {
  // 0x00 when right, 0xff when wrong.
  const mask = -Number(wrong !== 0) & 0xff
  const unwrapped = Buffer.alloc(random.length)
  for (let at = 0; at < random.length; at++) {
    unwrapped[at] = ((key[at] ?? 0) & ~mask) | ((random[at] ?? 0) & mask)
  }
  return unwrapped
}

/** c^d mod n; zeros, which are wrong padding, when the number is not one modulo n. */
function rawDecrypt(key: KeyObject, wrapped: Uint8Array): Buffer {
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped)
  } catch (error) {
    const size = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
    if (systemCode(error)?.startsWith('ERR_OSSL_RSA_') === true) return Buffer.alloc(size)
    throw error
  }
}
