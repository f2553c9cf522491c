/**
 * Certificate revocation lists (RFC 5280 section 5), read by a scanner that makes no objects per entry: lists of large CAs
 * have tens of thousands. Parsed here, judged in trust/. Throws SsmError `malformed`.
 */
import { createHash } from 'node:crypto'
import type { Dn } from '../message.js'
import { EXTENSION, type Extension, findExtension, keyIdentifiers, parseExtensions } from './certificate.js'
import {
  asBuffer,
  assertInteger,
  bitStringFlags,
  bitStringOctets,
  booleanValue,
  constructed,
  context,
  type Der,
  DerReader,
  extentAt,
  malformed,
  smallInteger,
  TAG,
  timeValue,
} from './der.js'
import { parseName } from './name.js'

/** Largest CRL, bytes. */
export const MAX_CRL = 64 * 1024 * 1024
/** Most entries. */
const MAX_ENTRIES = 2_000_000

/** One revocation. */
export interface Revocation {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** CRLReason (RFC 5280 section 5.3.1); 0 when not given. 6 = hold, 8 = removeFromCRL. */
  readonly reason: number
}

/** Scope of a CRL (RFC 5280 section 5.2.5). */
export interface IssuingDistributionPoint {
  /** DER GeneralNames of the full name, or of a name relative to the issuer. */
  readonly fullName?: Uint8Array
  readonly relativeName?: Uint8Array
  readonly onlyUser: boolean
  readonly onlyCa: boolean
  readonly onlyAttribute: boolean
  readonly indirect: boolean
  /** Reason flags covered; undefined = all. */
  readonly reasons?: number
}

/** A parsed CRL. Nothing here has been verified. */
export interface Crl {
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string
  readonly issuer: Dn
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number
  readonly nextUpdate?: number
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: Uint8Array
  readonly signature: Uint8Array
  readonly extensions: readonly Extension[]
  readonly authorityKeyId?: string
  /** crlNumber, as hex; and the base a delta CRL refers to. */
  readonly number?: string
  readonly deltaBase?: string
  readonly scope?: IssuingDistributionPoint
  /** The first critical extension, of the list or of an entry, that is not understood. */
  readonly unknownCritical?: string
  /** Some entry names another certificate issuer. */
  readonly indirectEntries: boolean
  readonly size: number
  /** All entries for this serial (lower-case hex as in `Certificate.serial`): none or one, seldom more. Constant time. */
  find(serial: string): readonly Revocation[]
}

const WHAT = 'the CRL'

/** Critical extensions of a CRL that are looked at. */
const KNOWN: ReadonlySet<string> = new Set([
  EXTENSION.authorityKeyId,
  EXTENSION.issuerAltName,
  EXTENSION.crlNumber,
  EXTENSION.deltaCrlIndicator,
  EXTENSION.issuingDistributionPoint,
])

/** Reads one CRL. */
export function parseCrl(bytes: Uint8Array): Crl {
  if (bytes.length > MAX_CRL) throw malformed(WHAT, `is larger than ${MAX_CRL} bytes`)
  const der = asBuffer(bytes)
  const outer = new DerReader(der, WHAT)
  const reader = outer.enter(TAG.sequence)
  outer.finish()
  const tbs = reader.next(TAG.sequence)
  const algorithm = reader.next(TAG.sequence)
  const signature = bitStringOctets(reader.next(TAG.bitString).value, WHAT)
  reader.finish()
  const fields = parseTbs(tbs, algorithm)
  const { authorityKeyId } = keyIdentifiers(fields.extensions.filter(({ oid }) => oid === EXTENSION.authorityKeyId))
  return {
    fingerprint: createHash('sha256').update(der).digest('hex'),
    ...fields,
    ...(authorityKeyId === undefined ? {} : { authorityKeyId }),
    tbs: tbs.bytes,
    signatureAlgorithm: algorithm.bytes,
    signature,
  }
}

type Fields = Omit<Crl, 'fingerprint' | 'authorityKeyId' | 'tbs' | 'signatureAlgorithm' | 'signature'>

