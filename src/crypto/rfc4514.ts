/**
 * Distinguished names as text of RFC 4514 (`CN=host,O=Site,C=UK`), and in the spellings of openssl (`C = UK, O = Site`).
 * The slash form cannot say every name; this one can. Which end of the text is the most significant one, it does not say.
 */
import type { Dn, NameAttribute } from '../message.js'
import { encodeValue } from './name.js'
import { attributeName, attributeOid } from './oid.js'

/** Longest text, characters. */
const MAX_TEXT = 4096
/** Most relative names. */
const MAX_RDNS = 64

// Blanks only: other white space may be part of a value.
const TYPE = / *([A-Za-z][A-Za-z0-9]*|\d+(?:\.\d+)+) *= */y
/** An ordinary piece of a value (RFC 4514 section 3: these characters must be escaped). */
const PLAIN = /[^\\",+;<>\0]+/y
const ESCAPED = /\\(?:([0-9A-Fa-f]{2})|([\\",+;<>#= ]))/y
const QUOTED = /"((?:[^"\\\0]|\\["\\])*)" */y

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

interface Scan {
  readonly text: string
  at: number
}

/** The relative names in the order of the text; undefined when it is not such a name. */
export function parseRfc4514(text: string): readonly (readonly NameAttribute[])[] | undefined {
  if (text.length > MAX_TEXT) return undefined
  const scan: Scan = { text, at: 0 }
  const rdns: NameAttribute[][] = []
  let rdn: NameAttribute[] = []
  for (;;) {
    const attribute = readAttribute(scan)
    if (attribute === undefined || rdns.length >= MAX_RDNS) return undefined
    rdn.push(attribute)
    const separator = text[scan.at]
    if (separator !== '+') {
      rdns.push(rdn)
      rdn = []
    }
    if (separator === undefined) return rdns
    if (separator !== ',' && separator !== '+') return undefined
    scan.at++
  }
}

function take(scan: Scan, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = scan.at
  const found = pattern.exec(scan.text)
  if (found !== null) scan.at = pattern.lastIndex
  return found
}

function readAttribute(scan: Scan): NameAttribute | undefined {
  const type = take(scan, TYPE)?.[1]
  const oid = type === undefined ? undefined : attributeOid(type)
  // A value that begins with # is the DER of something that is no text (section 2.4): not compared here.
  if (oid === undefined || scan.text[scan.at] === '#') return undefined
  const quoted = take(scan, QUOTED)
  const value = quoted === null ? readValue(scan) : (quoted[1] ?? '').replace(/\\(.)/g, '$1')
  return value === undefined || value.trim() === '' ? undefined : { oid, value }
}

/** Up to a separator; blanks at the end count only when they are escaped. */
function readValue(scan: Scan): string | undefined {
  const pieces: Buffer[] = []
  let plain = ''
  for (;;) {
    const text = take(scan, PLAIN)
    const escaped = text === null ? take(scan, ESCAPED) : null
    if (text !== null) {
      plain = text[0]
      pieces.push(Buffer.from(plain))
    } else if (escaped !== null) {
      plain = ''
      pieces.push(escaped[1] === undefined ? Buffer.from(escaped[2] ?? '') : Buffer.from(escaped[1], 'hex'))
    } else {
      break
    }
  }
  const blanks = / *$/.exec(plain)?.[0].length ?? 0
  const bytes = Buffer.concat(pieces)
  try {
    return utf8.decode(bytes.subarray(0, bytes.length - blanks))
  } catch {
    return undefined
  }
}

/** The text of a name, least significant first, as `parseRfc4514` reads it back. */
export function formatRfc4514({ rdns }: Dn): string {
  const text = (rdn: readonly NameAttribute[]): string =>
    rdn.map(({ oid, value }) => `${attributeName(oid)}=${escapeValue(value)}`).join('+')
  return rdns.map(text).reverse().join(',')
}

/** The types that RFC 2253 section 2.3 has words for. */
const RFC2253_TYPES = new Set(['CN', 'L', 'ST', 'O', 'OU', 'C', 'STREET', 'DC', 'UID'])

/** As RFC 2253 writes it, and Java: types without a word of it are numbers, with the value's DER in hex (section 2.4). */
export function formatRfc2253({ rdns }: Dn): string {
  const text = (rdn: readonly NameAttribute[]): string =>
    rdn
      .map((attribute) => {
        const name = attributeName(attribute.oid)
        if (RFC2253_TYPES.has(name.toUpperCase())) return `${name}=${escapeValue(attribute.value)}`
        return `${attribute.oid}=#${encodeValue(attribute).toString('hex')}`
      })
      .join('+')
  return rdns.map(text).reverse().join(',')
}

// eslint-disable-next-line no-control-regex -- these are what is looked for.
const CONTROLS = /[\0-\x1f\x7f]/g

function escapeValue(value: string): string {
  return value
    .replace(/[\\",+;<>]/g, '\\$&')
    .replace(CONTROLS, (control) => `\\${Buffer.from(control).toString('hex')}`)
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
}
