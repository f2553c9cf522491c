/**
 * Object identifiers: dotted form from and to DER, and the attribute types of names with their OpenSSL short names.
 */
import { malformed } from './der.js'

/** Longest OID we read (contents octets). UUID-based ones need 20. */
const MAX_OID_OCTETS = 64

/** Every OID of a certificate is one of a few dozen: decode each once. Bounded, because outside bytes fill it. */
const decoded = new Map<string, string>()
const MAX_DECODED = 1000

/** Dotted form of the contents of an OBJECT IDENTIFIER. Throws `malformed`. */
export function decodeOid(value: Buffer, what: string): string {
  if (value.length === 0 || value.length > MAX_OID_OCTETS) {
    throw malformed(what, `has an OID of ${value.length} octets (1 to ${MAX_OID_OCTETS} are read)`)
  }
  const cacheKey = value.toString('latin1')
  const known = decoded.get(cacheKey)
  if (known !== undefined) return known
  const oid = decodeArcs(value, what)
  if (decoded.size >= MAX_DECODED) decoded.clear()
  decoded.set(cacheKey, oid)
  return oid
}

function decodeArcs(value: Buffer, what: string): string {
  const arcs: bigint[] = []
  let arc = 0n
  let open = false
  for (const octet of value) {
    if (!open && octet === 0x80) throw malformed(what, 'has an OID that is not in shortest form')
    arc = (arc << 7n) | BigInt(octet & 0x7f)
    open = octet >= 0x80
    if (open) continue
    if (arcs.length === 0) {
      const first = arc < 40n ? 0n : arc < 80n ? 1n : 2n
      arcs.push(first, arc - first * 40n)
    } else {
      arcs.push(arc)
    }
    arc = 0n
  }
  if (open) throw malformed(what, 'has an OID that is cut off')
  return arcs.join('.')
}

/** Contents octets of an OBJECT IDENTIFIER. `oid` is ours (a constant or a checked argument), not outside text. */
export function encodeOid(oid: string): Buffer {
  if (!isOid(oid)) throw malformed(`the OID ${JSON.stringify(oid.slice(0, 100))}`, 'is not in dotted form')
  const [first = 0n, second = 0n, ...rest] = oid.split('.').map((arc) => BigInt(arc))
  const octets: number[] = []
  for (const arc of [first * 40n + second, ...rest]) {
    const groups: number[] = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80)
    octets.push(...groups)
  }
  return Buffer.from(octets)
}

/** Is it an OID in dotted form, with arcs as X.660 allows? */
export function isOid(text: string): boolean {
  return text.length <= 200 && /^(?:[01]\.[1-3]?\d|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*$/.test(text)
}

/**
 * Attribute types of names by OID, with the short name OpenSSL prints. What is not here is printed dotted.
 * The first name is printed, the others are read too.
 */
const ATTRIBUTES: readonly (readonly [oid: string, ...names: string[]])[] = [
  ['2.5.4.3', 'CN'],
  ['2.5.4.4', 'SN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'street'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.12', 'title'],
  ['2.5.4.13', 'description'],
  ['2.5.4.15', 'businessCategory'],
  ['2.5.4.17', 'postalCode'],
  ['2.5.4.18', 'postOfficeBox'],
  ['2.5.4.20', 'telephoneNumber'],
  ['2.5.4.41', 'name'],
  ['2.5.4.42', 'GN'],
  ['2.5.4.43', 'initials'],
  ['2.5.4.44', 'generationQualifier'],
  ['2.5.4.45', 'x500UniqueIdentifier'],
  ['2.5.4.46', 'dnQualifier'],
  ['2.5.4.65', 'pseudonym'],
  ['2.5.4.72', 'role'],
  ['2.5.4.97', 'organizationIdentifier'],
  ['1.2.840.113549.1.9.1', 'emailAddress', 'Email', 'E'],
  ['1.2.840.113549.1.9.2', 'unstructuredName'],
  ['1.2.840.113549.1.9.8', 'unstructuredAddress'],
  ['0.9.2342.19200300.100.1.1', 'UID', 'USERID'],
  ['0.9.2342.19200300.100.1.3', 'mail'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
]

const SHORT_NAMES: ReadonlyMap<string, string> = new Map(ATTRIBUTES.map(([oid, name = oid]) => [oid, name]))
const OIDS: ReadonlyMap<string, string> = new Map(
  ATTRIBUTES.flatMap(([oid, ...names]) => names.map((name) => [name.toLowerCase(), oid] as const)),
)

/** OpenSSL's short name of an attribute type, or the dotted OID. */
export function attributeName(oid: string): string {
  return SHORT_NAMES.get(oid) ?? oid
}

/** The OID of an attribute type written by name (any case) or dotted; undefined when unknown. */
export function attributeOid(name: string): string | undefined {
  return OIDS.get(name.toLowerCase()) ?? (isOid(name) ? name : undefined)
}
