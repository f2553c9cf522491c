/**
 * Distinguished names (RFC 5280 sections 4.1.2.4 and 7.1): DER to `Dn`, slash form to attributes, attributes to DER.
 * Names are compared by `key` alone; the slash form is for people and cannot be parsed back without doubt.
 */
import { createHash } from 'node:crypto'
import type { Dn, NameAttribute } from '../message.js'
import { asBuffer, type Der, malformed, TAG, enterDer } from './der.js'
import { element, oid as oidElement, sequence, setOf } from './der-write.js'
import { attributeName, attributeOid, decodeOid } from './oid.js'

/** Most attributes in one name; grid names have 4 to 10. */
const MAX_ATTRIBUTES = 64
/** Longest value we read, in octets. RFC 5280 appendix A allows 64 to 32 768 characters, real ones are under 200. */
const MAX_VALUE = 4096

type Decode = (value: Buffer, what: string) => string

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The string types of DirectoryString and the ones CAs use besides. T61String is Latin-1 in practice, as OpenSSL reads it. */
const STRING_TYPES: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [TAG.utf8String, decodeUtf8],
  [TAG.printableString, decodeLatin1],
  [TAG.ia5String, decodeLatin1],
  [TAG.visibleString, decodeLatin1],
  [TAG.numericString, decodeLatin1],
  [TAG.t61String, decodeLatin1],
  [TAG.bmpString, decodeBmp],
  [TAG.universalString, decodeUniversal],
])

function decodeLatin1(value: Buffer): string {
  return value.toString('latin1')
}

function decodeUtf8(value: Buffer, what: string): string {
  try {
    return utf8.decode(value)
  } catch (cause) {
    // The only thing a fatal decoder throws.
    throw Object.assign(malformed(what, 'has a name that is not UTF-8'), { cause })
  }
}

function decodeBmp(value: Buffer, what: string): string {
  if (value.length % 2 !== 0) throw malformed(what, 'has a BMPString of odd length')
  return Buffer.from(value).swap16().toString('utf16le')
}

function decodeUniversal(value: Buffer, what: string): string {
  if (value.length % 4 !== 0) throw malformed(what, 'has a damaged UniversalString')
  let text = ''
  for (let at = 0; at < value.length; at += 4) {
    const point = value.readUInt32BE(at)
    if (point > 0x10ffff) throw malformed(what, 'has a UniversalString with a character that does not exist')
    text += String.fromCodePoint(point)
  }
  return text
}

/** The names seen most recently by their DER: issuers repeat. Bounded; flushed whole, which is cheap. */
const seen = new Map<string, Dn>()
const MAX_SEEN = 2000
/** Longer names are read anew each time: 2 000 of these are 2 MiB. */
const MAX_SEEN_OCTETS = 1024

/** `Dn` of a DER Name. Throws SsmError `malformed`; `what` names the structure in its message. */
export function parseName(der: Uint8Array, what = 'the name'): Dn {
  const bytes = asBuffer(der)
  if (bytes.length > MAX_SEEN_OCTETS) return decodeName(bytes, what)
  const cacheKey = bytes.toString('latin1')
  const known = seen.get(cacheKey)
  if (known !== undefined) return known
  const name = decodeName(bytes, what)
  if (seen.size >= MAX_SEEN) seen.clear()
  seen.set(cacheKey, name)
  return name
}

function decodeName(bytes: Buffer, what: string): Dn {
  const reader = enterDer(bytes, TAG.sequence, what)
  const rdns: NameAttribute[][] = []
  const keys: string[] = []
  let attributes = 0
  while (!reader.done) {
    const set = reader.enter(TAG.set)
    const rdn: NameAttribute[] = []
    const rdnKeys: string[] = []
    do {
      if (++attributes > MAX_ATTRIBUTES) throw malformed(what, `has a name of more than ${MAX_ATTRIBUTES} attributes`)
      const pair = set.enter(TAG.sequence)
      const oid = decodeOid(pair.next(TAG.oid).value, what)
      const raw = pair.any()
      pair.finish()
      const { value, key } = decodeValue(oid, raw, what)
      rdn.push({ oid, value })
      rdnKeys.push(key)
    } while (!set.done)
    rdns.push(rdn)
    keys.push(joinRdn(rdnKeys))
  }
  return { rdns, slash: slashOf(rdns), key: keys.join('/') }
}

function decodeValue(oid: string, raw: Der, what: string): { value: string; key: string } {
  if (raw.value.length > MAX_VALUE) throw malformed(what, `has a name with a value of more than ${MAX_VALUE} octets`)
  const decode = STRING_TYPES.get(raw.tag)
  if (decode !== undefined) {
    const value = decode(raw.value, what)
    return { value, key: attributeKey(oid, value) }
  }
  // No text: shown as RFC 4514 section 2.4 does. The key has another sign than a text's, so that no text equals it.
  const hex = raw.bytes.toString('hex')
  return { value: `#${hex}`, key: `${oid}#${hex}` }
}

