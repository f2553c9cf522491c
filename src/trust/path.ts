/**
 * Certification paths: the search for one (bounded, with issuers tried by likelihood) and the rules it must keep
 * (RFC 5280 section 6.1). Signatures are checked while searching, so that only links that hold are followed.
 */
import type { Certificate } from '../crypto/certificate.js'
import { type AlgorithmPolicy, refusedKey, type SignatureJudgement, verifySignature } from '../crypto/signature.js'
import { isSsmError } from '../errors.js'
import type { Reason } from '../message.js'
import { factsOf, USAGE } from './facts.js'
import { forbiddenName } from './name-constraints.js'
import type { Purpose } from './port.js'

/** Why something is not good. */
export interface Failure {
  readonly reason: Reason
  readonly detail: string
}

/** Longest path. */
const MAX_PATH = 16
/** Most signatures one search may check: at a millisecond for the largest keys, well under a second in all. */
const MAX_SIGNATURES = 100
/** Most extensions of a path one search may try. */
const MAX_STEPS = 1000

/** Where issuers come from. */
export interface Sources {
  /** Certificates of the directory, by subject key. */
  readonly directory: ReadonlyMap<string, readonly Certificate[]>
  /** May a path end in this certificate of the directory? */
  readonly isAnchor: (certificate: Certificate) => boolean
  /** Certificates of the message. */
  readonly candidates: readonly Certificate[]
}

export type VerifyLink = (child: Certificate, issuer: Certificate) => SignatureJudgement

/** Remembers which links hold: the same CAs sign again and again. Bounded. */
export function createLinkVerifier(policy: AlgorithmPolicy, capacity = 10_000): VerifyLink {
  const known = new Map<string, SignatureJudgement>()
  return (child, issuer) => {
    const id = child.fingerprint + issuer.fingerprint
    const before = known.get(id)
    if (before !== undefined) return before
    const judgement = verifyLink(child, issuer, policy)
    if (known.size >= capacity) known.clear()
    known.set(id, judgement)
    return judgement
  }
}

function verifyLink(child: Certificate, issuer: Certificate, policy: AlgorithmPolicy): SignatureJudgement {
  try {
    const { signatureAlgorithm: algorithm, tbs: data, signature } = child
    return verifySignature({ algorithm, data, signature, key: issuer.publicKey }, policy)
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return { ok: false, reason: 'malformed', detail: `cannot be checked: ${error.message}` }
  }
}

/**
 * One search. Iterating yields paths, leaf first and anchor last, whose names chain and whose signatures hold;
 * `failures` tells afterwards what stood in the way of others.
 */
export class PathSearch {
  readonly failures: Failure[] = []
  readonly #sources: Sources
  readonly #verify: VerifyLink
  readonly #at: number
  #signatures = 0
  #steps = 0

  constructor(sources: Sources, verify: VerifyLink, at: number) {
    this.#sources = sources
    this.#verify = verify
    this.#at = at
  }

  *paths(leaf: Certificate): Generator<readonly Certificate[]> {
    yield* this.#extend([leaf])
  }

  *#extend(path: readonly Certificate[]): Generator<readonly Certificate[]> {
    const last = path[path.length - 1]
    if (last === undefined) return
    if (this.#isAnchor(last)) {
      yield path
      return
    }
    if (path.length >= MAX_PATH) {
      this.#fail({ reason: 'untrusted', detail: `the path is longer than ${MAX_PATH} certificates` })
      return
    }
    const issuers = this.#issuersOf(last).filter((issuer) => !path.some((other) => isSameEntity(other, issuer)))
    if (issuers.length === 0) this.#failUnknown(last)
    for (const issuer of issuers) {
      if (++this.#steps > MAX_STEPS || this.#signatures >= MAX_SIGNATURES) {
        this.#fail({ reason: 'untrusted', detail: 'the search for a path was given up: too many possible issuers' })
        return
      }
      if (this.#holds(last, issuer)) yield* this.#extend([...path, issuer])
    }
  }

  /** The leaf may be a copy of one of the directory: what counts is the bytes. */
  #isAnchor({ subject, fingerprint }: Certificate): boolean {
    const own = this.#sources.directory.get(subject.key) ?? []
    return own.some((certificate) => certificate.fingerprint === fingerprint && this.#sources.isAnchor(certificate))
  }

