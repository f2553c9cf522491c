/**
 * What a certificate says about certificate policies (RFC 5280 sections 4.2.1.4, 4.2.1.5, 4.2.1.11 and 4.2.1.14). Facts
 * only; policy-tree.ts judges. Throws SsmError `malformed`.
 */
import { type Certificate, EXTENSION, enterExtension, findExtension } from '../crypto/certificate.js'
import { context, countInteger, malformed, parseDer, TAG } from '../crypto/der.js'
import { decodeOid } from '../crypto/oid.js'

export const ANY_POLICY = '2.5.29.32.0'

/** Most policies, and most mappings, of one certificate. Real ones have under 10. */
const MAX_POLICIES = 1000

export interface PolicyFacts {
  /** Policies asserted; undefined: the extension is absent. */
  readonly policies?: ReadonlySet<string>
  /** A critical certificatePolicies has a qualifier that is not understood: it must not be accepted (section 4.2.1.4). */
  readonly unknownQualifier?: string
  /** Pairs issuerDomainPolicy, subjectDomainPolicy. */
  readonly mappings: readonly (readonly [from: string, to: string])[]
  /** SkipCerts of policyConstraints and inhibitAnyPolicy. */
  readonly requireExplicit?: number
  readonly inhibitMapping?: number
  readonly inhibitAny?: number
}

/** cPSuri and userNotice are there to be shown; nobody looks here. */
const QUALIFIERS: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2'])

const WHAT = 'a policy extension of the certificate'

/** Reads the four extensions. Throws SsmError `malformed`. */
export function readPolicyFacts(certificate: Certificate): PolicyFacts {
  const asserted = readPolicies(certificate)
  return {
    ...asserted,
    mappings: readMappings(certificate),
    ...readConstraints(certificate),
    ...readInhibitAny(certificate),
  }
}

function readPolicies(certificate: Certificate): Pick<PolicyFacts, 'policies' | 'unknownQualifier'> {
  const list = enterExtension(certificate.extensions, EXTENSION.certificatePolicies, WHAT)
  if (list === undefined) return {}
  const policies = new Set<string>()
  let unknown: string | undefined
  while (!list.done) {
    const policy = list.enter(TAG.sequence)
    const id = decodeOid(policy.next(TAG.oid).value, WHAT)
    const qualifiers = policy.enterOptional(TAG.sequence)
    policy.finish()
    while (qualifiers?.done === false) {
      const qualifier = qualifiers.enter(TAG.sequence)
      const kind = decodeOid(qualifier.next(TAG.oid).value, WHAT)
      qualifier.any()
      qualifier.finish()
      if (!QUALIFIERS.has(kind)) unknown ??= kind
    }
    // Section 4.2.1.4: a policy must not appear more than once.
    if (policies.has(id)) throw malformed(WHAT, `names the policy ${id} twice`)
    if (policies.size >= MAX_POLICIES) throw malformed(WHAT, `names more than ${MAX_POLICIES} policies`)
    policies.add(id)
  }
  if (policies.size === 0) throw malformed(WHAT, 'is an empty list of policies')
  const critical = findExtension(certificate.extensions, EXTENSION.certificatePolicies)?.critical === true
  return { policies, ...(critical && unknown !== undefined ? { unknownQualifier: unknown } : {}) }
}

function readMappings(certificate: Certificate): PolicyFacts['mappings'] {
  const list = enterExtension(certificate.extensions, EXTENSION.policyMappings, WHAT)
  const mappings: [string, string][] = []
  while (list?.done === false) {
    const pair = list.enter(TAG.sequence)
    const from = decodeOid(pair.next(TAG.oid).value, WHAT)
    const to = decodeOid(pair.next(TAG.oid).value, WHAT)
    pair.finish()
    if (mappings.length >= MAX_POLICIES) throw malformed(WHAT, `maps more than ${MAX_POLICIES} policies`)
    mappings.push([from, to])
  }
  if (list !== undefined && mappings.length === 0) throw malformed(WHAT, 'is an empty list of mappings')
  return mappings
}

function readConstraints(certificate: Certificate): Pick<PolicyFacts, 'requireExplicit' | 'inhibitMapping'> {
  const reader = enterExtension(certificate.extensions, EXTENSION.policyConstraints, WHAT)
  if (reader === undefined) return {}
  const explicit = reader.optional(context(0))
  const mapping = reader.optional(context(1))
  reader.finish()
  // Section 4.2.1.11: it must not be empty.
  if (explicit === undefined && mapping === undefined) throw malformed(WHAT, 'constrains nothing')
  return {
    ...(explicit === undefined ? {} : { requireExplicit: countInteger(explicit.value, WHAT) }),
    ...(mapping === undefined ? {} : { inhibitMapping: countInteger(mapping.value, WHAT) }),
  }
}

function readInhibitAny({ extensions }: Certificate): Pick<PolicyFacts, 'inhibitAny'> {
  const extension = findExtension(extensions, EXTENSION.inhibitAnyPolicy)
  if (extension === undefined) return {}
  return { inhibitAny: countInteger(parseDer(extension.value, TAG.integer, WHAT).value, WHAT) }
}