/** A `Dn` made of attributes that are text (a line of a list, an argument). */
export function makeDn(rdns: readonly (readonly NameAttribute[])[]): Dn {
  const keys = rdns.map((rdn) => joinRdn(rdn.map(({ oid, value }) => attributeKey(oid, value))))
  return { rdns, slash: slashOf(rdns), key: keys.join('/') }
}

/**
 * RFC 5280 section 7.1: case and white space do not count. The length in front makes the key unforgeable: no value can
 * look like the end of its attribute and the beginning of another.
 * Compatibility characters (full width, ligatures) are *not* folded (NFC, not NFKC): a listed name must not be met by a
 * look-alike, and too narrow a comparison can only refuse.
 */
function attributeKey(oid: string, value: string): string {
  const folded = value
    .normalize('NFC')
    .toLowerCase()
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .replace(/^ | $/g, '')
  return `${oid}=${folded.length}:${folded}`
}

function joinRdn(keys: string[]): string {
  return keys.length === 1 ? (keys[0] ?? '') : keys.sort().join('+')
}

/** As `openssl x509 -nameopt compat` prints it, but UTF-8 instead of \xHH. */
function slashOf(rdns: readonly (readonly NameAttribute[])[]): string {
  let text = ''
  for (const rdn of rdns) {
    text += `/${rdn.map(({ oid, value }) => `${attributeName(oid)}=${value}`).join('+')}`
  }
  return text
}

/** A place in a slash line where an attribute begins. */
const BOUNDARY = /\/([A-Za-z][A-Za-z0-9]*|\d+(?:\.\d+)+)=/g

/**
 * Attributes of a slash line, split at a `/` only where a known attribute type (or an OID) and `=` follow:
 * `/CN=host/x.example.org` is one value. undefined when the line does not begin so or a value is empty.
 */
export function parseSlash(line: string): Dn | undefined {
  const rdns: NameAttribute[][] = []
  let oid: string | undefined
  let valueAt = 0
  const take = (end: number): boolean => {
    if (oid === undefined) return end === 0
    const value = line.slice(valueAt, end)
    rdns.push([{ oid, value }])
    return value.trim() !== ''
  }
  for (const match of line.matchAll(BOUNDARY)) {
    const next = attributeOid(match[1] ?? '')
    if (next === undefined) continue
    if (!take(match.index) || rdns.length > MAX_ATTRIBUTES) return undefined
    oid = next
    valueAt = match.index + match[0].length
  }
  if (oid === undefined || !take(line.length)) return undefined
  return makeDn(rdns)
}

/**
 * Could the slash form of this name be read in another way than its attributes are? So when a value itself holds `/TYPE=`
 * or an RDN has several attributes. Such a name never matches a slash line.
 */
export function isSlashAmbiguous(name: Dn): boolean {
  return name.rdns.some((rdn) => rdn.length !== 1 || rdn.some(({ value }) => holdsBoundary(value)))
}

function holdsBoundary(value: string): boolean {
  for (const match of value.matchAll(BOUNDARY)) if (attributeOid(match[1] ?? '') !== undefined) return true
  return false
}

/** String types other than UTF8String by attribute (RFC 5280 appendix A.1). */
const ENCODED_AS: ReadonlyMap<string, number> = new Map([
  ['2.5.4.6', TAG.printableString],
  ['2.5.4.5', TAG.printableString],
  ['1.2.840.113549.1.9.1', TAG.ia5String],
  ['0.9.2342.19200300.100.1.25', TAG.ia5String],
])

/** DER of a value that is text. */
export function encodeValue({ oid, value }: NameAttribute): Buffer {
  return element(ENCODED_AS.get(oid) ?? TAG.utf8String, Buffer.from(value, 'utf8'))
}

/** DER Name of a `Dn` made of text. */
export function encodeName(name: Dn): Buffer {
  return sequence(
    ...name.rdns.map((rdn) =>
      setOf(...rdn.map((attribute) => sequence(oidElement(attribute.oid), encodeValue(attribute)))),
    ),
  )
}

/**
 * The 8 hex digits by which OpenSSL finds a certificate (`HASH.0`) or CRL (`HASH.r0`) in a directory: the first four
 * octets, little endian, of the SHA-1 of the name with its strings as UTF8String, ASCII lower-cased, white space folded.
 */
export function opensslHash(name: Dn): string {
  const canonical = name.rdns.map((rdn) =>
    setOf(...rdn.map(({ oid, value }) => sequence(oidElement(oid), element(TAG.utf8String, canonicalText(value))))),
  )
  const digest = createHash('sha1').update(Buffer.concat(canonical)).digest()
  return digest.readUInt32LE(0).toString(16).padStart(8, '0')
}

function canonicalText(value: string): Buffer {
  const folded = value.replace(/[ \t\n\v\f\r]+/g, ' ').replace(/^ | $/g, '')
  return Buffer.from(
    folded.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
    'utf8',
  )
}
