/**
 * Which CRLs may be believed for a certificate: signed by whom they must be, in time, understood as a whole, with the newest
 * delta CRL that builds upon each (RFC 5280 sections 5.2.4 and 6.3.3 (a) to (h)).
 */
import { type Certificate, EXTENSION, findExtension } from '../crypto/certificate.js'
import type { Crl } from '../crypto/crl.js'
import { type AlgorithmPolicy, verifySignature } from '../crypto/signature.js'
import { isSsmError } from '../errors.js'
import { reasonsCovered, scopeNames } from './crl-scope.js'
import { factsOf, USAGE } from './facts.js'
import type { Budget, Failure } from './path.js'

/** Everything a judgement of CRLs needs besides the certificate. */
export interface CrlSources {
  /** CRLs by the key of their issuer's name. */
  readonly crls: ReadonlyMap<string, readonly Crl[]>
  /** Certificates of this name that may sign CRLs, each with a good path to the anchor of the certificate's path. */
  readonly signers: (name: string) => readonly Certificate[]
  readonly policy: AlgorithmPolicy
  readonly budget: Budget
  /** ms since the epoch. */
  readonly at: number
}

/** A complete CRL in scope, with what is wrong with it. */
export interface Examined {
  readonly crl: Crl
  /** Reason flags it answers for. */
  readonly reasons: number
  readonly delta?: Crl
  readonly until: number
  readonly problem?: Failure
  /** Its age is the only problem. */
  readonly outdated: boolean
}

const date = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')

/** Judges one complete CRL for the certificate `path[index]`. `deltas`: delta CRLs of the same issuer. */
export function examine(
  crl: Crl,
  deltas: readonly Crl[],
  path: readonly Certificate[],
  index: number,
  sources: CrlSources,
): Examined {
  const [certificate] = path.slice(index)
  const nothing = { crl, reasons: 0, until: sources.at, outdated: false }
  const name = crl.issuer.slash
  const invalid = (detail: string): Examined => ({ ...nothing, problem: { reason: 'crl-invalid', detail } })
  if (certificate === undefined) return nothing
  const strange = notUnderstood(crl)
  if (strange !== undefined) return { ...nothing, problem: strange }
  const reasons = reasonsCovered(crl, certificate)
  if (typeof reasons === 'string') return invalid(`the CRL of ${name} ${reasons}`)
  const signer = findSigner(crl, path, index, sources)
  if (typeof signer === 'string') return invalid(`the CRL of ${name} ${signer}`)
  if (crl.thisUpdate > sources.at) return invalid(`the CRL of ${name} is dated in the future (${date(crl.thisUpdate)})`)
  if (crl.nextUpdate === undefined) return invalid(`the CRL of ${name} does not say until when it is good`)
  const delta = newestDelta(crl, deltas, signer, sources)
  const known = { crl, reasons, ...(delta === undefined ? {} : { delta }) }
  const current = isCurrent(crl, sources.at)
  const renewed = delta !== undefined && isCurrent(delta, sources.at) && announcesDeltas(certificate, crl)
  if (current || renewed) {
    const ends = [current ? crl.nextUpdate : Infinity, renewed ? (delta.nextUpdate ?? Infinity) : Infinity]
    return { ...known, until: Math.min(...ends), outdated: false }
  }
  const detail = `the CRL of ${name} is outdated since ${date(crl.nextUpdate)}`
  return { ...known, until: sources.at, outdated: true, problem: { reason: 'crl-outdated', detail } }
}

function isCurrent({ thisUpdate, nextUpdate }: Crl, at: number): boolean {
  // Whole seconds, as in certificates.
  return thisUpdate <= at && nextUpdate !== undefined && at - (at % 1000) <= nextUpdate
}

