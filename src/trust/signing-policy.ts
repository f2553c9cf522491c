/**
 * Which names a CA may speak for, as grid distributions of CAs say it beside each certificate: `*.signing_policy` (the EACL
 * files of Globus) and `*.namespaces` (EUGridPMA). Parsing and matching only; policy-files.ts judges paths.
 *
 * Only what is understood as a whole is used: a rule that was read wrongly could grant too much. Throws SsmError `malformed`.
 */
import { malformed } from '../crypto/der.js'
import { attributeName, attributeOid } from '../crypto/oid.js'
import type { Dn } from '../message.js'

/** A wildcard for any run of characters, and for one. */
const RUN = 0
const ONE = 1
type Token = string | typeof RUN | typeof ONE
export type Pattern = readonly Token[]

export interface PolicyRule {
  /** The CA's name as `canonicalName` writes it; SELF: the CA after which the file is named. */
  readonly issuer: string | typeof SELF
  readonly permit: boolean
  readonly patterns: readonly Pattern[]
}

export const SELF = Symbol('SELF')

/** Largest file, bytes. Those of IGTF have under 2 KiB. */
export const MAX_POLICY_FILE = 262_144
/** Longest line, characters. */
const MAX_LINE = 4096
/** Most rules, and most patterns of a rule. */
const MAX_RULES = 1000

/**
 * A name, or a pattern for names, for comparing: attribute types as OpenSSL writes them (`Email` and `emailAddress` are one),
 * case and white space folded as RFC 5280 section 7.1 does.
 */
export function canonicalName(slash: string): string {
  return slash
    .normalize('NFC')
    .replace(/\/([A-Za-z][A-Za-z0-9]*|\d+(?:\.\d+)+)=/g, (text, type: string) => {
      const oid = attributeOid(type)
      return oid === undefined ? text : `/${attributeName(oid)}=`
    })
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .trim()
    .toLowerCase()
}

/** Does a pattern cover the name? Time is length of name times length of pattern at worst. */
export function covers(patterns: readonly Pattern[], { slash }: Dn): boolean {
  const name = Array.from(canonicalName(slash))
  return patterns.some((pattern) => matches(pattern, name))
}

/** Goes back to the last wildcard only: an earlier one need never take more. */
function matches(pattern: Pattern, name: readonly string[]): boolean {
  let at = 0
  let next = 0
  let wildcard = -1
  let taken = 0
  while (at < name.length) {
    const token = pattern[next]
    if (token === RUN) {
      wildcard = next++
      taken = at
    } else if (token !== undefined && (token === ONE || token === name[at])) {
      next++
      at++
    } else if (wildcard >= 0) {
      next = wildcard + 1
      at = ++taken
    } else return false
  }
  while (pattern[next] === RUN) next++
  return next === pattern.length
}

/** Globus: `*` is any run of characters, `?` is one. */
function globPattern(text: string): Pattern {
  return Array.from(canonicalName(text), (letter) => (letter === '*' ? RUN : letter === '?' ? ONE : letter))
}

const NAMESPACES = 'the namespaces file'

/**
 * EUGridPMA: a regular expression, of which `.*` and escaped characters are understood. A lone dot is a dot, and
 * parentheses are some: they stand in names.
 */
function regexPattern(text: string): Pattern {
  const tokens: Token[] = []
  const letters = Array.from(canonicalName(text.replace(/^\^|\$$/g, '')))
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at] ?? ''
    const next = letters[at + 1]
    if (letter === '.' && next === '*') {
      tokens.push(RUN)
      at++
    } else if (letter === '\\' && next !== undefined && !/[a-z0-9]/.test(next)) {
      tokens.push(next)
      at++
    } else if ('\\*+?[]{}|^$'.includes(letter)) {
      throw malformed(NAMESPACES, `has a pattern with ${letter}, which is not understood (.* is)`)
    } else tokens.push(letter)
  }
  return tokens
}

const EACL = 'the signing policy'

