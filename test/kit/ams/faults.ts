/**
 * Faults: which requests they meet, and what becomes of those. A fault strikes `before` the effect took place, or `after`
 * it: then the work is done, and only the answer is lost or another. All chance comes from the server's seed.
 */
import { balancerAnswer, errorAnswer, Refusal, type Answer } from './answers.js'
import type { RouteName } from './routes.js'

export type FaultKind =
  /** Another answer. `form`: AMS's own JSON, what a balancer says, nothing at all, or `text` as it is. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly message?: string
      readonly form?: 'ams' | 'html' | 'empty' | 'text'
      readonly text?: string
      readonly contentType?: string
    }
  /** The connection is closed without an answer. */
  | { readonly kind: 'reset' }
  /** As `reset`, but only on a connection that has been used before: it was closed just as the request went out. */
  | { readonly kind: 'stale' }
  /** No answer, ever. */
  | { readonly kind: 'silence' }
  /** The true answer, `ms` late. */
  | { readonly kind: 'late'; readonly ms: number }
  /** The true answer in pieces, one each `ms`. */
  | { readonly kind: 'drip'; readonly ms: number; readonly pieces: number }
  /** The true answer, cut in the middle of its body (of its head when it has none). */
  | { readonly kind: 'cut' }
  /** 200 with half of the JSON, and a true length. */
  | { readonly kind: 'wrong-json' }
  /** A publish fails after so many of its messages were written. */
  | { readonly kind: 'partial'; readonly written: number }

export interface FaultRule {
  /** Which routes; all of them when absent. */
  readonly on?: RouteName | readonly RouteName[]
  /** The first request of those that it may strike, from 1; default 1. */
  readonly nth?: number
  /** How many it strikes; default 1. */
  readonly times?: number
  /** How likely it strikes each; default 1. */
  readonly probability?: number
  /** Default `before`. Where the fault is about the answer itself, the effect always takes place. */
  readonly when?: 'before' | 'after'
  readonly fault: FaultKind
}

export interface Fault {
  /** Requests that it has struck. */
  hits(): number
  /** It strikes no more. */
  end(): void
}

export interface Faults {
  add(rule: FaultRule): Fault
  clear(): void
  /** What strikes this request; each rule that could is asked, the first counts. `reused`: the connection served before. */
  strike(route: RouteName | null, reused: boolean): FaultRule | undefined
}

export function createFaults(random: () => number): Faults {
  const armed: { readonly rule: FaultRule; seen: number; hits: number }[] = []
  const matches = (rule: FaultRule, route: RouteName | null, reused: boolean): boolean => {
    if (rule.fault.kind === 'stale' && !reused) return false
    const routes = typeof rule.on === 'string' ? [rule.on] : rule.on
    return routes === undefined || (route !== null && routes.includes(route))
  }
  return {
    add(rule) {
      const entry = { rule, seen: 0, hits: 0 }
      armed.push(entry)
      return {
        hits: () => entry.hits,
        end: () => {
          const at = armed.indexOf(entry)
          if (at !== -1) armed.splice(at, 1)
        },
      }
    },
    clear: () => {
      armed.length = 0
    },
    strike(route, reused) {
      let struck: FaultRule | undefined
      for (const entry of armed) {
        const { rule } = entry
        if (!matches(rule, route, reused)) continue
        entry.seen += 1
        const due = entry.seen >= (rule.nth ?? 1) && entry.hits < (rule.times ?? 1)
        if (!due || struck !== undefined || random() >= (rule.probability ?? 1)) continue
        entry.hits += 1
        struck = rule
      }
      return struck
    },
  }
}

const BALANCER = new Set([408, 502, 503, 504])

/** What the server says by itself when nothing else is asked for. */
const WORDS: Readonly<Record<number, readonly [label: string, message: string]>> = {
  400: ['INVALID_ARGUMENT', 'Invalid Request Body'],
  401: ['UNAUTHORIZED', 'Unauthorized'],
  403: ['FORBIDDEN', 'Access to this resource is forbidden'],
  404: ['NOT_FOUND', `project doesn't exist`],
  408: ['TIMEOUT', 'ack timeout'],
  409: ['CONFLICT', `Subscription's topic doesn't exist`],
  413: ['INVALID_ARGUMENT', 'Message size is too large'],
  500: ['INTERNAL_SERVER_ERROR', 'Backend Error'],
}

/** The answer of a `status` fault. */
export function faultAnswer(fault: Extract<FaultKind, { kind: 'status' }>): Answer {
  const { status, message } = fault
  const form =
    fault.form ?? (fault.text !== undefined ? 'text' : message === undefined && BALANCER.has(status) ? 'html' : 'ams')
  if (form === 'html' || form === 'empty') return balancerAnswer(status, form)
  if (form === 'text') return { status, body: fault.text ?? '', contentType: fault.contentType ?? 'text/plain' }
  const [label, usual] = WORDS[status] ?? ['INTERNAL_SERVER_ERROR', 'Internal error']
  return errorAnswer(new Refusal(status, label, message ?? usual), status !== 401 && status !== 403)
}

/** Eight ways in which a request can fail on its way, for tests that want all of them at random. */
export const EVERYTHING: readonly Pick<FaultRule, 'fault' | 'when'>[] = [
  { fault: { kind: 'status', status: 503 } },
  { fault: { kind: 'status', status: 502, form: 'empty' } },
  { fault: { kind: 'status', status: 500 } },
  { fault: { kind: 'reset' } },
  { when: 'after', fault: { kind: 'status', status: 504 } },
  { when: 'after', fault: { kind: 'reset' } },
  { fault: { kind: 'cut' } },
  { fault: { kind: 'wrong-json' } },
]

/** Every request fails with this probability, in a way chosen by chance. Give the rules to `fault` one by one. */
export function anyFailure(probability: number, on?: FaultRule['on']): FaultRule[] {
  // They are asked one after the other: each gets an equal part of what the ones before it left.
  const part = probability / EVERYTHING.length
  return EVERYTHING.map((each, before) => ({
    ...each,
    ...(on === undefined ? {} : { on }),
    probability: part / (1 - before * part),
    times: Infinity,
  }))
}
