/**
 * Revocation by CRLs (RFC 5280 sections 5 and 6.3).
 *
 * Every certificate of the path but the anchor needs good CRLs that together answer for all reasons. The anchor needs none:
 * RFC 5280 takes it on trust, and a root that revokes itself proves nothing. But when a good CRL of its own lists it, it
 * counts as revoked, as for `openssl verify -crl_check_all` (which also asks for that CRL where the anchor stands alone; we
 * do not: a deliberately self-signed deployment has none).
 */
import type { Certificate } from '../crypto/certificate.js'
import type { Crl, Revocation } from '../crypto/crl.js'
import { isSsmError } from '../errors.js'
import { ALL_REASONS, crlIssuersOf } from './crl-scope.js'
import { announcesDeltas, type CrlSources, examine, type Examined } from './crl-usable.js'
import type { Failure } from './path.js'

/** What is wrong, and the CA whose data are missing when fresh data would help. */
export type RevocationJudgement =
  | { readonly ok: true; readonly until: number }
  | { readonly ok: false; readonly failure: Failure; readonly missing?: string }

/** Judges every certificate of a path (leaf first) at the time of the sources. */
export function judgeRevocation(path: readonly Certificate[], sources: CrlSources): RevocationJudgement {
  let until = Infinity
  for (const index of path.keys()) {
    const judgement = judgeOne(path, index, sources)
    if (judgement.ok) until = Math.min(until, judgement.until)
    else if (index < path.length - 1 || judgement.failure.reason === 'revoked') return judgement
  }
  return { ok: true, until }
}

function judgeOne(path: readonly Certificate[], index: number, sources: CrlSources): RevocationJudgement {
  const certificate = path[index]
  if (certificate === undefined) return { ok: true, until: Infinity }
  const ca = certificate.issuer.slash
  const found = [...crlIssuersOf(certificate)].flatMap((key) => sources.crls.get(key) ?? [])
  const examined = found
    .filter(({ deltaBase }) => deltaBase === undefined)
    .map((crl) => examine(crl, deltasOf(crl, found), path, index, sources))
  const good = examined.filter(({ problem }) => problem === undefined)
  const covered = good.reduce((mask, { reasons }) => mask | reasons, 0)
  // Any good one that lists it counts, not only the newest: CAs with two keys publish a list for each under one name.
  // Where the good ones do not answer, an outdated one still counts against: who was revoked then is not good now.
  const decisive = covered === ALL_REASONS ? good : examined.filter((each) => good.includes(each) || each.outdated)
  for (const each of decisive) {
    const failure = listed(each, certificate)
    if (failure !== undefined) return { ok: false, failure }
  }
  if (covered === ALL_REASONS) return { ok: true, until: Math.min(...good.map(({ until }) => until)) }
  return { ok: false, failure: explain(examined, found, ca), missing: ca }
}

function deltasOf({ issuer }: Crl, found: readonly Crl[]): Crl[] {
  return found.filter((other) => other.deltaBase !== undefined && other.issuer.key === issuer.key)
}

/** Why there is no answer: age first, because that is what usually is wrong. */
function explain(examined: readonly Examined[], found: readonly Crl[], ca: string): Failure {
  const problems = examined.flatMap(({ problem }) => problem ?? [])
  const worst = problems.find(({ reason }) => reason === 'crl-outdated') ?? problems[0]
  if (worst !== undefined) return worst
  if (examined.length > 0) {
    return { reason: 'crl-missing', detail: `the CRLs of ${ca} answer for some reasons of revocation only` }
  }
  if (found.length > 0) return { reason: 'crl-invalid', detail: `of ${ca} there is only a delta CRL, without its base` }
  return { reason: 'crl-missing', detail: `there is no CRL of ${ca}` }
}

/** CRLReason removeFromCRL: the certificate is *not* revoked any more (section 5.3.1). */
const REMOVED = 8

/** What a CRL with its delta says of the certificate; the delta is asked first (section 6.3.3 (i) to (k)). */
function listed({ crl, delta }: Examined, certificate: Certificate): Failure | undefined {
  if (delta !== undefined) {
    const newer = findEntry(delta, certificate)
    if (newer !== undefined && newer !== 'damaged' && newer.reason === REMOVED) {
      if (announcesDeltas(certificate, crl)) return undefined
    } else if (newer !== undefined) return revoked(delta, certificate, newer)
  }
  const entry = findEntry(crl, certificate)
  if (entry === undefined || (entry !== 'damaged' && entry.reason === REMOVED)) return undefined
  return revoked(crl, certificate, entry)
}

function revoked(crl: Crl, { subject }: Certificate, entry: Revocation | 'damaged'): Failure {
  if (entry === 'damaged') {
    return { reason: 'revoked', detail: `${subject.slash} is in the CRL of ${crl.issuer.slash}, in a damaged entry` }
  }
  const date = new Date(entry.at).toISOString().replace('.000Z', 'Z')
  return { reason: 'revoked', detail: `${subject.slash} was revoked by ${crl.issuer.slash} on ${date}` }
}

/** The entry of the certificate: its serial number with its issuer. Of several, one that revokes. */
function findEntry(crl: Crl, { serial, issuer }: Certificate): Revocation | 'damaged' | undefined {
  try {
    const own = crl.find(serial).filter(({ issuers = [crl.issuer.key] }) => issuers.includes(issuer.key))
    return own.find(({ reason }) => reason !== REMOVED) ?? own[0]
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return 'damaged'
  }
}
