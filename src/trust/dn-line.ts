/**
 * One line of the DN file: `DN`, `!DN`, `DN/*`, `DN <TAB> issuer=DN`; names in slash form or as RFC 4514 writes them.
 */
import { makeDn, parseSlash } from '../crypto/name.js'
import { attributeOid } from '../crypto/oid.js'
import { parseRfc4514 } from '../crypto/rfc4514.js'
import type { Dn, NameAttribute } from '../message.js'

/** Longest line that is read as a DN, characters. */
const MAX_LINE = 4096

/** What a line says. */
export interface DnLine {
  readonly dn: Dn
  /** `!`: whatever else is said of it, this name is banned. */
  readonly banned: boolean
  /** `/*`: not the name itself, but all that lie below it. */
  readonly subtree: boolean
  /** Only with certificates of this issuer. */
  readonly issuer?: Dn
}

/** The types of attributes that names begin with, seen from the root of the directory. */
const MOST_SIGNIFICANT: ReadonlySet<string | undefined> = new Set(['C', 'DC', 'O'].map((name) => attributeOid(name)))

/** A sentence's end about what is wrong, or the line read. `wildcards`: may a subtree be allowed? */
export function parseDnLine(line: string, wildcards: boolean): DnLine | string {
  if (line.length > MAX_LINE) return `longer than ${MAX_LINE} characters`
  const banned = line.startsWith('!')
  const [name = '', ...pins] = (banned ? line.slice(1) : line).split(/\t+/).map((part) => part.trim())
  const subtree = name.startsWith('/') && name.endsWith('/*')
  // A ban always counts: whoever wrote it would be surprised by a line that lets pass.
  if (subtree && !banned && !wildcards) return 'a subtree is allowed with dn_wildcards = true only'
  const dn = parseDnName(subtree ? name.slice(0, -2) : name)
  if (typeof dn === 'string') return dn
  if (pins.length === 0) return { dn, banned, subtree }
  const issuer = pins.length === 1 && !banned ? parsePin(pins[0] ?? '') : 'only issuer=DN can follow, and no ban'
  return typeof issuer === 'string' ? issuer : { dn, banned, subtree, issuer }
}

function parsePin(text: string): Dn | string {
  const [, name] = /^issuer\s*=\s*(.+)$/i.exec(text) ?? []
  return name === undefined ? 'behind a tab belongs issuer=DN' : parseDnName(name)
}

/** A name in slash form or as RFC 4514 writes it, or a sentence's end about what is wrong; empty: it is none. */
export function parseDnName(text: string): Dn | string {
  if (text.startsWith('/')) return parseSlash(text) ?? ''
  const rdns = parseRfc4514(text)
  if (rdns === undefined) return ''
  return oriented(rdns)
}

/**
 * Tools write such names in both directions. The most significant end is the one with C, DC or O; when both ends have
 * one, or neither, a guess could allow somebody else.
 */
function oriented(rdns: readonly (readonly NameAttribute[])[]): Dn | string {
  if (rdns.length === 1) return makeDn(rdns)
  const first = isMostSignificant(rdns[0])
  const last = isMostSignificant(rdns.at(-1))
  if (first === last) return first ? 'readable in both directions: write it with slashes' : 'begins with no C, DC or O'
  return makeDn(first ? rdns : [...rdns].reverse())
}

function isMostSignificant(rdn: readonly NameAttribute[] | undefined): boolean {
  return rdn?.some(({ oid }) => MOST_SIGNIFICANT.has(oid)) === true
}
