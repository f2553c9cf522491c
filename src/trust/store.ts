/**
 * One snapshot of trust data that judges certificates (port.ts), with its verdict cache.
 */
import type { Certificate } from '../crypto/certificate.js'
import { type AlgorithmPolicy, isSignedBy } from '../crypto/signature.js'
import { isSsmError, SsmError } from '../errors.js'
import type { CaSnapshot } from './ca-directory.js'
import { factsOf, USAGE } from './facts.js'
import {
  type Budget,
  createBudget,
  createLinkVerifier,
  type Failure,
  isSameEntity,
  PathSearch,
  type Sources,
  type VerifyLink,
} from './path.js'
import { leftOutRoots } from './left-out.js'
import { judgePath } from './path-rules.js'
import { createPolicyJudge, type JudgePolicies, type SigningPolicyMode } from './policy-files.js'
import type { JudgeOptions, TrustStore, TrustVerdict } from './port.js'
import { judgeRevocation } from './revocation.js'
import { oncePer } from './once.js'

export interface TrustSettings extends AlgorithmPolicy {
  /** `hold`: a missing or outdated CRL is our trouble, judge again later. `require`: refuse. */
  readonly crlPolicy: 'hold' | 'require'
  /** SHA-1 signatures of CRLs. Default: as those of certificates. */
  readonly allowSha1Crls?: boolean
  /** Default `auto`. */
  readonly signingPolicy?: SigningPolicyMode
}

/** Longest time a good and a bad verdict are kept, ms (specs: 10 minutes, 60 s). */
const GOOD_FOR = 600_000
const BAD_FOR = 60_000
/** Verdicts kept. */
const MAX_VERDICTS = 10_000
/** Certificates of a message that are looked at. */
const MAX_CANDIDATES = 16
/** How deep judging a CRL signer's certificate may lead to another CRL signer's. */
const MAX_SIGNER_DEPTH = 2

interface Kept {
  readonly verdict: TrustVerdict
  readonly from: number
  readonly until: number
}

/** Everything one judgement needs of the snapshot. */
interface Snapshot {
  readonly sources: Omit<Sources, 'candidates'>
  readonly crls: ReadonlyMap<string, CaSnapshot['crls']>
  readonly settings: TrustSettings
  readonly verify: VerifyLink
  readonly judgePolicies: JudgePolicies
}

/** Makes the store of a snapshot. Throws SsmError `no-trust` when it holds no trust anchor. */
export function createTrustStore(data: CaSnapshot, settings: TrustSettings): TrustStore {
  if (!data.certificates.some(isSelfSigned)) {
    const [leftOut, ...more] = leftOutRoots(data, settings)
    const also = more.length === 0 ? '' : `, and ${more.length} more`
    const why = leftOut === undefined ? 'no path can end there' : `${leftOut}${also}`
    throw new SsmError('no-trust', `the CA directory ${data.path} holds no self-signed CA certificate: ${why}`)
  }
  const snapshot: Snapshot = {
    sources: { directory: groupBy(data.certificates, ({ subject }) => subject.key), isAnchor: isSelfSigned },
    crls: groupBy(data.crls, ({ issuer }) => issuer.key),
    settings,
    verify: createLinkVerifier(settings),
    judgePolicies: createPolicyJudge(
      data.policies,
      ({ fingerprint }) => data.stems.get(fingerprint) ?? [],
      settings.signingPolicy ?? 'auto',
    ),
  }
  const kept = new Map<string, Kept>()
  return {
    judge(certificate, options) {
      const id = cacheKey(certificate, options)
      const before = kept.get(id)
      if (before !== undefined && options.at >= before.from && options.at < before.until) return before.verdict
      const verdict = judge(snapshot, certificate, options, { budget: createBudget(), depth: 0 })
      const until = verdict.verdict === 'ok' ? verdict.until : options.at + BAD_FOR
      kept.delete(id)
      if (kept.size >= MAX_VERDICTS) for (const oldest of kept.keys()) if (kept.delete(oldest)) break
      kept.set(id, { verdict, from: options.at, until })
      return verdict
    },
  }
}

/** A verdict belongs to the leaf *and* the candidates: other candidates may find another path. */
function cacheKey({ fingerprint }: Certificate, { candidates = [], purpose, crls }: JudgeOptions): string {
  const others = candidates.slice(0, MAX_CANDIDATES).map((candidate) => candidate.fingerprint)
  return `${purpose} ${crls} ${fingerprint} ${others.sort().join(' ')}`
}

/** Judged when first asked: of 200 CAs a run needs one or two. */
const isSelfSigned = oncePer(checkSelfSigned)

/**
 * Self-signed: issuer is subject, key identifiers do not contradict, and its own key signed it. The algorithm does not
 * matter (many roots are self-signed with SHA-1); where this machine cannot check it, the identifiers decide.
 */
function checkSelfSigned(certificate: Certificate): boolean {
  const { subject, issuer, subjectKeyId, authorityKeyId } = certificate
  if (subject.key !== issuer.key || subject.key === '') return false
  if (authorityKeyId !== undefined && subjectKeyId !== undefined && authorityKeyId !== subjectKeyId) return false
  try {
    const { signatureAlgorithm: algorithm, tbs: data, signature, publicKey } = certificate
    return isSignedBy({ algorithm, data, signature }, publicKey) !== false
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    // A key that cannot be read can verify nothing below it.
    return false
  }
}