  /** All certificates of the issuer's name: the directory's, then the message's; likely ones and anchors first. */
  #issuersOf(child: Certificate): Certificate[] {
    const { key } = child.issuer
    // An empty issuer name (RFC 5280 section 4.1.2.4 forbids it) chains to nothing.
    if (key === '') return []
    const { directory, candidates } = this.#sources
    const sent = candidates.filter(({ subject }) => subject.key === key)
    const found = [...(directory.get(key) ?? []), ...sent]
    const seen = new Set<string>()
    return found
      .filter(({ fingerprint }) => !seen.has(fingerprint) && seen.add(fingerprint).size > 0)
      .map((issuer, order) => ({ issuer, order, rank: this.#rank(child, issuer) }))
      .sort((a, b) => a.rank - b.rank || a.order - b.order)
      .map(({ issuer }) => issuer)
  }

  /** Key identifiers are hints, not proof (RFC 5280 section 4.2.1.1): a mismatch is tried last. */
  #rank({ authorityKeyId }: Certificate, issuer: Certificate): number {
    const { subjectKeyId, notBefore, notAfter } = issuer
    const known = authorityKeyId !== undefined && subjectKeyId !== undefined
    const byKey = !known ? 4 : authorityKeyId === subjectKeyId ? 0 : 8
    const inDate = this.#at >= notBefore && this.#at <= notAfter
    return (byKey << 2) + (inDate ? 0 : 2) + (issuer.subject.key === issuer.issuer.key ? 0 : 1)
  }

  #holds(child: Certificate, issuer: Certificate): boolean {
    this.#signatures++
    const judgement = this.#verify(child, issuer)
    if (judgement.ok) return true
    const detail = `the signature of ${issuer.subject.slash} on the certificate of ${child.subject.slash} ${judgement.detail}`
    // `signature` is about the message: a certificate that its alleged issuer did not sign is an untrusted one.
    this.#fail({ reason: judgement.reason === 'algorithm' ? 'algorithm' : 'untrusted', detail })
    return false
  }

  #failUnknown({ subject, issuer }: Certificate): void {
    const detail =
      subject.key === issuer.key
        ? `${subject.slash} is self-signed and not in the CA directory`
        : `the CA directory has no certificate of ${issuer.slash}, the issuer of ${subject.slash}`
    this.#fail({ reason: 'untrusted', detail })
  }

  #fail(failure: Failure): void {
    if (this.failures.length < MAX_SIGNATURES) this.failures.push(failure)
  }
}

/** The same name with the same key need not stand in a path twice (RFC 4158 section 2.4.1). */
function isSameEntity(a: Certificate, b: Certificate): boolean {
  return a.fingerprint === b.fingerprint || (a.subject.key === b.subject.key && Buffer.compare(a.spki, b.spki) === 0)
}

/** The rules of RFC 5280 section 6.1 for a path whose signatures hold. undefined: it keeps them. */
export function judgePath(
  path: readonly Certificate[],
  { at, purpose, policy }: { readonly at: number; readonly purpose: Purpose; readonly policy: AlgorithmPolicy },
): Failure | undefined {
  for (const [index, certificate] of path.entries()) {
    const failure =
      judgeDates(certificate, at) ??
      judgeExtensions(certificate) ??
      (index === 0 ? undefined : judgeIssuer(path, index)) ??
      judgeNames(path, index)
    if (failure !== undefined) return failure
  }
  const [leaf] = path
  if (leaf === undefined) return { reason: 'untrusted', detail: 'an empty path' }
  return judgeLeafKey(leaf, policy) ?? (purpose === 'signer' ? judgeSigner(leaf, path.length === 1) : undefined)
}

function judgeDates({ notBefore, notAfter, subject }: Certificate, at: number): Failure | undefined {
  const date = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
  if (at > notAfter) return { reason: 'expired', detail: `${subject.slash} expired on ${date(notAfter)}` }
  if (at < notBefore)
    return { reason: 'not-yet-valid', detail: `${subject.slash} is valid only from ${date(notBefore)}` }
  return undefined
}

function judgeExtensions(certificate: Certificate): Failure | undefined {
  const { slash } = certificate.subject
  const facts = factsOf(certificate)
  if (facts.damaged !== undefined) return { reason: 'malformed', detail: `${slash}: ${facts.damaged}` }
  if (facts.unknownCritical !== undefined) {
    const detail = `${slash} has the critical extension ${facts.unknownCritical}, which is not understood`
    return { reason: 'critical-extension', detail }
  }
  if (facts.policyConstraints) {
    return { reason: 'policy', detail: `${slash} asks for certificate policies that cannot be granted` }
  }
  return undefined
}

