/**
 * The listed name that is most like a refused one, and where the two differ: a mistyped line is found at a glance.
 */
import { attributeName } from '../crypto/oid.js'
import type { Dn, NameAttribute } from '../message.js'

/** Names that are compared one by one; of longer lists, those with the same last part. */
const MAX_COMPARED = 500

export interface NearestIndex {
  /** A sentence's end, or undefined when nothing is near. */
  explain(dn: Dn): string | undefined
}

/** A listed name, its parts folded for comparing. */
interface Listed {
  readonly name: Dn
  readonly parts: readonly string[]
}

export function createNearestIndex(names: readonly Dn[]): NearestIndex {
  const byLast = new Map<string, Listed[]>()
  const some: Listed[] = []
  for (const name of names) {
    const listed = { name, parts: partsOf(name) }
    if (some.length < MAX_COMPARED) some.push(listed)
    const last = listed.parts.at(-1) ?? ''
    const same = byLast.get(last)
    if (same === undefined) byLast.set(last, [listed])
    else if (same.length < MAX_COMPARED) same.push(listed)
  }
  return {
    explain(dn) {
      const parts = partsOf(dn)
      const candidates = byLast.get(parts.at(-1) ?? '') ?? []
      let best: { readonly name: Dn; readonly score: number } | undefined
      for (const listed of [...candidates, ...some]) {
        const score = likeness(listed.parts, parts)
        if (score > (best?.score ?? 0)) best = { name: listed.name, score }
      }
      return best === undefined
        ? undefined
        : `the nearest listed DN is ${best.name.slash}: ${difference(best.name, dn)}`
    },
  }
}

function partText(rdn: readonly NameAttribute[] | undefined): string {
  return (rdn ?? []).map(({ oid, value }) => `${attributeName(oid)}=${value}`).join('+')
}

function partsOf(dn: Dn): readonly string[] {
  return dn.rdns.map((rdn) => partText(rdn).toLowerCase())
}

/** Equal parts at both ends; at least half of the longer name, else it is another one. */
function likeness(others: readonly string[], parts: readonly string[]): number {
  const longer = Math.max(others.length, parts.length)
  const shorter = Math.min(others.length, parts.length)
  let front = 0
  while (front < shorter && others[front] === parts[front]) front++
  let back = 0
  while (back < shorter - front && others.at(-1 - back) === parts.at(-1 - back)) back++
  const equal = front + back
  return equal * 2 >= longer ? equal / longer : 0
}

/** The first part that differs, in words. */
function difference(listed: Dn, dn: Dn): string {
  const there = listed.rdns.map(partText)
  const here = dn.rdns.map(partText)
  const at = here.findIndex((part, index) => part.toLowerCase() !== there[index]?.toLowerCase())
  const mine = here[at < 0 ? here.length : at]
  const theirs = there[at < 0 ? here.length : at]
  if (mine === undefined) return `it has ${theirs ?? 'nothing'} besides`
  return theirs === undefined ? `it lacks ${mine}` : `it has ${theirs} where this one has ${mine}`
}
