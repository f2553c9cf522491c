/**
 * What a program that stays has done since it began: counts, rates, whom it heard of, and how it is connected. Only numbers
 * in memory: counting a message costs less than a microsecond, and nothing is made of it until somebody asks.
 */
import type { Clock } from '../os/clock.js'
import { printable } from './printable.js'
import { createRates, type Rates } from './rates.js'

/** What became of messages, by program. `again`: it was stored before. `dropped`: its signer is banned. */
export const OUTCOMES = {
  ssmreceive: ['stored', 'rejected', 'held', 'again', 'dropped'],
  ssmsend: ['sent', 'setAside'],
} as const

export type TallyProgram = keyof typeof OUTCOMES
export type Outcome = (typeof OUTCOMES)[TallyProgram][number]

/** How it stands with the other end. `paused`: by trouble of ours, so that messages wait at the broker. */
export type LinkState =
  | { readonly state: 'connecting' }
  | { readonly state: 'connected'; readonly peer?: string; readonly listens?: true }
  | { readonly state: 'waiting'; readonly why: string; readonly paused: boolean }

/** One message that was dealt with. All of it is outside text. */
export interface Handled {
  readonly outcome: Outcome
  readonly id: string
  /** Where it is now. */
  readonly name?: string
  /** Only a verified one: anybody can make up names. */
  readonly signer?: string
  readonly reason?: string
}

export interface SignerCount {
  readonly signer: string
  readonly stored: number
  readonly refused: number
  /** ISO 8601, UTC. */
  readonly last: string
}

/** Safe to print and to send. Times are ISO 8601, UTC. */
export interface TallyView {
  readonly since: string
  readonly link: LinkState & { readonly since: string }
  readonly counts: Readonly<Partial<Record<Outcome, number>>>
  /** Messages in the minutes of the last hour, oldest first. */
  readonly minutes: Readonly<Partial<Record<Outcome, readonly number[]>>>
  readonly last?: {
    readonly at: string
    readonly outcome: Outcome
    readonly id: string
    readonly name?: string
    readonly signer?: string
  }
  /** Of those rejected and held. */
  readonly reasons: Readonly<Record<string, number>>
  readonly signers: readonly SignerCount[]
  /** Messages of signers beyond those that have a line of their own. */
  readonly otherSigners: number
}

export interface Tally {
  readonly handled: (message: Handled) => void
  readonly link: (state: LinkState) => void
  readonly view: () => TallyView
}

/** Signers that have a line of their own, in the order they came: as labels of metrics they must not change places. */
export const MAX_SIGNERS = 500
/** Words of trouble and names, characters. */
const WORDS = 1024

interface Signer {
  stored: number
  refused: number
  last: number
}

interface Counter {
  total: number
  readonly rates: Rates
}

export function createTally(program: TallyProgram, clock: Pick<Clock, 'now' | 'monotonic'>): Tally {
  const counters = new Map<Outcome, Counter>()
  for (const outcome of OUTCOMES[program]) counters.set(outcome, { total: 0, rates: createRates(clock) })
  const since = clock.now()
  const reasons = new Map<string, number>()
  const signers = new Map<string, Signer>()
  let otherSigners = 0
  let link: LinkState = { state: 'connecting' }
  let linkedAt = since
  let last: (Handled & { readonly at: number }) | undefined

  function signed(signer: string, outcome: Outcome, at: number): void {
    let known = signers.get(signer)
    if (known === undefined) {
      if (signers.size >= MAX_SIGNERS) {
        otherSigners += 1
        return
      }
      known = { stored: 0, refused: 0, last: at }
      signers.set(signer, known)
    }
    if (outcome === 'stored') known.stored += 1
    else if (outcome !== 'again') known.refused += 1
    known.last = at
  }

  return {
    handled(message) {
      const at = clock.now()
      const { outcome, signer, reason } = message
      const counter = counters.get(outcome)
      if (counter === undefined) return
      counter.total += 1
      counter.rates.add(1)
      last = { ...message, at }
      if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      if (signer !== undefined) signed(signer, outcome, at)
    },
    link(state) {
      // The same trouble again: it has lasted since it began.
      if (state.state !== link.state || state.state === 'connected') linkedAt = clock.now()
      link = state
    },
    view: () => ({
      since: iso(since),
      link: { ...printableLink(link), since: iso(linkedAt) },
      counts: Object.fromEntries([...counters].map(([outcome, { total }]) => [outcome, total])),
      minutes: Object.fromEntries([...counters].map(([outcome, { rates }]) => [outcome, rates.minutes()])),
      ...(last === undefined ? {} : { last: lastOf(last) }),
      reasons: Object.fromEntries(reasons),
      signers: [...signers].map(([signer, count]) => ({
        ...count,
        signer: printable(signer, WORDS),
        last: iso(count.last),
      })),
      otherSigners,
    }),
  }
}

const iso = (at: number): string => new Date(at).toISOString()

function printableLink(link: LinkState): LinkState {
  if (link.state === 'waiting') return { ...link, why: printable(link.why, WORDS) }
  return link.state === 'connected' && link.peer !== undefined ? { ...link, peer: printable(link.peer) } : link
}

function lastOf({ at, outcome, id, name, signer }: Handled & { readonly at: number }): NonNullable<TallyView['last']> {
  return {
    at: iso(at),
    outcome,
    id: printable(id),
    ...(name === undefined ? {} : { name: printable(name) }),
    ...(signer === undefined ? {} : { signer: printable(signer, WORDS) }),
  }
}
