/**
 * For which certificates, and which reasons of revocation, is a CRL an answer? (RFC 5280 sections 4.2.1.13, 5.2.5 and
 * 6.3.3 (b) and (d).)
 */
import { type Certificate, EXTENSION, enterExtension } from '../crypto/certificate.js'
import type { Crl } from '../crypto/crl.js'
import { bitStringFlags, constructed, context, DerReader, malformed, TAG } from '../crypto/der.js'
import { element, sequence } from '../crypto/der-write.js'
import { parseName } from '../crypto/name.js'
import { isSsmError } from '../errors.js'
import type { Dn } from '../message.js'
import { factsOf } from './facts.js'
import { oncePer } from './once.js'

/** Reason flags 1 to 8; bit 0 is unused (section 4.2.1.13). */
export const ALL_REASONS = 0x1fe
/** Most distribution points of one certificate. */
const MAX_POINTS = 64
/** Most names of one distribution point. */
const MAX_NAMES = 256

/** Where a certificate says its CRLs are. */
interface Point {
  /** Names as comparable texts; undefined: it has none. */
  readonly names?: readonly string[]
  readonly reasons: number
  /** cRLIssuer: names, and keys of the directory names among them. */
  readonly issuers?: { readonly names: readonly string[]; readonly keys: readonly string[] }
}

const WHAT = 'the CRL distribution points'

/**
 * The points of a certificate, and last the one to assume (section 6.3.3, end): the issuer's own, for all reasons.
 * A damaged extension names nothing.
 */
const pointsOf = oncePer((certificate: Certificate): readonly Point[] => {
  const assumed: Point = { names: [`name ${certificate.issuer.key}`], reasons: ALL_REASONS }
  try {
    return [...readPoints(certificate), assumed]
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    return [assumed]
  }
})

function readPoints(certificate: Certificate): Point[] {
  const list = enterExtension(certificate.extensions, EXTENSION.crlDistributionPoints, WHAT)
  if (list === undefined) return []
  const points: Point[] = []
  while (!list.done) {
    if (points.length >= MAX_POINTS) throw malformed(WHAT, `are more than ${MAX_POINTS}`)
    points.push(readPoint(list.enter(TAG.sequence), certificate.issuer))
  }
  return points
}

function readPoint(point: DerReader, issuer: Dn): Point {
  const field = point.enterOptional(constructed(0))
  const full = field?.optional(constructed(0))
  const relative = full === undefined ? field?.optional(constructed(1)) : undefined
  field?.finish()
  const reasons = point.optional(context(1))
  const crlIssuer = point.optional(constructed(2))
  point.finish()
  const issuers = crlIssuer === undefined ? undefined : readNames(crlIssuer.value)
  // Relative to cRLIssuer, which is then one name, or else to the certificate's issuer (section 4.2.1.13).
  const parent = issuers === undefined ? issuer.key : issuers.keys[0]
  const names = namesOf(full?.value, relative?.value, parent)
  return {
    ...(names === undefined ? {} : { names }),
    reasons: reasons === undefined ? ALL_REASONS : bitStringFlags(reasons.value, WHAT) & ALL_REASONS,
    ...(issuers === undefined ? {} : { issuers }),
  }
}

function namesOf(
  full: Uint8Array | undefined,
  relative: Uint8Array | undefined,
  parent: string | undefined,
): readonly string[] | undefined {
  if (full !== undefined) return readNames(full).names
  if (relative === undefined) return undefined
  const { key } = parseName(sequence(element(TAG.set, relative)), WHAT)
  return parent === undefined ? [] : [`name ${parent === '' ? key : `${parent}/${key}`}`]
}

/** GeneralNames so that equal names are equal texts: directory names by their key, others by their bytes. */
function readNames(value: Uint8Array): { names: string[]; keys: string[] } {
  const reader = new DerReader(value, WHAT)
  const names: string[] = []
  const keys: string[] = []
  while (!reader.done) {
    if (names.length >= MAX_NAMES) throw malformed(WHAT, `have more than ${MAX_NAMES} names`)
    const { tag, bytes, value: name } = reader.any()
    if (tag !== constructed(4)) {
      names.push(`bytes ${bytes.toString('hex')}`)
      continue
    }
    const { key } = parseName(name, WHAT)
    keys.push(key)
    names.push(`name ${key}`)
  }
  return { names, keys }
}

/** Names of the CRL's own distribution point; null: it is not bound to one. */
export const scopeNames = oncePer(({ scope, issuer }: Crl): readonly string[] | null => {
  try {
    return namesOf(scope?.fullName, scope?.relativeName, issuer.key) ?? null
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    // A damaged name is nobody's.
    return []
  }
})

/** Keys of the names under which CRLs for this certificate may be issued: its issuer's, and those of cRLIssuer. */
export function crlIssuersOf(certificate: Certificate): ReadonlySet<string> {
  const keys = pointsOf(certificate).flatMap(({ issuers }) => issuers?.keys ?? [])
  return new Set([certificate.issuer.key, ...keys])
}

/** Reasons of revocation (flags) for which this CRL answers for the certificate; or why for none, as `the CRL of X …`. */
export function reasonsCovered(crl: Crl, certificate: Certificate): number | string {
  const { scope } = crl
  if (scope?.onlyAttribute === true) return 'is for attribute certificates only'
  const isCa = factsOf(certificate).basic?.ca === true
  if (scope?.onlyUser === true && isCa) return 'is not for CA certificates'
  if (scope?.onlyCa === true && !isCa) return 'is for CA certificates only'
  const points = pointsOf(certificate).filter((point) => isOfPoint(crl, certificate, point))
  if (points.length === 0) return 'is for another distribution point'
  const covered = points.reduce((mask, { reasons }) => mask | reasons, 0) & (scope?.reasons ?? ALL_REASONS)
  return covered === 0 ? 'is for other reasons of revocation only' : covered
}

/** Section 6.3.3 (b) (1) and (2) (i). */
function isOfPoint(crl: Crl, certificate: Certificate, { names, issuers }: Point): boolean {
  const byIssuer =
    issuers === undefined
      ? crl.issuer.key === certificate.issuer.key
      : crl.scope?.indirect === true && issuers.keys.includes(crl.issuer.key)
  if (!byIssuer) return false
  const own = scopeNames(crl)
  if (own === null) return true
  const wanted = names ?? issuers?.names ?? []
  return own.some((name) => wanted.includes(name))
}