function parseTbs(tbs: Der, algorithm: Der): Fields {
  const reader = new DerReader(tbs.value, WHAT, 2)
  const version = reader.optional(TAG.integer)
  if (version !== undefined && smallInteger(version.value, WHAT) !== 1)
    throw malformed(WHAT, 'is of an unknown version')
  if (!reader.next(TAG.sequence).bytes.equals(algorithm.bytes)) {
    throw malformed(WHAT, 'names two different signature algorithms')
  }
  const issuer = parseName(reader.next(TAG.sequence).bytes, WHAT)
  const thisUpdate = timeValue(reader.any(), WHAT)
  const next = reader.optional(TAG.utcTime) ?? reader.optional(TAG.generalizedTime)
  const entries = scanEntries(reader.optional(TAG.sequence)?.value ?? Buffer.alloc(0))
  const tagged = version === undefined ? undefined : reader.enterOptional(constructed(0))
  const extensions = parseExtensions(tagged, WHAT)
  reader.finish()
  const unknown = extensions.find(({ oid, critical }) => critical && !KNOWN.has(oid))?.oid ?? entries.unknownCritical
  const number = integerExtension(extensions, EXTENSION.crlNumber)
  const deltaBase = integerExtension(extensions, EXTENSION.deltaCrlIndicator)
  const scope = findExtension(extensions, EXTENSION.issuingDistributionPoint)
  return {
    issuer,
    thisUpdate,
    ...(next === undefined ? {} : { nextUpdate: timeValue(next, WHAT) }),
    extensions,
    ...(number === undefined ? {} : { number }),
    ...(deltaBase === undefined ? {} : { deltaBase }),
    ...(scope === undefined ? {} : { scope: parseScope(scope.value) }),
    ...(unknown === undefined ? {} : { unknownCritical: unknown }),
    indirectEntries: entries.indirect,
    size: entries.size,
    find: entries.find,
  }
}

function integerExtension(extensions: readonly Extension[], oid: string): string | undefined {
  const extension = findExtension(extensions, oid)
  if (extension === undefined) return undefined
  const reader = new DerReader(extension.value, WHAT)
  const { value } = reader.next(TAG.integer)
  reader.finish()
  assertInteger(value, WHAT)
  return value.toString('hex')
}

function parseScope(value: Uint8Array): IssuingDistributionPoint {
  const outer = new DerReader(value, WHAT)
  const reader = outer.enter(TAG.sequence)
  outer.finish()
  const point = reader.enterOptional(constructed(0))
  const fullName = point?.optional(constructed(0))
  const relativeName = point?.optional(constructed(1))
  point?.finish()
  const flag = (number: number): boolean => {
    const element = reader.optional(context(number))
    return element !== undefined && booleanValue(element.value, WHAT)
  }
  const onlyUser = flag(1)
  const onlyCa = flag(2)
  const reasons = reader.optional(context(3))
  const indirect = flag(4)
  const onlyAttribute = flag(5)
  reader.finish()
  return {
    ...(fullName === undefined ? {} : { fullName: fullName.value }),
    ...(relativeName === undefined ? {} : { relativeName: relativeName.value }),
    onlyUser,
    onlyCa,
    onlyAttribute,
    indirect,
    ...(reasons === undefined ? {} : { reasons: bitStringFlags(reasons.value, WHAT) }),
  }
}

interface Entries {
  readonly size: number
  readonly indirect: boolean
  readonly unknownCritical?: string
  readonly find: (serial: string) => readonly Revocation[]
}

/** Contents octets of the OIDs of entry extensions: 2.5.29.21 (reason), .24 (invalidity date), .29 (certificate issuer). */
const REASON = '551d15'
const INVALIDITY_DATE = '551d18'
const CERTIFICATE_ISSUER = '551d1d'

