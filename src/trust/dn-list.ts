/**
 * The list of allowed signers (the `dns` file), as structured names compared by their canonical keys, never as text:
 * `/CN=a/CN=b` is two attributes, and a certificate whose own value holds `/CN=` cannot pass for them. What a line may say
 * stands in dn-line.ts.
 */
import { isSlashAmbiguous, makeDn } from '../crypto/name.js'
import { formatRfc4514 } from '../crypto/rfc4514.js'
import { SsmError } from '../errors.js'
import type { Dn } from '../message.js'
import { parseDnLine, type DnLine } from './dn-line.js'
import { createNearestIndex, type NearestIndex } from './dn-nearest.js'
import type { DnList, DnStanding } from './port.js'

/** Most lines. */
const MAX_LINES = 200_000
/** Warnings kept; the rest is counted. */
const MAX_WARNINGS = 100

export interface ParsedDnList {
  readonly list: DnList
  /** Names that are banned, subtrees included. */
  readonly bans: number
  /** A line says `# none`: that the list allows nobody is meant. */
  readonly none: boolean
  /** Lines that were skipped, as log lines: `DN in incorrect format: L`. */
  readonly warnings: readonly string[]
}

export interface DnListOptions {
  /** May a line allow a subtree (`dn_wildcards`)? */
  readonly wildcards?: boolean
}

/** A name of the list. `issuers`: keys of the issuers it is pinned to; absent: any. */
interface Entry {
  readonly dn: Dn
  readonly issuers?: ReadonlyMap<string, Dn>
}

interface Entries {
  readonly names: Map<string, Entry>
  readonly subtrees: Map<string, Entry>
  readonly bannedNames: Set<string>
  readonly bannedSubtrees: Set<string>
}

/** Reads the text of a list. It may turn out empty: `loadDnList` refuses that. Throws SsmError `limit`. */
export function parseDnList(text: string, { wildcards = false }: DnListOptions = {}): ParsedDnList {
  const lines = text.split(/\r\n|\n|\r/)
  if (lines.length > MAX_LINES) throw new SsmError('limit', `the DN list has more than ${MAX_LINES} lines`)
  const entries: Entries = { names: new Map(), subtrees: new Map(), bannedNames: new Set(), bannedSubtrees: new Set() }
  const warnings: string[] = []
  let none = false
  for (const [index, raw] of lines.entries()) {
    // Editors put a byte order mark in front of the first line.
    const line = (index === 0 ? raw.replace(/^\ufeff/, '') : raw).trim()
    if (/^#\s*none$/i.test(line)) none = true
    if (line === '' || line.startsWith('#')) continue
    const read = parseDnLine(line, wildcards)
    if (typeof read !== 'string') enter(entries, read)
    else warnings.push(`DN in incorrect format: ${line.slice(0, 256)}${read === '' ? '' : ` (${read})`}`)
  }
  const more = warnings.length - MAX_WARNINGS
  if (more > 0) warnings.splice(MAX_WARNINGS, more, `${more} more lines of the DN list are in incorrect format`)
  const bans = entries.bannedNames.size + entries.bannedSubtrees.size
  return { list: createDnList(entries), bans, none, warnings }
}

function enter(entries: Entries, { dn, banned, subtree, issuer }: DnLine): void {
  if (banned) {
    ;(subtree ? entries.bannedSubtrees : entries.bannedNames).add(dn.key)
    return
  }
  const map = subtree ? entries.subtrees : entries.names
  const known = map.get(dn.key)
  // A line without an issuer allows all of them, whatever another line says.
  if (issuer === undefined || (known !== undefined && known.issuers === undefined)) map.set(dn.key, { dn })
  else map.set(dn.key, { dn, issuers: new Map([...(known?.issuers ?? []), [issuer.key, issuer]]) })
}

function createDnList(entries: Entries): DnList {
  const { names, subtrees, bannedNames, bannedSubtrees } = entries
  let nearest: NearestIndex | undefined
  const looksAtSubtrees = subtrees.size + bannedSubtrees.size > 0
  return {
    size: names.size + subtrees.size,
    standing(dn, issuer) {
      const above = looksAtSubtrees ? prefixesOf(dn) : []
      if (bannedNames.has(dn.key) || above.some((key) => bannedSubtrees.has(key))) return { standing: 'banned' }
      const entry = names.get(dn.key)
      if (entry !== undefined && grants(entry, issuer)) return { standing: 'listed' }
      for (const key of above) {
        const tree = subtrees.get(key)
        if (tree !== undefined && grants(tree, issuer)) return { standing: 'listed', subtree: `${tree.dn.slash}/*` }
      }
      nearest ??= createNearestIndex([...names.values()].map((each) => each.dn))
      return { standing: 'unlisted', ...whyNot(dn, issuer, entry, nearest) }
    },
  }
}

function grants({ issuers }: Entry, issuer: Dn): boolean {
  return issuers === undefined || issuers.has(issuer.key)
}

/** Keys of the names above this one. What is no text has keys that `makeDn` cannot make: they are left out. */
function prefixesOf(dn: Dn): readonly string[] {
  const keys: string[] = []
  let key = ''
  for (const rdn of dn.rdns.slice(0, -1)) {
    key = key === '' ? makeDn([rdn]).key : `${key}/${makeDn([rdn]).key}`
    if (!dn.key.startsWith(`${key}/`)) break
    keys.push(key)
  }
  return keys
}

function whyNot(dn: Dn, issuer: Dn, entry: Entry | undefined, nearest: NearestIndex): { readonly why?: string } {
  if (entry?.issuers !== undefined) {
    const pinned = [...entry.issuers.values()].map(({ slash }) => slash).join(', ')
    return { why: `it is listed for certificates of ${pinned}, and this one is of ${issuer.slash}` }
  }
  if (isSlashAmbiguous(dn)) {
    const form = formatRfc4514(dn)
    return { why: `a value of this name holds "/TYPE=", or several stand together: list it in the form ${form}` }
  }
  const why = nearest.explain(dn)
  return why === undefined ? {} : { why }
}

/** Why a signer is not allowed, for the reject text. `remark` stands directly behind the name. */
export function explainNotListed(dn: Dn, { why }: Extract<DnStanding, { standing: 'unlisted' }>, remark = ''): string {
  return `${dn.slash}${remark}${why === undefined ? '' : `; ${why}`}`
}

/** Why a signer is not allowed by a subtree alone, for the reject text. */
export function explainUnpoliced(dn: Dn, subtree: string): string {
  return `${dn.slash}; the line ${subtree} counts only for CAs with an enforced signing policy`
}