/** Sections 5.2 and 5.3: a list with a critical extension that is not understood says nothing about any certificate. */
function notUnderstood(crl: Crl): Failure | undefined {
  const name = crl.issuer.slash
  if (crl.unknownCritical !== undefined) {
    const detail = `the CRL of ${name} has the critical extension ${crl.unknownCritical}, which is not understood`
    return { reason: 'critical-extension', detail }
  }
  if (crl.indirectEntries && crl.scope?.indirect !== true) {
    return { reason: 'crl-invalid', detail: `the CRL of ${name} has entries of other CAs and is no indirect CRL` }
  }
  return undefined
}

/** May a delta CRL make a list newer, or take entries off it? Only where deltas are announced (section 6.3.3 (a)). */
export function announcesDeltas(certificate: Certificate, crl: Crl): boolean {
  return [certificate, crl].some(({ extensions }) => findExtension(extensions, EXTENSION.freshestCrl) !== undefined)
}

/** The newest delta CRL, by number, that may be put on top of this complete one. */
function newestDelta(crl: Crl, deltas: readonly Crl[], signer: Certificate, sources: CrlSources): Crl | undefined {
  let newest: Crl | undefined
  for (const delta of deltas) {
    if (!buildsUpon(delta, crl) || notUnderstood(delta) !== undefined || delta.thisUpdate > sources.at) continue
    if (newest !== undefined && numberOf(newest) >= numberOf(delta)) continue
    if (signedBy(delta, signer, sources) === undefined) newest = delta
  }
  return newest
}

function numberOf({ number }: Crl): bigint {
  return number === undefined ? -1n : BigInt(`0x${number}`)
}

/** Sections 5.2.4 and 6.3.3 (c): same issuer and scope, based on this list or an older one, and newer than it. */
function buildsUpon(delta: Crl, crl: Crl): boolean {
  if (delta.deltaBase === undefined || delta.number === undefined || crl.number === undefined) return false
  if (BigInt(`0x${delta.deltaBase}`) > numberOf(crl) || numberOf(delta) <= numberOf(crl)) return false
  if (delta.authorityKeyId !== crl.authorityKeyId) return false
  return scopeText(delta) === scopeText(crl)
}

function scopeText(crl: Crl): string {
  const { onlyUser, onlyCa, onlyAttribute, indirect, reasons } = crl.scope ?? {}
  const flags = [onlyUser, onlyCa, onlyAttribute, indirect].map((flag) => flag === true)
  return JSON.stringify([flags, reasons ?? null, [...(scopeNames(crl) ?? [])].sort()])
}

/**
 * Whose key signed the list: the issuer's of the path, that of another certificate of the path with the CRL's name, or a
 * separate key for CRLs (section 6.3.3 (f)). Else why nobody's.
 */
function findSigner(crl: Crl, path: readonly Certificate[], index: number, sources: CrlSources): Certificate | string {
  const { key } = crl.issuer
  // The anchor answers for itself. So may a certificate whose CA wrote its own name into cRLIssuer: the one of a CRL issuer.
  const own = path.slice(index, index + 1).filter(({ issuer }) => index === path.length - 1 || issuer.key !== key)
  const named = [...path.slice(index + 1), ...own].filter(({ subject }) => subject.key === key)
  let first: string | undefined
  for (const signer of named) {
    const problem = signedBy(crl, signer, sources)
    if (problem === undefined) return signer
    first ??= problem
  }
  for (const signer of sources.signers(key)) {
    if (signedBy(crl, signer, sources) === undefined) return signer
  }
  return first ?? 'is not signed by anybody whose path leads to the same CA'
}

/** Remembers which CRL was signed by which certificate: CRLs are large. */
const signatures = new WeakMap<Crl, Map<string, string | undefined>>()

function signedBy(crl: Crl, issuer: Certificate, { policy, budget }: CrlSources): string | undefined {
  const usage = factsOf(issuer).keyUsage
  if (usage !== undefined && (usage & USAGE.cRLSign) === 0)
    return 'is signed by a key that may not (keyUsage without cRLSign)'
  if (--budget.signatures < 0) return 'was not checked: too many signatures to check'
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