/** Reads an EACL file: blocks of `access_id_CA`, `pos_rights` and `cond_subjects` lines. */
export function parseSigningPolicy(text: string): PolicyRule[] {
  const rules: PolicyRule[] = []
  let issuers: string[] = []
  let rights: boolean | undefined
  let open = false
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (line.length > MAX_LINE) throw malformed(EACL, `has a line of more than ${MAX_LINE} characters`)
    const [, keyword, authority, rest = ''] = /^\s*([^\s#]\S*)\s+(\S+)\s+(\S.*)$/.exec(line) ?? []
    if (keyword === undefined) {
      if (/^\s*(?:#|$)/.test(line)) continue
      throw malformed(EACL, `has a line that is not understood: ${line.trim().slice(0, 100)}`)
    }
    if (keyword === 'access_id_CA') {
      // Identities one after the other share what follows.
      issuers = open ? [...issuers, canonicalName(unquote(rest))] : [canonicalName(unquote(rest))]
      open = true
      rights = undefined
      continue
    }
    open = false
    if (issuers.length === 0) throw malformed(EACL, `has ${keyword.slice(0, 40)} before any access_id_CA`)
    const ours = authority === 'globus'
    if (keyword === 'pos_rights' || keyword === 'neg_rights') {
      rights = ours && unquote(rest) === 'CA:sign' ? keyword === 'pos_rights' : undefined
      if (rights === false) add(rules, issuers, false, [[RUN]])
    } else if (keyword === 'cond_subjects') {
      if (ours && rights === true) add(rules, issuers, true, readSubjects(rest))
    } else throw malformed(EACL, `has ${keyword.slice(0, 40)}, which is not understood`)
  }
  if (rules.length === 0) throw malformed(EACL, 'grants nothing to anybody')
  return rules
}

function add(
  rules: PolicyRule[],
  issuers: readonly PolicyRule['issuer'][],
  permit: boolean,
  patterns: readonly Pattern[],
): void {
  for (const issuer of issuers) rules.push({ issuer, permit, patterns })
  if (rules.length > MAX_RULES || patterns.length > MAX_RULES) {
    throw malformed('the policy', `has more than ${MAX_RULES} rules`)
  }
}

/** The value inside its quotes; a comment may follow them. */
function unquote(rest: string): string {
  const quote = rest[0]
  if (quote !== "'" && quote !== '"') return rest.replace(/\s+#.*$/, '').trim()
  const end = rest.lastIndexOf(quote)
  const after = rest.slice(end + 1).trim()
  if (end === 0 || (after !== '' && !after.startsWith('#'))) {
    throw malformed(EACL, `has a value whose quotes do not match: ${rest.slice(0, 100)}`)
  }
  return rest.slice(1, end)
}

/** `'"/C=A/*" "/C=B/*"'`, with or without the inner quotes. */
function readSubjects(rest: string): Pattern[] {
  const inner =
    rest.startsWith('"') && !rest.includes("'") && (rest.match(/"/g) ?? []).length > 2 ? rest : unquote(rest)
  const quoted = [...inner.matchAll(/"([^"]*)"/g)].map(([, name = '']) => name)
  if (inner.replace(/"[^"]*"/g, '').trim() === '') {
    if (quoted.length === 0 || quoted.includes('')) throw malformed(EACL, 'has a condition without a subject')
    return quoted.map(globPattern)
  }
  if (inner.includes('"')) throw malformed(EACL, `has a value whose quotes do not match: ${rest.slice(0, 100)}`)
  return inner
    .trim()
    .split(/\s+(?=\/(?:\*|[A-Za-z0-9.]+=))/)
    .map(globPattern)
}

const STATEMENT = /\s*TO\s+Issuer\s*(?:"([^"]*)"|(SELF))\s*(PERMIT|DENY)\s+Subject\s*"([^"]*)"\s*;?(?:\s*#[^\n]*)?/iy

/** Reads a namespaces file: statements `TO Issuer "…" PERMIT Subject "…"`. */
export function parseNamespaces(text: string): PolicyRule[] {
  const lines = text.split(/\r\n|\n|\r/).filter((line) => !/^\s*#/.test(line))
  if (lines.some(({ length }) => length > MAX_LINE)) {
    throw malformed(NAMESPACES, `has a line of more than ${MAX_LINE} characters`)
  }
  const whole = lines.join('\n').replace(/\\[ \t]*\n/g, '')
  const rules: PolicyRule[] = []
  const statement = new RegExp(STATEMENT)
  while (whole.slice(statement.lastIndex).trim() !== '') {
    const from = statement.lastIndex
    const [, issuer, self, effect = '', subject = ''] = statement.exec(whole) ?? []
    if (issuer === undefined && self === undefined) {
      throw malformed(NAMESPACES, `has a statement that is not understood: ${whole.slice(from).trim().slice(0, 100)}`)
    }
    const name = issuer === undefined ? SELF : canonicalName(issuer)
    add(rules, [name], effect.toUpperCase() === 'PERMIT', [regexPattern(subject)])
  }
  if (rules.length === 0) throw malformed(NAMESPACES, 'permits nothing to anybody')
  return rules
}
