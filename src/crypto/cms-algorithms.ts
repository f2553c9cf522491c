/**
 * Signature algorithms as signer infos name them: a digest and a signature algorithm that may be only a kind of key
 * (RFC 5652 section 5.3, RFC 5754). What is accepted stands in the table of signature.ts.
 */
import type { KeyObject } from 'node:crypto'
import { SsmError } from '../errors.js'
import type { Algorithm } from './cms.js'
import { derNull, oid, sequence } from './der-write.js'
import {
  encodeScheme,
  fits,
  judgeAlgorithm,
  resolveScheme,
  signData,
  signingScheme,
  type AlgorithmPolicy,
  type DigestName,
  type SignatureJudgement,
  type SignatureScheme,
} from './signature.js'

interface DigestEntry {
  readonly oid: string
  /** As `micalg` spells it (RFC 8551 section 3.5.3.2). */
  readonly micalg: string
  readonly length: number
}

/** Digests by node's name. */
export const DIGEST_ENTRIES: Readonly<Record<DigestName, DigestEntry>> = {
  sha1: { oid: '1.3.14.3.2.26', micalg: 'sha-1', length: 20 },
  sha256: { oid: '2.16.840.1.101.3.4.2.1', micalg: 'sha-256', length: 32 },
  sha384: { oid: '2.16.840.1.101.3.4.2.2', micalg: 'sha-384', length: 48 },
  sha512: { oid: '2.16.840.1.101.3.4.2.3', micalg: 'sha-512', length: 64 },
}

const BY_OID: ReadonlyMap<string, DigestName> = new Map([
  [DIGEST_ENTRIES.sha1.oid, 'sha1'],
  [DIGEST_ENTRIES.sha256.oid, 'sha256'],
  [DIGEST_ENTRIES.sha384.oid, 'sha384'],
  [DIGEST_ENTRIES.sha512.oid, 'sha512'],
])

/** The algorithms of a signer info made ready for one key. */
export interface SignatureCheck {
  readonly ok: true
  /** For the content. */
  readonly digest: DigestName
  /** Does this signature by the key fit these data? */
  verify(data: Buffer, signature: Buffer): boolean
}

/** What a signer info's algorithms and the key of its certificate come to, before anything is computed. */
export function signatureCheck(
  key: KeyObject,
  digestAlgorithm: Algorithm,
  signatureAlgorithm: Algorithm,
  policy: AlgorithmPolicy,
): SignatureCheck | Exclude<SignatureJudgement, { ok: true }> {
  const digest = BY_OID.get(digestAlgorithm.oid)
  if (digest === undefined) return refuse(`uses the digest ${digestAlgorithm.oid}, which is not accepted`)
  // Ed25519 fixes no digest of its own: the one of the content is judged by itself.
  if (digest === 'sha1' && !policy.allowSha1) return refuse('uses SHA-1, which only allow_sha1 accepts')
  const resolved = resolveScheme(signatureAlgorithm.bytes, digestAlgorithm.oid)
  if (!resolved.ok) return resolved
  const { scheme } = resolved
  const judged = judgeAlgorithm(scheme, key, policy)
  if (!judged.ok) return judged
  return { ok: true, digest, verify: (data, signature) => fits(scheme, { data, signature, key }) }
}

function refuse(detail: string): Exclude<SignatureJudgement, { ok: true }> {
  return { ok: false, reason: 'algorithm', detail }
}

/** How a key of ours signs. */
export interface Signing {
  readonly digest: DigestName
  /** DER of the signature algorithm in the signer info. */
  readonly algorithm: Buffer
  /** Can `openssl smime`, and with it the Python SSM, read it? */
  readonly widelyRead: boolean
  /** Signs on the thread pool. Throws SsmError `configuration`. */
  sign(data: Buffer): Promise<Buffer>
}

/** The digest that fits a curve in strength (RFC 5753 leaves it open). */
const EC_DIGESTS: ReadonlyMap<string, DigestName> = new Map([
  ['prime256v1', 'sha256'],
  ['secp384r1', 'sha384'],
  ['secp521r1', 'sha512'],
])

/** rsaEncryption with NULL, as openssl smime writes it and RFC 8551 section 2.2 prefers it for old readers. */
const RSA_ENCRYPTION = sequence(oid('1.2.840.113549.1.1.1'), derNull)

/** The signature algorithm for a private key of ours. Throws SsmError `configuration` for a key that cannot sign. */
export function signingWith(key: KeyObject): Signing {
  const scheme = fittingScheme(key)
  return {
    // RFC 8419 section 3.1: SHA-512 for the content beside Ed25519.
    digest: scheme.digest ?? 'sha512',
    algorithm: scheme.family === 'rsa' ? RSA_ENCRYPTION : encodeScheme(scheme),
    widelyRead: scheme.family === 'rsa' || scheme.family === 'ecdsa',
    async sign(data) {
      try {
        return await signData(scheme, key, data)
      } catch (cause) {
        throw new SsmError('configuration', 'cannot sign with the key of [certificates]: try another key', { cause })
      }
    },
  }
}

function fittingScheme(key: KeyObject): SignatureScheme {
  const scheme = signingScheme(key)
  if (scheme.family === 'pss') return pssScheme(key)
  if (scheme.family !== 'ecdsa') return scheme
  const curve = key.asymmetricKeyDetails?.namedCurve ?? 'of explicit parameters'
  const digest = EC_DIGESTS.get(curve)
  if (digest === undefined) {
    throw new SsmError('configuration', `cannot sign with a key on the curve ${curve}: use P-256, P-384 or P-521`)
  }
  return { ...scheme, digest }
}

/** A key of the kind RSASSA-PSS may prescribe its digests and a least length of salt (RFC 4055 section 3.1). */
function pssScheme(key: KeyObject): SignatureScheme {
  const { hashAlgorithm = 'sha256', mgf1HashAlgorithm = hashAlgorithm, saltLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (!isSigningDigest(hashAlgorithm) || mgf1HashAlgorithm !== hashAlgorithm) {
    throw new SsmError(
      'configuration',
      `cannot sign with a key that prescribes ${hashAlgorithm} and ${mgf1HashAlgorithm}: use one of SHA-256, SHA-384 or SHA-512`,
    )
  }
  return {
    family: 'pss',
    digest: hashAlgorithm,
    saltLength: Math.max(saltLength, DIGEST_ENTRIES[hashAlgorithm].length),
  }
}

function isSigningDigest(name: string): name is Exclude<DigestName, 'sha1'> {
  return name === 'sha256' || name === 'sha384' || name === 'sha512'
}