function groupBy<T>(list: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}

/** What a judgement may still cost, and how many judgements of CRL signers it is inside of. */
interface Effort {
  readonly budget: Budget
  readonly depth: number
}

type Refusal = Exclude<TrustVerdict, { verdict: 'ok' }>

/** Tries path after path; the first good one counts. Otherwise the most telling refusal does. */
function judge(snapshot: Snapshot, leaf: Certificate, options: JudgeOptions, effort: Effort): TrustVerdict {
  const { settings, verify } = snapshot
  const candidates = (options.candidates ?? []).slice(0, MAX_CANDIDATES)
  const search = new PathSearch({ ...snapshot.sources, candidates }, verify, options.at, effort.budget)
  let refusal: Refusal | undefined
  for (const path of search.paths(leaf)) {
    const failure = judgePath(path, {
      at: options.at,
      purpose: options.purpose,
      policy: settings,
      budget: effort.budget,
    })
    const verdict = failure === undefined ? judgeFurther(snapshot, path, options, effort) : refuse(failure)
    if (verdict.verdict === 'ok') return verdict
    // Waiting may still make it good; among refusals the first path is the likeliest one.
    if (refusal === undefined || (refusal.verdict === 'no' && verdict.verdict === 'hold')) refusal = verdict
  }
  return refusal ?? refuse(likeliest(search.failures))
}

function refuse({ reason, detail }: Failure): Refusal {
  return { verdict: 'no', reason, detail }
}

/** A link that is refused for its algorithm tells more than a missing issuer elsewhere. */
function likeliest(failures: readonly Failure[]): Failure {
  const algorithm = failures.find(({ reason }) => reason === 'algorithm')
  return algorithm ?? failures[0] ?? { reason: 'untrusted', detail: 'no path to a CA of the CA directory' }
}

/** Signing policies, then revocation. */
function judgeFurther(
  snapshot: Snapshot,
  path: readonly Certificate[],
  options: JudgeOptions,
  effort: Effort,
): TrustVerdict {
  const { settings, judgePolicies } = snapshot
  const named = judgePolicies(path)
  if (named.ok) return judgeCrls(snapshot, path, options, effort, named.policed)
  // A damaged policy file is our trouble: mended, it may still grant the name.
  if (!named.ours || settings.crlPolicy === 'require') return refuse(named.failure)
  return { verdict: 'hold', ...named.failure, ca: path[1]?.subject.slash ?? '' }
}

function judgeCrls(
  snapshot: Snapshot,
  path: readonly Certificate[],
  options: JudgeOptions,
  effort: Effort,
  policed: boolean,
): TrustVerdict {
  const { at } = options
  let until = Math.min(at + GOOD_FOR, ...path.map(({ notAfter }) => notAfter))
  if (options.crls) {
    const { crls, settings } = snapshot
    const policy = { allowSha1: settings.allowSha1Crls ?? settings.allowSha1, allowWeak: settings.allowWeak }
    const signers = rememberSigners((name) => crlSigners(snapshot, name, path, at, effort))
    const judgement = judgeRevocation(path, { crls, policy, signers, budget: effort.budget, at })
    if (!judgement.ok) {
      const { failure, missing } = judgement
      if (missing === undefined || settings.crlPolicy === 'require') return refuse(failure)
      return { verdict: 'hold', ...failure, ca: missing }
    }
    until = Math.min(until, judgement.until)
  }
  return { verdict: 'ok', path, until, policed }
}

function rememberSigners(find: (name: string) => readonly Certificate[]): (name: string) => readonly Certificate[] {
  const known = new Map<string, readonly Certificate[]>()
  return (name) => {
    const before = known.get(name)
    if (before !== undefined) return before
    const found = find(name)
    known.set(name, found)
    return found
  }
}

/**
 * Certificates of the directory that may sign CRLs under a name: a separate key of the same CA, or the issuer of indirect
 * CRLs. Their paths must end where the judged one does (RFC 5280 section 6.3.3 (f)).
 */
function crlSigners(
  snapshot: Snapshot,
  name: string,
  path: readonly Certificate[],
  at: number,
  { budget, depth }: Effort,
): readonly Certificate[] {
  if (depth >= MAX_SIGNER_DEPTH) return []
  const anchor = path[path.length - 1]
  const named = snapshot.sources.directory.get(name) ?? []
  return named.filter((signer) => {
    const usage = factsOf(signer).keyUsage
    if (usage !== undefined && (usage & USAGE.cRLSign) === 0) return false
    if (path.some(({ fingerprint }) => fingerprint === signer.fingerprint)) return false
    const verdict = judge(snapshot, signer, { at, purpose: 'any', crls: true }, { budget, depth: depth + 1 })
    const end = verdict.verdict === 'ok' ? verdict.path[verdict.path.length - 1] : undefined
    return end !== undefined && anchor !== undefined && isSameEntity(end, anchor)
  })
}