/**
 * May path[index] issue what is below it? The anchor is judged by the same rules although RFC 5280 section 6.1 takes it on
 * trust: OpenSSL does too, and whoever writes pathLen into a root means it. Only basicConstraints may be missing in an
 * anchor: roots of version 1 have none.
 */
function judgeIssuer(path: readonly Certificate[], index: number): Failure | undefined {
  const certificate = path[index]
  if (certificate === undefined) return undefined
  const { slash } = certificate.subject
  const { basic, keyUsage } = factsOf(certificate)
  const isAnchor = index === path.length - 1
  const mayLack = isAnchor && (certificate.version === 1 || keyUsage !== undefined)
  if (basic === undefined ? !mayLack : !basic.ca) {
    return { reason: 'constraints', detail: `${slash} is not a CA (basicConstraints) and has issued a certificate` }
  }
  if (keyUsage !== undefined && (keyUsage & USAGE.keyCertSign) === 0) {
    return { reason: 'constraints', detail: `${slash} may not sign certificates (keyUsage without keyCertSign)` }
  }
  // Intermediates below it that are not self-issued; the last certificate does not count (RFC 5280 section 4.2.1.9).
  const below = path.slice(1, index).filter((other) => !factsOf(other).selfIssued).length
  if (basic?.pathLength !== undefined && below > basic.pathLength) {
    const detail = `${slash} allows ${basic.pathLength} CAs below it (pathLenConstraint), the path has ${below}`
    return { reason: 'constraints', detail }
  }
  return undefined
}

/** Name constraints of path[index] over everything below it; self-issued intermediates are exempt (section 6.1.3). */
function judgeNames(path: readonly Certificate[], index: number): Failure | undefined {
  const certificate = path[index]
  const constraints = certificate === undefined ? undefined : factsOf(certificate).nameConstraints
  if (certificate === undefined || constraints === undefined) return undefined
  for (const [depth, below] of path.slice(0, index).entries()) {
    if (depth > 0 && factsOf(below).selfIssued) continue
    try {
      const name = forbiddenName(below, constraints)
      if (name === undefined) continue
      const detail = `${certificate.subject.slash} may not speak for ${name} (name constraints)`
      return { reason: 'constraints', detail }
    } catch (error) {
      if (!isSsmError(error, 'malformed')) throw error
      return { reason: 'malformed', detail: `${below.subject.slash}: ${error.message}` }
    }
  }
  return undefined
}

function judgeLeafKey(leaf: Certificate, policy: AlgorithmPolicy): Failure | undefined {
  try {
    const refused = refusedKey(leaf.publicKey, policy)
    return refused === undefined
      ? undefined
      : { reason: 'algorithm', detail: `the key of ${leaf.subject.slash} ${refused}` }
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return { reason: 'algorithm', detail: `${leaf.subject.slash}: ${error.message}` }
  }
}

/** What grid host certificates carry: any of these will do for signing. */
const SIGNER_USAGES: ReadonlySet<string> = new Set([
  '2.5.29.37.0',
  '1.3.6.1.5.5.7.3.1',
  '1.3.6.1.5.5.7.3.2',
  '1.3.6.1.5.5.7.3.4',
])

/** A signer of messages. `isAnchor`: a self-signed certificate that an operator put into the CA directory for itself. */
function judgeSigner(leaf: Certificate, isAnchor: boolean): Failure | undefined {
  const { slash } = leaf.subject
  const { basic, keyUsage, extendedKeyUsage } = factsOf(leaf)
  if (basic?.ca === true && !isAnchor) return { reason: 'purpose', detail: `${slash} is a CA certificate` }
  if (keyUsage !== undefined && (keyUsage & (USAGE.digitalSignature | USAGE.nonRepudiation)) === 0) {
    return { reason: 'purpose', detail: `${slash} may not sign (keyUsage without digitalSignature and nonRepudiation)` }
  }
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.some((usage) => SIGNER_USAGES.has(usage))) {
    return { reason: 'purpose', detail: `${slash} is not for servers, clients or e-mail (extendedKeyUsage)` }
  }
  return undefined
}
