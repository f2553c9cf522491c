/**
 * Certificate revocation lists (RFC 5280 section 5), read by a scanner that makes no objects per entry: lists of large CAs
 * have tens of thousands. Parsed here, judged in trust/. Throws SsmError `malformed`.
 */
import { createHash } from 'node:crypto'
import type { Dn } from '../message.js'
import { EXTENSION, type Extension, findExtension, keyIdentifiers, parseExtensions, readSigned } from './certificate.js'
import {
  asBuffer,
  assertInteger,
  bitStringFlags,
  booleanValue,
  constructed,
  context,
  type Der,
  DerReader,
  enterDer,
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
  /** Keys of the names of the certificate's issuer; undefined: that of the CRL (section 5.3.3). */
  readonly issuers?: readonly string[]
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
  /** Some entry names its certificate's issuer. */
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
  EXTENSION.freshestCrl,
])

/** Reads one CRL. */
export function parseCrl(bytes: Uint8Array): Crl {
  if (bytes.length > MAX_CRL) throw malformed(WHAT, `is larger than ${MAX_CRL} bytes`)
  const der = asBuffer(bytes)
  const { tbs, algorithm, signature } = readSigned(der, WHAT)
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
  const reader = enterDer(value, TAG.sequence, WHAT)
  // Section 5.2.5: not an empty sequence, and one kind of name.
  if (reader.done) throw malformed(WHAT, 'has a scope that says nothing')
  const point = reader.enterOptional(constructed(0))
  const fullName = point?.optional(constructed(0))
  const relativeName = fullName === undefined ? point?.optional(constructed(1)) : undefined
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

/** From this offset on entries are of certificates of these issuers. */
interface IssuerChange {
  readonly from: number
  readonly keys: readonly string[]
}

/** Walks revokedCertificates once; keeps the offset of each entry by its serial. */
function scanEntries(list: Buffer): Entries {
  const offsets = new Map<string, number | number[]>()
  const changes: IssuerChange[] = []
  let size = 0
  let unknownCritical: string | undefined
  for (let at = 0; at < list.length;) {
    const { serial, date, end } = scanEntry(list, at)
    if (date < end) {
      const found = scanExtensions(list, date, end)
      if (found.issuer !== undefined) changes.push({ from: at, keys: readIssuers(found.issuer, changes) })
      unknownCritical ??= found.unknownCritical
    }
    if (++size > MAX_ENTRIES) throw malformed(WHAT, `has more than ${MAX_ENTRIES} entries`)
    remember(offsets, list.toString('hex', serial.start, serial.end), at)
    at = end
  }
  const find = (serial: string): readonly Revocation[] => {
    const found = offsets.get(serial)
    if (found === undefined) return []
    return (typeof found === 'number' ? [found] : found).map((at) => readEntry(list, at, changes))
  }
  const indirect = changes.length > 0
  return { size, indirect, find, ...(unknownCritical === undefined ? {} : { unknownCritical }) }
}

/** Where the entry at this offset has its serial number, where its date ends, and where it ends itself. */
function scanEntry(list: Buffer, at: number): { serial: { start: number; end: number }; date: number; end: number } {
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
  return { serial, date: date.end, end: entry.end }
}

/** GeneralNames of certificateIssuer: what counts are directory names. Equal lists one after the other are kept once. */
function readIssuers(value: Buffer, changes: readonly IssuerChange[]): readonly string[] {
  const names = enterDer(value, TAG.sequence, WHAT)
  const keys: string[] = []
  while (!names.done) {
    const { tag, value: name } = names.any()
    if (tag === constructed(4)) keys.push(parseName(name, WHAT).key)
  }
  if (keys.length === 0) throw malformed(WHAT, 'has an entry whose certificate issuer has no name')
  const before = changes[changes.length - 1]?.keys
  return before?.join('\n') === keys.join('\n') ? before : keys
}

function remember(offsets: Map<string, number | number[]>, serial: string, at: number): void {
  const known = offsets.get(serial)
  if (known === undefined) offsets.set(serial, at)
  else if (typeof known === 'number') offsets.set(serial, [known, at])
  else known.push(at)
}

interface EntryExtensions {
  /** Contents of certificateIssuer. */
  readonly issuer?: Buffer
  readonly unknownCritical?: string
}

/** Checks the shape of an entry's extensions and tells the two facts that concern other entries too. */
function scanExtensions(list: Buffer, at: number, end: number): EntryExtensions {
  const outer = extentAt(list, at, WHAT)
  if (list[at] !== TAG.sequence || outer.end !== end) throw malformed(WHAT, 'has an entry with damaged extensions')
  let issuer: Buffer | undefined
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
    if (name === CERTIFICATE_ISSUER) issuer = readExtension(list.subarray(next, extension.end)).value
    else if (critical && name !== REASON && name !== INVALIDITY_DATE) unknownCritical ??= `(hex ${name})`
    next = extension.end
  }
  return { ...(issuer === undefined ? {} : { issuer }), ...(unknownCritical === undefined ? {} : { unknownCritical }) }
}

function readExtension(bytes: Buffer): { oid: string; value: Buffer } {
  const reader = enterDer(bytes, TAG.sequence, WHAT)
  const oid = reader.next(TAG.oid).value.toString('hex')
  reader.optional(TAG.boolean)
  const { value } = reader.next(TAG.octetString)
  reader.finish()
  return { oid, value }
}

/** The entry at this offset. Throws `malformed` when date or reason are damaged. */
function readEntry(list: Buffer, offset: number, changes: readonly IssuerChange[]): Revocation {
  const reader = new DerReader(list.subarray(offset), WHAT).enter(TAG.sequence)
  reader.next(TAG.integer)
  const at = timeValue(reader.any(), WHAT)
  const extensions = reader.enterOptional(TAG.sequence)
  reader.finish()
  const issuers = lastChange(changes, offset)
  let reason = 0
  while (extensions?.done === false) {
    const { oid, value } = readExtension(extensions.any().bytes)
    if (oid === REASON) reason = smallInteger(new DerReader(value, WHAT).next(TAG.enumerated).value, WHAT)
  }
  return { at, reason, ...(issuers === undefined ? {} : { issuers }) }
}

/** An entry without certificateIssuer is of the issuer of the entry before it (section 5.3.3). */
function lastChange(changes: readonly IssuerChange[], offset: number): readonly string[] | undefined {
  let low = 0
  let high = changes.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((changes[middle]?.from ?? Infinity) <= offset) low = middle + 1
    else high = middle
  }
  return changes[low - 1]?.keys
}
