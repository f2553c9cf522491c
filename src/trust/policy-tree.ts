/**
 * Certificate policies along a path (RFC 5280 sections 6.1.3 (d) to 6.1.5 (g)), with the default inputs: any policy will do,
 * none is required unless a CA of the path requires one.
 *
 * With these inputs all that counts is whether the valid policy tree is empty, and whether nodes of the next level come to be
 * depends on the last level alone. So only that level is kept, one node a policy: the tree of RFC 5280, which can grow
 * exponentially, folded as RFC 9618 section 5 folds it.
 */
import type { Certificate } from '../crypto/certificate.js'
import { ANY_POLICY, type PolicyFacts } from './policy-facts.js'

export interface PolicyStep {
  readonly certificate: Certificate
  readonly selfIssued: boolean
  readonly facts: PolicyFacts
}

/** A level of the tree: valid_policy to expected_policy_set. Empty: the tree is NULL. */
type Level = ReadonlyMap<string, ReadonlySet<string>>

const START: Level = new Map([[ANY_POLICY, new Set([ANY_POLICY])]])

interface State {
  level: Level
  /** How many certificates may still follow before the rule bites (section 6.1.2 (d) to (f)). */
  explicit: number
  mapping: number
  any: number
}

/**
 * `steps` from below the anchor down to the leaf (the anchor is no part of the path in RFC 5280). undefined: the path keeps
 * the rules; else a sentence that says which certificate breaks them.
 */
export function judgePolicies(steps: readonly PolicyStep[]): string | undefined {
  const count = steps.length
  const state: State = { level: START, explicit: count + 1, mapping: count + 1, any: count + 1 }
  for (const [index, step] of steps.entries()) {
    const last = index === count - 1
    state.level = descend(state, step, last)
    if (state.explicit === 0 && state.level.size === 0) return explain(step)
    if (last) break
    const wrong = prepare(state, step)
    if (wrong !== undefined) return wrong
  }
  return wrapUp(state, steps[count - 1])
}

function explain({ certificate }: PolicyStep): string {
  return `a CA requires an explicit certificate policy, and ${certificate.subject.slash} is under none that all CAs grant`
}

/** Section 6.1.3 (d) and (e). */
function descend({ level, any }: State, { selfIssued, facts }: PolicyStep, last: boolean): Level {
  const { policies } = facts
  if (policies === undefined || level.size === 0) return new Map()
  const expected = new Set<string>()
  for (const set of level.values()) for (const policy of set) expected.add(policy)
  const next = new Map<string, ReadonlySet<string>>()
  const hadAny = level.has(ANY_POLICY)
  for (const policy of policies) {
    if (policy === ANY_POLICY) continue
    if (expected.has(policy) || hadAny) next.set(policy, new Set([policy]))
  }
  if (policies.has(ANY_POLICY) && (any > 0 || (!last && selfIssued))) {
    for (const policy of expected) if (!next.has(policy)) next.set(policy, new Set([policy]))
  }
  return next
}

/** Section 6.1.4 (a), (b), (h), (i) and (j). */
function prepare(state: State, { certificate, selfIssued, facts }: PolicyStep): string | undefined {
  for (const pair of facts.mappings) {
    if (pair.includes(ANY_POLICY)) return `${certificate.subject.slash} maps the certificate policy anyPolicy`
  }
  state.level = map(state, facts)
  if (!selfIssued) {
    state.explicit = Math.max(0, state.explicit - 1)
    state.mapping = Math.max(0, state.mapping - 1)
    state.any = Math.max(0, state.any - 1)
  }
  state.explicit = Math.min(state.explicit, facts.requireExplicit ?? Infinity)
  state.mapping = Math.min(state.mapping, facts.inhibitMapping ?? Infinity)
  state.any = Math.min(state.any, facts.inhibitAny ?? Infinity)
  return undefined
}

function map({ level, mapping }: State, { mappings }: PolicyFacts): Level {
  if (mappings.length === 0) return level
  const mapped = new Map(level)
  const targets = new Map<string, Set<string>>()
  for (const [from, to] of mappings) {
    const known = targets.get(from)
    if (known === undefined) targets.set(from, new Set([to]))
    else known.add(to)
  }
  for (const [from, to] of targets) {
    if (mapping === 0) mapped.delete(from)
    else if (level.has(from) || level.has(ANY_POLICY)) mapped.set(from, to)
  }
  return mapped
}

/** Section 6.1.5 (a), (b) and (g). */
function wrapUp({ explicit, level }: State, last: PolicyStep | undefined): string | undefined {
  if (last === undefined) return undefined
  // (a) counts down for a self-issued certificate too, unlike (h).
  const left = last.facts.requireExplicit === 0 ? 0 : Math.max(0, explicit - 1)
  return left === 0 && level.size === 0 ? explain(last) : undefined
}
