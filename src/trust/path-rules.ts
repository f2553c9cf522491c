/**
 * The rules a certification path must keep (RFC 5280 section 6.1), for paths whose names chain and whose signatures hold.
 */
import type { Certificate } from '../crypto/certificate.js'
import { type AlgorithmPolicy, refusedKey } from '../crypto/signature.js'
import { isSsmError } from '../errors.js'
import { factsOf, USAGE } from './facts.js'
import { forbiddenName } from './name-constraints.js'
import type { Budget, Failure } from './path.js'
import { judgePolicies } from './policy-tree.js'
import type { Purpose } from './port.js'

export interface PathRules {
  /** ms since the epoch. */
  readonly at: number
  readonly purpose: Purpose
  readonly policy: AlgorithmPolicy
  readonly budget: Budget
}

/** The rules of RFC 5280 section 6.1 for a path whose signatures hold. undefined: it keeps them. */
export function judgePath(
  path: readonly Certificate[],
  { at, purpose, policy, budget }: PathRules,
): Failure | undefined {
  for (const [index, certificate] of path.entries()) {
    const failure =
      judgeDates(certificate, at) ??
      judgeExtensions(certificate) ??
      (index === path.length - 1 ? undefined : judgeHolder(certificate)) ??
      (index === 0 ? undefined : judgeIssuer(path, index)) ??
      judgeNames(path, index, budget)
    if (failure !== undefined) return failure
  }
  const [leaf] = path
  if (leaf === undefined) return { reason: 'untrusted', detail: 'an empty path' }
  return (
    judgeTree(path) ??
    judgeLeafKey(leaf, policy) ??
    (purpose === 'signer' ? judgeSigner(leaf, path.length === 1) : undefined)
  )
}

function judgeDates({ notBefore, notAfter, subject }: Certificate, at: number): Failure | undefined {
  const date = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
  // Times of certificates are whole seconds, the last one included (RFC 5280 section 4.1.2.5).
  if (at - (at % 1000) > notAfter) return { reason: 'expired', detail: `${subject.slash} expired on ${date(notAfter)}` }
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
  return undefined
}

/** What only a CA may carry (RFC 5280 sections 4.2.1.9 and 4.2.1.10). */
function judgeHolder(certificate: Certificate): Failure | undefined {
  const { slash } = certificate.subject
  const { basic, keyUsage, nameConstraints } = factsOf(certificate)
  if (basic?.ca === true) return undefined
  if (nameConstraints !== undefined) {
    return { reason: 'constraints', detail: `${slash} has name constraints and is not a CA (basicConstraints)` }
  }
  if (basic !== undefined && keyUsage !== undefined && (keyUsage & USAGE.keyCertSign) !== 0) {
    return { reason: 'constraints', detail: `${slash} has keyCertSign (keyUsage) and is not a CA (basicConstraints)` }
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
function judgeNames(path: readonly Certificate[], index: number, budget: Budget): Failure | undefined {
  const certificate = path[index]
  const constraints = certificate === undefined ? undefined : factsOf(certificate).nameConstraints
  if (certificate === undefined || constraints === undefined) return undefined
  for (const [depth, below] of path.slice(0, index).entries()) {
    if (depth > 0 && factsOf(below).selfIssued) continue
    try {
      const name = forbiddenName(below, constraints, budget)
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

/** The anchor is no part of the path that RFC 5280 section 6.1 judges: what it says of policies binds nobody. */
function judgeTree(path: readonly Certificate[]): Failure | undefined {
  const steps = path.slice(0, -1).reverse()
  const detail = judgePolicies(
    steps.map((certificate) => {
      const { selfIssued, policies } = factsOf(certificate)
      return { certificate, selfIssued, facts: policies }
    }),
  )
  return detail === undefined ? undefined : { reason: 'policy', detail }
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
