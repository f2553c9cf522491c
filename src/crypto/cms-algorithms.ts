/**
 * The signature algorithms of signed messages as tables: what a signer info names, which key and digest belong to it,
 * and what the policy says about it (RFC 5754, 5753, 8419, 4056). A new algorithm is a line.
 */
import { constants, type KeyObject, sign, verify } from 'node:crypto'
import { SsmError } from '../errors.js'
import { parseAlgorithm, readAlgorithm, type Algorithm } from './cms.js'
import { constructed, DerReader, smallInteger, TAG } from './der.js'
import { derNull, element, integer, oid, sequence } from './der-write.js'

export type Digest = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** What a site accepts beyond the default (specs: `allow_sha1`, `allow_weak`). */
export interface AlgorithmPolicy {
  readonly allowSha1: boolean
  readonly allowWeak: readonly ('rsa1024' | '3des')[]
}

interface DigestEntry {
  readonly oid: string
  /** As `micalg` spells it. */
  readonly micalg: string
  readonly length: number
}

/** Digests by node's name. */
export const DIGESTS: Readonly<Record<Digest, DigestEntry>> = {
  sha1: { oid: '1.3.14.3.2.26', micalg: 'sha1', length: 20 },
  sha256: { oid: '2.16.840.1.101.3.4.2.1', micalg: 'sha-256', length: 32 },
  sha384: { oid: '2.16.840.1.101.3.4.2.2', micalg: 'sha-384', length: 48 },
  sha512: { oid: '2.16.840.1.101.3.4.2.3', micalg: 'sha-512', length: 64 },
}

const DIGEST_BY_OID: ReadonlyMap<string, Digest> = new Map([
  [DIGESTS.sha1.oid, 'sha1'],
  [DIGESTS.sha256.oid, 'sha256'],
  [DIGESTS.sha384.oid, 'sha384'],
  [DIGESTS.sha512.oid, 'sha512'],
])

interface SignatureEntry {
  readonly keyTypes: readonly string[]
  /** The digest it fixes; absent: the one of the signer info. */
  readonly digest?: Digest
  /** `pss`: parameters say the rest. `none`: the algorithm hashes by itself. */
  readonly form?: 'pss' | 'none'
}

const RSA = ['rsa'] as const
const EC = ['ec'] as const

