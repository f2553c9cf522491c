/**
 * What the extensions of a certificate say, read once per certificate (RFC 5280 section 4.2). Facts only; path.ts judges.
 */
import { type Certificate, EXTENSION, enterExtension, findExtension } from '../crypto/certificate.js'
import { bitStringFlags, booleanValue, countInteger, malformed, parseDer, TAG } from '../crypto/der.js'
import { decodeOid } from '../crypto/oid.js'
import { isSsmError } from '../errors.js'
import { type NameConstraints, parseNameConstraints, readAltNames } from './name-constraints.js'
import { type PolicyFacts, readPolicyFacts } from './policy-facts.js'
import { oncePer } from './once.js'

export interface Facts {
  readonly selfIssued: boolean
  /** basicConstraints; undefined when the extension is absent. */
  readonly basic?: { readonly ca: boolean; readonly pathLength?: number }
  /** keyUsage flags as in USAGE. */
  readonly keyUsage?: number
  readonly extendedKeyUsage?: readonly string[]
  readonly nameConstraints?: NameConstraints
  /** The first critical extension that this room does not process. */
  readonly unknownCritical?: string
  readonly policies: PolicyFacts
  /** Some extension that we need is damaged: why. */
  readonly damaged?: string
}

/** Bits of keyUsage (RFC 5280 section 4.2.1.3). */
export const USAGE = { digitalSignature: 1, nonRepudiation: 2, keyCertSign: 32, cRLSign: 64 } as const

const NETSCAPE_CERT_TYPE = '2.16.840.1.113730.1.1'

/**
 * Critical extensions that may be there. netscapeCertType is older than keyUsage, always stands beside it in grid certificates, and says nothing more.
 */
const PROCESSED: ReadonlySet<string> = new Set([
  EXTENSION.subjectKeyId,
  EXTENSION.authorityKeyId,
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
  EXTENSION.subjectAltName,
  EXTENSION.issuerAltName,
  EXTENSION.basicConstraints,
  EXTENSION.crlDistributionPoints,
  EXTENSION.certificatePolicies,
  EXTENSION.policyMappings,
  EXTENSION.policyConstraints,
  EXTENSION.inhibitAnyPolicy,
  EXTENSION.nameConstraints,
  NETSCAPE_CERT_TYPE,
])

/** The facts of a certificate. Never throws. */
export const factsOf = oncePer(readFacts)

function readFacts(certificate: Certificate): Facts {
  const { extensions, subject, issuer } = certificate
  const selfIssued = subject.key === issuer.key
  const unknown = extensions.find(({ oid, critical }) => critical && !PROCESSED.has(oid))?.oid
  try {
    const basic = readBasic(certificate)
    const keyUsage = readKeyUsage(certificate)
    const extendedKeyUsage = readExtendedKeyUsage(certificate)
    const constraints = findExtension(extensions, EXTENSION.nameConstraints)
    const policies = readPolicyFacts(certificate)
    assertNamed(certificate)
    const unknownCritical = unknown ?? policies.unknownQualifier
    return {
      selfIssued,
      policies,
      ...(unknownCritical === undefined ? {} : { unknownCritical }),
      ...(basic === undefined ? {} : { basic }),
      ...(keyUsage === undefined ? {} : { keyUsage }),
      ...(extendedKeyUsage === undefined ? {} : { extendedKeyUsage }),
      ...(constraints === undefined ? {} : { nameConstraints: parseNameConstraints(constraints.value) }),
    }
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return { selfIssued, policies: { mappings: [] }, damaged: error.message }
  }
}

const WHAT = 'an extension of the certificate'

/** A holder has a name: the subject, or a subject alternative name that is critical (RFC 5280 section 4.1.2.6). */
function assertNamed(certificate: Certificate): void {
  readAltNames(certificate)
  if (certificate.subject.rdns.length > 0) return
  const names = findExtension(certificate.extensions, EXTENSION.subjectAltName)
  if (names?.critical !== true) throw malformed('the certificate', 'names nobody')
}

function readBasic({ extensions }: Certificate): Facts['basic'] {
  const reader = enterExtension(extensions, EXTENSION.basicConstraints, WHAT)
  if (reader === undefined) return undefined
  const flag = reader.optional(TAG.boolean)
  const length = reader.optional(TAG.integer)
  reader.finish()
  const ca = flag !== undefined && booleanValue(flag.value, WHAT)
  return length === undefined ? { ca } : { ca, pathLength: countInteger(length.value, WHAT) }
}

function readKeyUsage({ extensions }: Certificate): number | undefined {
  const extension = findExtension(extensions, EXTENSION.keyUsage)
  if (extension === undefined) return undefined
  const flags = bitStringFlags(parseDer(extension.value, TAG.bitString, WHAT).value, WHAT)
  // Section 4.2.1.3: at least one bit is set. For nothing at all no key is certified.
  if (flags === 0) throw malformed(WHAT, 'allows nothing (keyUsage)')
  return flags
}

function readExtendedKeyUsage({ extensions }: Certificate): string[] | undefined {
  const reader = enterExtension(extensions, EXTENSION.extendedKeyUsage, WHAT)
  if (reader === undefined) return undefined
  const usages: string[] = []
  while (!reader.done) usages.push(decodeOid(reader.next(TAG.oid).value, WHAT))
  if (usages.length === 0) throw malformed(WHAT, 'lists no usage (extendedKeyUsage)')
  return usages
}
