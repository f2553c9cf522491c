/**
 * Is a CRL a complete one for a certificate? (RFC 5280 sections 5.2.4, 5.2.5, 6.3.3.) Only whole answers count: a delta CRL,
 * an indirect one, or one for some reasons cannot show that a certificate is good.
 */
import { type Certificate, EXTENSION, findExtension } from '../crypto/certificate.js'
import type { Crl } from '../crypto/crl.js'
import { constructed, context, DerReader, TAG } from '../crypto/der.js'
import { parseName } from '../crypto/name.js'
import { isSsmError } from '../errors.js'
import { factsOf } from './facts.js'

const WHAT = 'the CRL distribution points'

/** undefined: it covers the certificate, for all reasons. Else why not, completing `the CRL of X …`. */
export function covers(crl: Crl, certificate: Certificate): string | undefined {
  if (crl.deltaBase !== undefined) return 'is a delta CRL, which is not used'
  if (crl.indirectEntries) return 'has entries of other CAs, which are not used'
  const { scope } = crl
  if (scope === undefined) return undefined
  if (scope.indirect) return 'is an indirect CRL, which is not used'
  if (scope.reasons !== undefined) return 'is for some reasons of revocation only'
  if (scope.onlyAttribute) return 'is for attribute certificates only'
  const isCa = factsOf(certificate).basic?.ca === true
  if (scope.onlyUser && isCa) return 'is not for CA certificates'
  if (scope.onlyCa && !isCa) return 'is for CA certificates only'
  if (scope.relativeName !== undefined) return 'is for one distribution point, named in a form that is not understood'
  if (scope.fullName === undefined) return undefined
  return namesDistributionPoint(certificate, scope.fullName) ? undefined : 'is for another distribution point'
}

/** Does the certificate name one of these distribution points, for all reasons and with its own issuer's CRL? */
function namesDistributionPoint(certificate: Certificate, fullName: Uint8Array): boolean {
  try {
    const wanted = new Set(nameKeys(new DerReader(fullName, WHAT)))
    return distributionPoints(certificate).some((name) => wanted.has(name))
  } catch (error) {
    if (!isSsmError(error, 'malformed')) throw error
    // A damaged extension names nothing.
    return false
  }
}

function distributionPoints(certificate: Certificate): string[] {
  const extension = findExtension(certificate.extensions, EXTENSION.crlDistributionPoints)
  if (extension === undefined) return []
  const outer = new DerReader(extension.value, WHAT)
  const list = outer.enter(TAG.sequence)
  outer.finish()
  const keys: string[] = []
  while (!list.done) {
    const point = list.enter(TAG.sequence)
    const full = point.enterOptional(constructed(0))?.enterOptional(constructed(0))
    const reasons = point.optional(context(1))
    const crlIssuer = point.optional(constructed(2))
    point.finish()
    if (full !== undefined && reasons === undefined && crlIssuer === undefined) keys.push(...nameKeys(full))
  }
  return keys
}

/** GeneralNames so that equal names are equal texts: directory names by their key, others by their bytes. */
function nameKeys(reader: DerReader): string[] {
  const keys: string[] = []
  while (!reader.done) {
    const { tag, bytes, value } = reader.any()
    keys.push(tag === constructed(4) ? `name ${parseName(value, WHAT).key}` : `bytes ${bytes.toString('hex')}`)
  }
  return keys
}