const SIGNATURES: ReadonlyMap<string, SignatureEntry> = new Map<string, SignatureEntry>([
  ['1.2.840.113549.1.1.1', { keyTypes: RSA }],
  ['1.2.840.113549.1.1.5', { keyTypes: RSA, digest: 'sha1' }],
  ['1.2.840.113549.1.1.11', { keyTypes: RSA, digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { keyTypes: RSA, digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { keyTypes: RSA, digest: 'sha512' }],
  ['1.2.840.113549.1.1.10', { keyTypes: ['rsa', 'rsa-pss'], form: 'pss' }],
  ['1.2.840.10045.2.1', { keyTypes: EC }],
  ['1.2.840.10045.4.1', { keyTypes: EC, digest: 'sha1' }],
  ['1.2.840.10045.4.3.2', { keyTypes: EC, digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { keyTypes: EC, digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { keyTypes: EC, digest: 'sha512' }],
  ['1.3.101.112', { keyTypes: ['ed25519'], form: 'none' }],
])

/** Why an algorithm is not accepted: data, because it becomes a verdict. */
export interface Refused {
  readonly refused: string
}

/** The algorithms of a signer info made ready for one key. */
export interface SignatureCheck {
  readonly digest: Digest
  /** Does this signature by the key fit these data? */
  verify(data: Buffer, signature: Buffer): boolean
}

const WHAT = 'the signature'

/** What a signer info's algorithms and the key of its certificate come to. Throws SsmError `malformed`. */
export function signatureCheck(
  key: KeyObject,
  digestAlgorithm: Algorithm,
  algorithm: Algorithm,
  policy: AlgorithmPolicy,
): SignatureCheck | Refused {
  const digest = DIGEST_BY_OID.get(digestAlgorithm.oid)
  if (digest === undefined) return { refused: `the digest algorithm ${digestAlgorithm.oid} is not accepted` }
  if (digest === 'sha1' && !policy.allowSha1) {
    return { refused: 'the digest is SHA-1, which is not accepted (allow_sha1 = messages would)' }
  }
  const entry = SIGNATURES.get(algorithm.oid)
  if (entry === undefined) return { refused: `the signature algorithm ${algorithm.oid} is not accepted` }
  const type = key.asymmetricKeyType ?? 'unknown'
  if (!entry.keyTypes.includes(type)) {
    return { refused: `the signature algorithm ${algorithm.oid} does not belong to a key of the type ${type}` }
  }
  // RFC 5652 section 5.4 hashes with the digest algorithm; another one in the signature algorithm is a contradiction.
  if (entry.digest !== undefined && entry.digest !== digest) {
    return { refused: `the signature is made with ${entry.digest}, the message digest with ${digest}` }
  }
  const weakness = weaknessOf(key, policy)
  if (weakness !== undefined) return { refused: weakness }
  if (entry.form === 'pss') return pssCheck(key, algorithm, digest)
  const hash = entry.form === 'none' ? null : digest
  return { digest, verify: (data, signature) => verify(hash, data, key, signature) }
}

/** Curves of section 6 of the specification, by OpenSSL's names. */
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const MIN_RSA = 2048
const MIN_WEAK_RSA = 1024
/** The cost of a verification grows with the square of the modulus: 16384 bits are 1 ms. */
const MAX_RSA = 16_384

function weaknessOf(key: KeyObject, policy: AlgorithmPolicy): string | undefined {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (modulusLength !== undefined) {
    const least = policy.allowWeak.includes('rsa1024') ? MIN_WEAK_RSA : MIN_RSA
    if (modulusLength < least) return `the RSA key has ${modulusLength} bits, fewer than ${least}`
    if (modulusLength > MAX_RSA) return `the RSA key has ${modulusLength} bits, more than ${MAX_RSA}`
  }
  if (key.asymmetricKeyType === 'ec' && !CURVES.has(namedCurve ?? '')) {
    return `the key is on the curve ${namedCurve ?? 'unknown'}, which is not accepted`
  }
  return undefined
}

const MGF1 = '1.2.840.113549.1.1.8'
const MAX_SALT = 512

/** RSASSA-PSS-params (RFC 4055 section 3.1): one digest throughout, MGF1, trailer 1. Defaults are SHA-1: refused. */
function pssCheck(key: KeyObject, { parameters }: Algorithm, digest: Digest): SignatureCheck | Refused {
  const refused = { refused: `the RSA-PSS parameters do not fit the message digest ${digest}` }
  if (parameters?.tag !== TAG.sequence) return refused
  const reader = new DerReader(parameters.value, WHAT)
  const hash = reader.enterOptional(constructed(0))
  const mask = reader.enterOptional(constructed(1))
  const salt = reader.enterOptional(constructed(2))
  const trailer = reader.enterOptional(constructed(3))
  reader.finish()
  if (hash === undefined || mask === undefined) return refused
  const generator = readAlgorithm(mask, WHAT)
  if (generator.oid !== MGF1 || generator.parameters === undefined) return refused
  const inner = parseAlgorithm(new DerReader(generator.parameters.value, WHAT), WHAT)
  const wanted = DIGESTS[digest].oid
  if (readAlgorithm(hash, WHAT).oid !== wanted || inner.oid !== wanted) return refused
  const saltLength = salt === undefined ? 20 : smallInteger(salt.next(TAG.integer).value, WHAT)
  const trailerField = trailer === undefined ? 1 : smallInteger(trailer.next(TAG.integer).value, WHAT)
  if (trailerField !== 1 || saltLength > MAX_SALT) return refused
  const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
  return { digest, verify: (data, signature) => verify(digest, data, options, signature) }
}

/** How a key of ours signs. */
export interface Signing {
  readonly digest: Digest
  /** DER of the signature algorithm in the signer info. */
  readonly algorithm: Buffer
  /** Can `openssl smime`, and with it the Python SSM, read it? */
  readonly widelyRead: boolean
  /** Signs on the thread pool. */
  sign(data: Buffer): Promise<Buffer>
}

/** The digest that fits a curve (RFC 5753 section 7 leaves it open; SP 800-57 pairs them so). */
const EC_SIGNING: ReadonlyMap<string, { readonly digest: Digest; readonly oid: string }> = new Map([
  ['prime256v1', { digest: 'sha256', oid: '1.2.840.10045.4.3.2' }],
  ['secp384r1', { digest: 'sha384', oid: '1.2.840.10045.4.3.3' }],
  ['secp521r1', { digest: 'sha512', oid: '1.2.840.10045.4.3.4' }],
] as const)

const DEFAULT_SALT = 32

/** The signature algorithm for a private key of ours. Throws SsmError `configuration` for a key that cannot sign. */
export function signingWith(key: KeyObject): Signing {
  const type = key.asymmetricKeyType ?? 'unknown'
  if (type === 'rsa') {
    // rsaEncryption with NULL, as openssl smime writes it (RFC 8551 section 2.2 asks for it too).
    return signing('sha256', sequence(oid('1.2.840.113549.1.1.1'), derNull), true, key)
  }
  if (type === 'rsa-pss') return signing('sha256', pssAlgorithm(), false, pssKey(key))
  if (type === 'ed25519') return signing('sha512', sequence(oid('1.3.101.112')), false, key, null)
  const curve = type === 'ec' ? EC_SIGNING.get(key.asymmetricKeyDetails?.namedCurve ?? '') : undefined
  if (curve === undefined) {
    throw new SsmError(
      'configuration',
      `cannot sign with a key of the type ${type}: use RSA, or EC on P-256, P-384, P-521`,
    )
  }
  return signing(curve.digest, sequence(oid(curve.oid)), true, key)
}

type SignKey = Parameters<typeof sign>[2]

function signing(
  digest: Digest,
  algorithm: Buffer,
  widelyRead: boolean,
  key: SignKey,
  hash: string | null = digest,
): Signing {
  return {
    digest,
    algorithm,
    widelyRead,
    sign: (data) =>
      new Promise((resolve, reject) => {
        sign(hash, data, key, (error, signature) => {
          if (error === null) resolve(signature)
          else reject(new SsmError('configuration', 'signing failed: see the key of [certificates]', { cause: error }))
        })
      }),
  }
}

function pssKey(key: KeyObject): SignKey {
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: DEFAULT_SALT }
}

function pssAlgorithm(): Buffer {
  const hash = sequence(oid(DIGESTS.sha256.oid), derNull)
  return sequence(
    oid('1.2.840.113549.1.1.10'),
    sequence(
      element(constructed(0), hash),
      element(constructed(1), sequence(oid(MGF1), hash)),
      element(constructed(2), integer(DEFAULT_SALT)),
    ),
  )
}
