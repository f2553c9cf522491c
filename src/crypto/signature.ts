/**
 * Signature algorithms: AlgorithmIdentifier to what node:crypto needs, and what is accepted at all. Certificates, CRLs and
 * messages go through the same table. A signature that does not fit is data; nothing here throws for outside bytes.
 */
import { constants, type KeyObject, sign, verify } from 'node:crypto'
import { isSsmError, SsmError } from '../errors.js'
import { DerReader, smallInteger, TAG, constructed } from './der.js'
import { derNull, element, integer, oid, sequence } from './der-write.js'
import { decodeOid } from './oid.js'

export type DigestName = 'sha256' | 'sha384' | 'sha512' | 'sha1'
type Family = 'rsa' | 'pss' | 'ecdsa' | 'ed25519'

/** What the operator allows beyond the default. */
export interface AlgorithmPolicy {
  /** SHA-1 signatures. */
  readonly allowSha1: boolean
  /** RSA keys of 1024 to 2047 bits. */
  readonly allowWeak: boolean
}

/** A resolved entry: how a signature is made and verified. */
export interface SignatureScheme {
  readonly family: Family
  /** null: the algorithm hashes by itself (Ed25519). */
  readonly digest: DigestName | null
  /** Octets of salt, PSS only. */
  readonly saltLength?: number
}

/** `reason` as in the table of reasons; `detail` completes a sentence: `the signature …`. */
export type SignatureJudgement =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'algorithm' | 'signature' | 'malformed'; readonly detail: string }

/** The digests we know, by OID; MD5 is known only to be named. */
export const DIGESTS: ReadonlyMap<string, DigestName | 'md5'> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['1.3.14.3.2.26', 'sha1'],
  ['1.2.840.113549.2.5', 'md5'],
])

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
const RSASSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
const ED25519 = '1.3.101.112'

