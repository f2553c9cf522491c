/**
 * Certification paths: the search for one, bounded, with issuers tried by likelihood. Signatures are checked while searching,
 * so that only links that hold are followed. The rules a path must keep are in path-rules.ts.
 */
import type { Certificate } from '../crypto/certificate.js'
import { type AlgorithmPolicy, resolveScheme, type SignatureJudgement, verifySignature } from '../crypto/signature.js'
import { isSsmError } from '../errors.js'
import type { Reason } from '../message.js'

/** Why something is not good. */
export interface Failure {
  readonly reason: Reason
  readonly detail: string
}

/** Longest path. */
const MAX_PATH = 16
/** Most signatures one judgement may check, CRLs included: at two milliseconds for the largest keys, under half a second. */
const MAX_SIGNATURES = 200
/** Most comparisons of a name with a name constraint, about a microsecond each. */
const MAX_COMPARISONS = 200_000
/** Most reasons kept why paths came to nothing. */
const MAX_FAILURES = 100
/** Most extensions of a path one judgement may try. */
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

/** What is left of the work one judgement may cost; the searches for CRL signers inside it draw on the same. */
export interface Budget {
  signatures: number
  steps: number
  comparisons: number
}

export function createBudget(): Budget {
  return { signatures: MAX_SIGNATURES, steps: MAX_STEPS, comparisons: MAX_COMPARISONS }
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
  const { signatureAlgorithm: algorithm, tbs: data, signature } = child
  // First, because the key of an algorithm that is not accepted (DSA with inherited parameters) may not even be readable.
  const resolved = resolveScheme(algorithm)
  if (!resolved.ok) return resolved
  try {
    return verifySignature({ algorithm, data, signature, key: issuer.publicKey }, policy)
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return { ok: false, reason: 'algorithm', detail: `cannot be checked: ${error.message}` }
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
  readonly #budget: Budget

  constructor(sources: Sources, verify: VerifyLink, at: number, budget: Budget) {
    this.#sources = sources
    this.#verify = verify
    this.#at = at
    this.#budget = budget
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
      if (--this.#budget.steps < 0 || --this.#budget.signatures < 0) {
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
    if (this.failures.length < MAX_FAILURES) this.failures.push(failure)
  }
}

/** The same name with the same key need not stand in a path twice (RFC 4158 section 2.4.1). */
export function isSameEntity(a: Certificate, b: Certificate): boolean {
  return a.fingerprint === b.fingerprint || (a.subject.key === b.subject.key && Buffer.compare(a.spki, b.spki) === 0)
}
