/**
 * Revocation by CRLs (RFC 5280 sections 5 and 6.3).
 *
 * Every certificate of the path but the anchor needs a good CRL of its issuer. The anchor needs none: RFC 5280 takes it on
 * trust, and a root that revokes itself proves nothing. But when a good CRL of its own lists it, it counts as revoked, as
 * for `openssl verify -crl_check_all` (which also asks for that CRL where the anchor stands alone; we do not: a deliberately
 * self-signed deployment has none).
 *
 * What is not a complete CRL for all reasons (delta, indirect, some reasons only) never makes a certificate good.
 */
import type { Certificate } from '../crypto/certificate.js'
import type { Crl, Revocation } from '../crypto/crl.js'
import { type AlgorithmPolicy, verifySignature } from '../crypto/signature.js'
import { isSsmError } from '../errors.js'
import { covers } from './crl-scope.js'
import { factsOf, USAGE } from './facts.js'
import type { Failure } from './path.js'

/** What is wrong, and the CA whose data are missing when fresh data would help. */
export type RevocationJudgement =
  | { readonly ok: true; readonly until: number }
  | { readonly ok: false; readonly failure: Failure; readonly missing?: string }

export interface CrlSources {
  /** CRLs by the key of their issuer's name. */
  readonly crls: ReadonlyMap<string, readonly Crl[]>
  /** Other certificates of this name that may sign CRLs, each with a good path to this anchor. */
  readonly signers: (issuer: Certificate, anchor: Certificate) => readonly Certificate[]
  readonly policy: AlgorithmPolicy
}

type Usable = { readonly crl: Crl; readonly problem?: Failure & { readonly fresh: boolean } }

/** Remembers which CRL was signed by which certificate: CRLs are large. */
const signatures = new WeakMap<Crl, Map<string, string | undefined>>()

/** Judges every certificate of a path at a time. */
export function judgeRevocation(path: readonly Certificate[], at: number, sources: CrlSources): RevocationJudgement {
  const anchor = path[path.length - 1]
  let until = Infinity
  for (const [index, certificate] of path.entries()) {
    const issuer = path[index + 1] ?? certificate
    const judgement = judgeOne(certificate, issuer, anchor ?? issuer, at, sources)
    if (judgement.ok) until = Math.min(until, judgement.until)
    else if (certificate !== anchor || judgement.failure.reason === 'revoked') return judgement
  }
  return { ok: true, until }
}

function judgeOne(
  certificate: Certificate,
  issuer: Certificate,
  anchor: Certificate,
  at: number,
  sources: CrlSources,
): RevocationJudgement {
  const ca = certificate.issuer.slash
  const found = sources.crls.get(certificate.issuer.key) ?? []
  if (found.length === 0) {
    return { ok: false, failure: { reason: 'crl-missing', detail: `there is no CRL of ${ca}` }, missing: ca }
  }
  const looked = found.map((crl) => examine(crl, certificate, issuer, anchor, at, sources))
  const good = looked.filter(({ problem }) => problem === undefined)
  // Any good one that lists it counts, not only the newest: CAs with two keys publish a list for each under one name.
  // Without a good one an outdated one still counts against: who was revoked then is not good now.
  const decisive = good.length > 0 ? good : looked.filter(({ problem }) => problem?.fresh === false)
  for (const { crl } of decisive) {
    const failure = listed(crl, certificate)
    if (failure !== undefined) return { ok: false, failure }
  }
  if (good.length > 0) return { ok: true, until: Math.min(...good.map(({ crl }) => crl.nextUpdate ?? at)) }
  const problems = looked.flatMap(({ problem }) => problem ?? [])
  const worst = problems.find(({ fresh }) => !fresh) ?? problems[0]
  const failure = {
    reason: worst?.reason ?? 'crl-missing',
    detail: worst?.detail ?? `there is no CRL of ${ca}`,
  } as const
  return { ok: false, failure, missing: ca }
}

/** CRLReason removeFromCRL: the certificate is *not* revoked any more (delta CRLs). */
const REMOVED = 8

function listed(crl: Crl, certificate: Certificate): Failure | undefined {
  const { slash } = certificate.subject
  let entries: readonly Revocation[]
  try {
    entries = crl.find(certificate.serial)
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return { reason: 'revoked', detail: `${slash} is in the CRL of ${crl.issuer.slash}: ${error.message}` }
  }
  const entry = entries.find(({ reason }) => reason !== REMOVED)
  if (entry === undefined) return undefined
  const date = new Date(entry.at).toISOString().replace('.000Z', 'Z')
  return { reason: 'revoked', detail: `${slash} was revoked by ${crl.issuer.slash} on ${date}` }
}

/** Can this CRL make the certificate good? `fresh: false` marks the one problem that is only its age. */
function examine(
  crl: Crl,
  certificate: Certificate,
  issuer: Certificate,
  anchor: Certificate,
  at: number,
  sources: CrlSources,
): Usable {
  const name = crl.issuer.slash
  const invalid = (detail: string): Usable => ({ crl, problem: { reason: 'crl-invalid', detail, fresh: true } })
  if (crl.unknownCritical !== undefined) {
    const detail = `the CRL of ${name} has the critical extension ${crl.unknownCritical}, which is not understood`
    return { crl, problem: { reason: 'critical-extension', detail, fresh: true } }
  }
  const unscoped = covers(crl, certificate)
  if (unscoped !== undefined) return invalid(`the CRL of ${name} ${unscoped}`)
  const unsigned = signatureProblem(crl, issuer, anchor, sources)
  if (unsigned !== undefined) return invalid(`the CRL of ${name} ${unsigned}`)
  const date = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
  if (crl.thisUpdate > at) return invalid(`the CRL of ${name} is dated in the future (${date(crl.thisUpdate)})`)
  if (crl.nextUpdate === undefined) return invalid(`the CRL of ${name} does not say until when it is good`)
  if (crl.nextUpdate < at) {
    const detail = `the CRL of ${name} is outdated since ${date(crl.nextUpdate)}`
    return { crl, problem: { reason: 'crl-outdated', detail, fresh: false } }
  }
  return { crl }
}

/** Signed by the issuer of the path, or by a separate CRL signing key of the same CA. undefined: it is. */
function signatureProblem(crl: Crl, issuer: Certificate, anchor: Certificate, sources: CrlSources): string | undefined {
  const first = signedBy(crl, issuer, sources.policy)
  if (first === undefined) return undefined
  const other = sources.signers(issuer, anchor).some((signer) => signedBy(crl, signer, sources.policy) === undefined)
  return other ? undefined : first
}

function signedBy(crl: Crl, issuer: Certificate, policy: AlgorithmPolicy): string | undefined {
  const usage = factsOf(issuer).keyUsage
  if (usage !== undefined && (usage & USAGE.cRLSign) === 0)
    return 'is signed by a key that may not (keyUsage without cRLSign)'
  const id = `${issuer.fingerprint} ${policy.allowSha1} ${policy.allowWeak}`
  const known = signatures.get(crl) ?? new Map<string, string | undefined>()
  signatures.set(crl, known)
  if (known.has(id)) return known.get(id)
  const problem = checkSignature(crl, issuer, policy)
  known.set(id, problem)
  return problem
}

function checkSignature(crl: Crl, issuer: Certificate, policy: AlgorithmPolicy): string | undefined {
  try {
    const { signatureAlgorithm: algorithm, tbs: data, signature } = crl
    const judgement = verifySignature({ algorithm, data, signature, key: issuer.publicKey }, policy)
    return judgement.ok ? undefined : `has a signature that ${judgement.detail}`
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return `cannot be checked: ${error.message}`
  }
}