/** Algorithms that need no parameters to be understood. */
const SCHEMES: ReadonlyMap<string, SignatureScheme> = new Map<string, SignatureScheme>([
  ['1.2.840.113549.1.1.11', { family: 'rsa', digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { family: 'rsa', digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { family: 'rsa', digest: 'sha512' }],
  ['1.2.840.113549.1.1.5', { family: 'rsa', digest: 'sha1' }],
  ['1.3.14.3.2.29', { family: 'rsa', digest: 'sha1' }],
  ['1.2.840.10045.4.3.2', { family: 'ecdsa', digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { family: 'ecdsa', digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { family: 'ecdsa', digest: 'sha512' }],
  ['1.2.840.10045.4.1', { family: 'ecdsa', digest: 'sha1' }],
  [ED25519, { family: 'ed25519', digest: null }],
])

/** CMS names only the kind of key here and the digest elsewhere (RFC 3370 section 3.2, RFC 5753). */
const KEY_ALGORITHMS: ReadonlyMap<string, Family> = new Map<string, Family>([
  [RSA_ENCRYPTION, 'rsa'],
  [EC_PUBLIC_KEY, 'ecdsa'],
])

/** What is refused, in words. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.2', 'MD2 with RSA'],
  ['1.2.840.113549.1.1.4', 'MD5 with RSA'],
  ['1.2.840.10040.4.1', 'DSA'],
  ['1.2.840.10040.4.3', 'DSA with SHA-1'],
  ['2.16.840.1.101.3.4.3.1', 'DSA with SHA-224'],
  ['2.16.840.1.101.3.4.3.2', 'DSA with SHA-256'],
  ['1.2.840.113549.1.1.14', 'SHA-224 with RSA'],
  ['1.2.840.10045.4.3.1', 'ECDSA with SHA-224'],
  ['1.3.101.113', 'Ed448'],
])

type Resolved = { readonly ok: true; readonly scheme: SignatureScheme } | Exclude<SignatureJudgement, { ok: true }>

function refuse(detail: string): Exclude<SignatureJudgement, { ok: true }> {
  return { ok: false, reason: 'algorithm', detail }
}

/**
 * The scheme of a DER AlgorithmIdentifier. `digestOid` is the digest a CMS SignerInfo names beside it: needed when the
 * algorithm is only a kind of key, and compared otherwise.
 */
export function resolveScheme(algorithm: Uint8Array, digestOid?: string): Resolved {
  try {
    return resolve(algorithm, digestOid)
  } catch (error) {
    if (isSsmError(error, 'malformed')) return { ok: false, reason: 'malformed', detail: error.message }
    throw error
  }
}

function resolve(algorithm: Uint8Array, digestOid: string | undefined): Resolved {
  const what = 'the signature algorithm'
  const outer = new DerReader(algorithm, what)
  const reader = outer.enter(TAG.sequence)
  outer.finish()
  const id = decodeOid(reader.next(TAG.oid).value, what)
  const digest = digestOid === undefined ? undefined : (DIGESTS.get(digestOid) ?? `the digest ${digestOid}`)
  let resolved: Resolved
  if (id === RSASSA_PSS) resolved = resolvePss(reader)
  else {
    if (!reader.done && id !== ED25519) reader.next(TAG.null)
    reader.finish()
    resolved = resolvePlain(id, digest)
  }
  if (!resolved.ok || digest === undefined) return resolved
  // RFC 8419 section 3: Ed25519 goes with SHA-512 in CMS. Signers that write another SHA-2 are harmless.
  if (resolved.scheme.digest === null || resolved.scheme.digest === digest) return resolved
  return refuse(`names ${resolved.scheme.digest} and ${digest} at once`)
}

function resolvePlain(id: string, digest: string | undefined): Resolved {
  const scheme = SCHEMES.get(id)
  if (scheme !== undefined) return { ok: true, scheme }
  const family = KEY_ALGORITHMS.get(id)
  if (family === undefined) return refuse(`uses ${REFUSED.get(id) ?? `the algorithm ${id}`}, which is not accepted`)
  if (digest === undefined) return refuse(`names a kind of key (${family}) instead of an algorithm`)
  if (!isDigest(digest)) return refuse(`uses ${digest}, which is not accepted`)
  return { ok: true, scheme: { family, digest } }
}

function isDigest(name: string): name is DigestName {
  return name === 'sha256' || name === 'sha384' || name === 'sha512' || name === 'sha1'
}

/** RSASSA-PSS-params (RFC 4055 section 3.1): every field has a default. */
function resolvePss(reader: DerReader): Resolved {
  const what = 'the PSS parameters'
  const parameters = reader.enterOptional(TAG.sequence)
  reader.finish()
  const hash = readDigest(parameters?.enterOptional(constructed(0)))
  const mask = parameters?.enterOptional(constructed(1))?.enter(TAG.sequence)
  const maskIsMgf1 = mask === undefined || decodeOid(mask.next(TAG.oid).value, what) === MGF1
  const maskHash = readDigest(mask)
  const salt = parameters?.enterOptional(constructed(2))?.next(TAG.integer).value
  const saltLength = salt === undefined ? 20 : smallInteger(salt, what)
  const trailer = parameters?.enterOptional(constructed(3))?.next(TAG.integer).value
  parameters?.finish()
  // node:crypto uses one digest for both; nobody makes others.
  if (!maskIsMgf1 || maskHash !== hash) return refuse('uses PSS with a mask function that is not accepted')
  if (!isDigest(hash)) return refuse(`uses PSS with ${hash}, which is not accepted`)
  if (saltLength > 512 || (trailer !== undefined && smallInteger(trailer, what) !== 1)) {
    return refuse('uses PSS with parameters that are not accepted')
  }
  return { ok: true, scheme: { family: 'pss', digest: hash, saltLength } }
}

function readDigest(reader: DerReader | undefined): string {
  if (reader === undefined) return 'sha1'
  const what = 'the PSS parameters'
  const algorithm = reader.enter(TAG.sequence)
  reader.finish()
  const id = decodeOid(algorithm.next(TAG.oid).value, what)
  algorithm.optional(TAG.null)
  algorithm.finish()
  return DIGESTS.get(id) ?? `the digest ${id}`
}

const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1'])

/** What kind of key verifies a family. */
const KEY_TYPES: Readonly<Record<Family, readonly string[]>> = {
  rsa: ['rsa'],
  pss: ['rsa', 'rsa-pss'],
  ecdsa: ['ec'],
  ed25519: ['ed25519'],
}

/** Is the key of an accepted kind and size? undefined: yes; else why not, as `the key …`. */
export function refusedKey(key: KeyObject, policy: Pick<AlgorithmPolicy, 'allowWeak'>): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa' || type === 'rsa-pss') {
    const bits = details?.modulusLength ?? 0
    if (bits >= 2048 && bits <= 16_384) return undefined
    if (bits >= 1024 && bits < 2048) {
      return policy.allowWeak ? undefined : `has ${bits} bits of RSA, fewer than 2048 (allow_weak = rsa1024 accepts it)`
    }
    return `has ${bits} bits of RSA (2048 to 16384 are accepted)`
  }
  if (type === 'ec') {
    const curve = details?.namedCurve ?? 'of explicit parameters'
    return CURVES.has(curve) ? undefined : `is on the curve ${curve} (P-256, P-384 and P-521 are accepted)`
  }
  return type === 'ed25519' ? undefined : `is of the type ${type ?? 'unknown'}, which is not accepted`
}

/** May this scheme be used with this key under this policy? */
export function judgeAlgorithm(scheme: SignatureScheme, key: KeyObject, policy: AlgorithmPolicy): SignatureJudgement {
  if (scheme.digest === 'sha1' && !policy.allowSha1) return refuse('uses SHA-1, which only allow_sha1 accepts')
  if (!KEY_TYPES[scheme.family].includes(key.asymmetricKeyType ?? '')) {
    return { ok: false, reason: 'signature', detail: 'was not made with a key of this type' }
  }
  const refused = refusedKey(key, policy)
  return refused === undefined ? { ok: true } : refuse(`was made with a key that ${refused}`)
}

/** What `sign` and `verify` of node:crypto take besides digest and data. */
export function nodeKey(
  scheme: SignatureScheme,
  key: KeyObject,
): KeyObject | { key: KeyObject; padding: number; saltLength: number } {
  if (scheme.family !== 'pss') return key
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength ?? 32 }
}

/** Verifies `signature` over `data`; synchronous. `digestOid` as for `resolveScheme`. */
export function verifySignature(
  input: {
    readonly algorithm: Uint8Array
    readonly digestOid?: string
    readonly data: Uint8Array
    readonly signature: Uint8Array
    readonly key: KeyObject
  },
  policy: AlgorithmPolicy,
): SignatureJudgement {
  const resolved = resolveScheme(input.algorithm, input.digestOid)
  if (!resolved.ok) return resolved
  const { scheme } = resolved
  const allowed = judgeAlgorithm(scheme, input.key, policy)
  if (!allowed.ok) return allowed
  return fits(scheme, input) ? { ok: true } : { ok: false, reason: 'signature', detail: 'does not fit' }
}

/** The computation alone, for a scheme that was judged before. */
export function fits(
  scheme: SignatureScheme,
  { data, signature, key }: { readonly data: Uint8Array; readonly signature: Uint8Array; readonly key: KeyObject },
): boolean {
  try {
    return verify(scheme.digest, data, nodeKey(scheme, key), signature)
  } catch {
    // OpenSSL throws for signatures that cannot belong to the key (a PSS key with other parameters): they do not fit.
    return false
  }
}

/** Does the key's own signature stand under it, whatever the algorithm? For telling self-signed from self-issued. */
export function isSignedBy(
  input: { readonly algorithm: Uint8Array; readonly data: Uint8Array; readonly signature: Uint8Array },
  key: KeyObject,
): boolean | 'unknown' {
  const resolved = resolveScheme(input.algorithm)
  if (!resolved.ok) return 'unknown'
  if (!KEY_TYPES[resolved.scheme.family].includes(key.asymmetricKeyType ?? '')) return false
  try {
    return verify(resolved.scheme.digest, input.data, nodeKey(resolved.scheme, key), input.signature)
  } catch {
    // A digest that this machine's policy switches off (SHA-1): nobody can say.
    return 'unknown'
  }
}

/** How a key signs, by its kind: digest and AlgorithmIdentifier. Throws SsmError `configuration` for other kinds. */
export function signingScheme(key: KeyObject): SignatureScheme {
  const type = key.asymmetricKeyType
  if (type === 'rsa') return { family: 'rsa', digest: 'sha256' }
  if (type === 'rsa-pss') return { family: 'pss', digest: 'sha256', saltLength: 32 }
  if (type === 'ec') return { family: 'ecdsa', digest: 'sha256' }
  if (type === 'ed25519') return { family: 'ed25519', digest: null }
  throw new SsmError('configuration', `keys of the type ${type ?? 'unknown'} cannot sign messages: use RSA or EC`)
}

/** Signs on the thread pool. */
export function signData(scheme: SignatureScheme, key: KeyObject, data: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign(scheme.digest, data, nodeKey(scheme, key), (error, signature) => {
      if (error === null) resolve(signature)
      else reject(error)
    })
  })
}

/** DER AlgorithmIdentifier of a scheme. */
export function encodeScheme(scheme: SignatureScheme): Buffer {
  if (scheme.family === 'pss') return encodePss(scheme)
  for (const [id, { family, digest }] of SCHEMES) {
    if (family !== scheme.family || digest !== scheme.digest) continue
    return family === 'rsa' ? sequence(oid(id), derNull) : sequence(oid(id))
  }
  throw new SsmError('internal', 'internal error: a signature scheme without an OID')
}

function encodePss({ digest, saltLength = 32 }: SignatureScheme): Buffer {
  const id = [...DIGESTS].find(([, name]) => name === digest)?.[0] ?? ''
  const hash = sequence(oid(id), derNull)
  const parameters = sequence(
    element(constructed(0), hash),
    element(constructed(1), sequence(oid(MGF1), hash)),
    element(constructed(2), integer(saltLength)),
  )
  return sequence(oid(RSASSA_PSS), parameters)
}
