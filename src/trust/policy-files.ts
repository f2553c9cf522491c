/**
 * May the CAs of a path speak for the names below them? By the signing policies that lie in the CA directory.
 */
import type { Certificate } from '../crypto/certificate.js'
import { isSlashAmbiguous, opensslHash } from '../crypto/name.js'
import type { Dn } from '../message.js'
import type { Failure } from './path.js'
import { canonicalName, covers, type PolicyRule, SELF } from './signing-policy.js'

/** Longest name that is compared, characters. */
const MAX_NAME = 4096

/** A policy file under all its names (hash links lead to one file). */
export interface PolicyFile {
  readonly kind: 'signing_policy' | 'namespaces'
  /** Names without their ending: `62f4fd66`, `UKeScienceCA-2B`. */
  readonly stems: readonly string[]
  /** For messages. */
  readonly path: string
  readonly rules: readonly PolicyRule[]
  /** It could not be understood: why. */
  readonly damaged?: string
}

/** `auto`: enforced for a CA that has a policy file. `enforce`: every CA must have one. */
export type SigningPolicyMode = 'auto' | 'enforce' | 'ignore'

export type PolicyJudgement =
  /** `policed`: an enforced policy grants the leaf its name. */
  | { readonly ok: true; readonly policed: boolean }
  /** `ours`: the policy file is damaged, which says nothing about the certificate. */
  | { readonly ok: false; readonly failure: Failure; readonly ours: boolean }

export type JudgePolicies = (path: readonly Certificate[]) => PolicyJudgement

/** The rules that bind one CA, by the kind of file: a name must be granted by each kind there is. */
interface CaPolicy {
  readonly kinds: readonly { readonly paths: readonly string[]; readonly rules: readonly PolicyRule[] }[]
  readonly damaged?: PolicyFile
}

/** Makes the judge of paths. `stemsOf`: the names of the files of a certificate, without endings. */
export function createPolicyJudge(
  files: readonly PolicyFile[],
  stemsOf: (certificate: Certificate) => readonly string[],
  mode: SigningPolicyMode,
): JudgePolicies {
  if (mode === 'ignore') return () => ({ ok: true, policed: false })
  const known = new Map<string, CaPolicy | null>()
  const policyOf = (ca: Certificate): CaPolicy | null => {
    const before = known.get(ca.fingerprint)
    if (before !== undefined) return before
    const policy = findPolicy(files, ca, [opensslHash(ca.subject), ...stemsOf(ca)])
    known.set(ca.fingerprint, policy)
    return policy
  }
  return (path) => judge(path, policyOf, mode)
}

function findPolicy(files: readonly PolicyFile[], ca: Certificate, stems: readonly string[]): CaPolicy | null {
  const name = canonicalName(ca.subject.slash)
  const named = ({ stems: own }: PolicyFile): boolean => own.some((stem) => stems.includes(stem))
  const rulesFor = (file: PolicyFile): PolicyRule[] =>
    file.rules.filter(({ issuer }) => (issuer === SELF ? named(file) : issuer === name))
  const mine = files.filter((file) => named(file) || rulesFor(file).length > 0)
  if (mine.length === 0) return null
  const damaged = mine.find((file) => file.damaged !== undefined)
  const kinds = (['signing_policy', 'namespaces'] as const).flatMap((kind) => {
    const own = mine.filter((file) => file.kind === kind)
    return own.length === 0 ? [] : [{ paths: own.map(({ path }) => path), rules: own.flatMap(rulesFor) }]
  })
  return { kinds, ...(damaged === undefined ? {} : { damaged }) }
}

function judge(
  path: readonly Certificate[],
  policyOf: (ca: Certificate) => CaPolicy | null,
  mode: SigningPolicyMode,
): PolicyJudgement {
  let policed = false
  for (const [index, { subject, issuer }] of path.slice(0, -1).entries()) {
    // A CA that certifies a new key of its own speaks for no other name.
    if (subject.key === issuer.key) continue
    const above = path.slice(index + 1)
    const ca = mode === 'enforce' ? above[0] : above.find((candidate) => policyOf(candidate) !== null)
    if (ca === undefined) continue
    const policy = policyOf(ca)
    const failure = policy === null ? lacking(ca) : refused(policy, ca, subject)
    if (failure !== undefined) return { ok: false, failure, ours: policy?.damaged !== undefined }
    if (index === 0) policed = true
  }
  return { ok: true, policed }
}

function lacking({ subject }: Certificate): Failure {
  const detail = `${subject.slash} has no signing policy in the CA directory (${opensslHash(subject)}.signing_policy)`
  return { reason: 'policy', detail }
}

function refused({ kinds, damaged }: CaPolicy, { subject: ca }: Certificate, subject: Dn): Failure | undefined {
  const fail = (detail: string): Failure => ({ reason: 'policy', detail })
  if (damaged !== undefined) return fail(`${damaged.path}, the signing policy of ${ca.slash}, ${damaged.damaged ?? ''}`)
  if (subject.slash.length > MAX_NAME) return fail(`a name of more than ${MAX_NAME} characters is granted by nobody`)
  // In slash form it could be another name: nothing can grant it.
  if (isSlashAmbiguous(subject)) return fail(`${subject.slash} can be read in two ways: no signing policy grants it`)
  for (const { paths, rules } of kinds) {
    const applying = rules.filter(({ patterns }) => covers(patterns, subject))
    if (applying.length > 0 && applying.every(({ permit }) => permit)) continue
    return fail(`${ca.slash} may not speak for ${subject.slash}: ${paths.join(', ')} does not grant it`)
  }
  return undefined
}