/** Walks revokedCertificates once; keeps the offset of each entry by its serial. */
function scanEntries(list: Buffer): Entries {
  const offsets = new Map<string, number | number[]>()
  let size = 0
  let indirect = false
  let unknownCritical: string | undefined
  for (let at = 0; at < list.length;) {
    if (list[at] !== TAG.sequence) throw malformed(WHAT, `has an entry that is not a SEQUENCE`)
    const entry = extentAt(list, at, WHAT)
    const serial = extentAt(list, entry.start, WHAT)
    if (list[entry.start] !== TAG.integer || serial.end >= entry.end || serial.end === serial.start) {
      throw malformed(WHAT, 'has an entry without serial number and date')
    }
    // A serial number in another form than the certificate's would not be found.
    const first = list[serial.start] ?? 0
    if (serial.end > serial.start + 1 && (first === 0 || first === 0xff)) {
      assertInteger(list.subarray(serial.start, serial.end), WHAT)
    }
    const date = extentAt(list, serial.end, WHAT)
    if (date.end > entry.end) throw malformed(WHAT, 'has an entry that is cut off')
    if (date.end < entry.end) {
      const found = scanExtensions(list, date.end, entry.end)
      indirect ||= found.indirect
      unknownCritical ??= found.unknownCritical
    }
    if (++size > MAX_ENTRIES) throw malformed(WHAT, `has more than ${MAX_ENTRIES} entries`)
    remember(offsets, list.toString('hex', serial.start, serial.end), at)
    at = entry.end
  }
  const find = (serial: string): readonly Revocation[] => {
    const found = offsets.get(serial)
    if (found === undefined) return []
    return typeof found === 'number' ? [readEntry(list, found)] : found.map((at) => readEntry(list, at))
  }
  return { size, indirect, find, ...(unknownCritical === undefined ? {} : { unknownCritical }) }
}

function remember(offsets: Map<string, number | number[]>, serial: string, at: number): void {
  const known = offsets.get(serial)
  if (known === undefined) offsets.set(serial, at)
  else if (typeof known === 'number') offsets.set(serial, [known, at])
  else known.push(at)
}

/** Checks the shape of an entry's extensions and tells the two facts that concern the whole list. */
function scanExtensions(list: Buffer, at: number, end: number): { indirect: boolean; unknownCritical?: string } {
  const outer = extentAt(list, at, WHAT)
  if (list[at] !== TAG.sequence || outer.end !== end) throw malformed(WHAT, 'has an entry with damaged extensions')
  let indirect = false
  let unknownCritical: string | undefined
  for (let next = outer.start; next < end;) {
    const extension = extentAt(list, next, WHAT)
    const oid = extentAt(list, extension.start, WHAT)
    if (
      list[next] !== TAG.sequence ||
      list[extension.start] !== TAG.oid ||
      extension.end > end ||
      oid.end >= extension.end
    ) {
      throw malformed(WHAT, 'has an entry with damaged extensions')
    }
    const name = list.toString('hex', oid.start, oid.end)
    const critical = list[oid.end] === TAG.boolean && list[oid.end + 2] !== 0
    if (name === CERTIFICATE_ISSUER) indirect = true
    else if (critical && name !== REASON && name !== INVALIDITY_DATE) unknownCritical ??= `(hex ${name})`
    next = extension.end
  }
  return { indirect, ...(unknownCritical === undefined ? {} : { unknownCritical }) }
}

/** The entry at this offset. Throws `malformed` when date or reason are damaged. */
function readEntry(list: Buffer, offset: number): Revocation {
  const reader = new DerReader(list.subarray(offset), WHAT).enter(TAG.sequence)
  reader.next(TAG.integer)
  const at = timeValue(reader.any(), WHAT)
  const extensions = reader.enterOptional(TAG.sequence)
  reader.finish()
  while (extensions?.done === false) {
    const extension = extensions.enter(TAG.sequence)
    const oid = extension.next(TAG.oid).value.toString('hex')
    extension.optional(TAG.boolean)
    const { value } = extension.next(TAG.octetString)
    extension.finish()
    if (oid !== REASON) continue
    const reason = new DerReader(value, WHAT).next(TAG.enumerated).value
    return { at, reason: smallInteger(reason, WHAT) }
  }
  return { at, reason: 0 }
}
