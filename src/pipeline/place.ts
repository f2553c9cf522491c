/**
 * Where a judged message goes: incoming, reject or held, and once only. Durable when it resolves. Throws SsmError `disk`
 * only.
 */
import { REASONS, type MessageId, type Opened } from '../message.js'
import type { Logger } from '../observe/log.js'
import type { Identity } from '../spool/journal/identity.js'
import type { Known } from '../spool/journal/journal.js'
import type { MessageKey } from '../spool/journal/record.js'
import { errorText } from './judge.js'
import { createRefusals, type Refusals } from './refusals.js'

/** What `incoming` holds of one message (specs: body, signer, empaid). */
export interface IncomingElement {
  readonly body: Uint8Array
  readonly signer: string
  readonly empaid: string
}

/** What `reject` holds: the raw received bytes, and why. */
export interface RejectElement extends IncomingElement {
  readonly error: string
}

/** What `held` holds: the raw received bytes until trust data are fresh. */
export interface HeldElement {
  readonly body: Uint8Array
  readonly empaid: string
  readonly error: string
  readonly ca: string
  /** ms since the epoch, decimal. */
  readonly since: string
}

/** What each place holds. */
export interface Elements {
  readonly incoming: IncomingElement
  readonly reject: RejectElement
  readonly held: HeldElement
}

/** Where messages are stored, exactly once (the spool's journal). */
export interface Ledger {
  /** What is known of a message, stored or on its way. `store` must follow in the same turn. */
  look(identity: Identity): Known | undefined
  /** Durable when it resolves; answers the element's name. */
  store<Q extends keyof Elements>(queue: Q, element: Elements[Q], key: MessageKey): Promise<string>
}

export interface PlaceDeps {
  readonly ledger: Ledger
  /** By what a message is recognised. */
  readonly identify: (opened: Opened, wire: Uint8Array, id: MessageId) => Identity
  /** What becomes of a signature that came before under another id. */
  readonly replay: 'store' | 'reject'
  readonly log: Logger
  /** Makes outside text safe to store, cut at so many characters. */
  readonly printable: (text: string, limit: number) => string
  readonly now: () => number
  /** Asked before a message is held: has its CA used up its share of the room? Throws SsmError `disk` when all is used up. */
  readonly isHoldFull?: (ca: string, bytes: number) => boolean
}

/** Longest stored id and signer, characters. */
const EMPAID_LIMIT = 1024
const SIGNER_LIMIT = 4096

/** What the reference stores when there is no verified signer. */
export const NO_SIGNER = 'Not available.'

/** Where a message is now. `again`: it was there before. */
export interface Placed {
  /** `dropped`: nowhere, because its verified signer is banned; it has no name then. */
  readonly queue: keyof Elements | 'dropped'
  readonly name: string
  readonly again: boolean
}

/**
 * Puts one judged message where it belongs, exactly once: what was stored before is only named, and what a banned signer
 * sent is dropped. `wire` is what came, byte for byte, and `id` what came with it: a message of the reject spool can be
 * placed again with them.
 */
export type Place = (opened: Opened, wire: Uint8Array, id: MessageId) => Promise<Placed>

type No = Extract<Opened, { verdict: 'hold' | 'no' }>

/** Stores by verdict and logs what happened. */
export function createPlace(deps: PlaceDeps): Place {
  const { ledger, log, printable } = deps
  const refusals = createRefusals(log, deps.now)
  return async function place(opened, wire, id) {
    if (opened.verdict === 'no' && opened.reason === 'banned') {
      refusals.drop(opened.signer)
      return { queue: 'dropped', name: '', again: false }
    }
    const empaid = printable(id, EMPAID_LIMIT)
    const identity = deps.identify(opened, wire, empaid)
    const queue = QUEUES[opened.verdict]
    const known = ledger.look(identity)
    if (known !== undefined && known.what !== 'replay') {
      const name = await known.name()
      log.info('Message %s was already stored as %s.', id, name)
      return { queue, name, again: true }
    }
    const refused = refuse(opened, known, wire, deps)
    if (refused !== undefined) return await place(refused, wire, id)
    if (opened.verdict !== 'ok') {
      const name = await storeRefused({ ...deps, refusals }, opened, wire, empaid, identity.key)
      return { queue, name, again: false }
    }
    if (known !== undefined) log.warning('Message %s has the signature of another one, and is stored all the same.', id)
    log.info('Valid signer: %s', opened.signer.slash)
    const signer = printable(opened.signer.slash, SIGNER_LIMIT)
    const name = await ledger.store('incoming', { body: opened.plain.body, signer, empaid }, identity.key)
    log.info('Message saved to incoming queue as %s', name)
    return { queue, name, again: false }
  }
}

const QUEUES = { ok: 'incoming', no: 'reject', hold: 'held' } as const

/**
 * What is refused here although it was not there. A CA that has used up its share of the held ones must not stop those of
 * the others: its own go to reject.
 */
function refuse(opened: Opened, known: Known | undefined, wire: Uint8Array, deps: PlaceDeps): No | undefined {
  if (opened.verdict === 'hold' && deps.isHoldFull?.(opened.ca ?? '', wire.length) === true) {
    return { ...opened, verdict: 'no', detail: `${opened.detail}; too many messages of this CA are held already` }
  }
  if (opened.verdict !== 'ok' || known?.what !== 'replay' || deps.replay !== 'reject') return undefined
  const detail = 'the same signature came before under another id'
  return { verdict: 'no', reason: 'replayed', detail, signer: opened.signer }
}

interface RefusalDeps extends PlaceDeps {
  readonly refusals: Refusals
}

/** Nothing may come between the caller's look and the store. */
async function storeRefused(deps: RefusalDeps, opened: No, body: Uint8Array, empaid: string, key: MessageKey) {
  const { ledger, log, printable } = deps
  const said = printable(errorText(opened), SIGNER_LIMIT)
  // The reason comes after the cut: whatever a message makes the text say, the last word is ours.
  const error = `${said} [${opened.reason}]`
  if (opened.verdict === 'hold') {
    const element = { body, empaid, error, ca: opened.ca ?? '', since: String(deps.now()) }
    const name = await ledger.store('held', element, key)
    log.warning('Message held as %s until trust data are fresh: %s', name, { message: said })
    return name
  }
  const isSaid = deps.refusals.isSaid(opened)
  if (isSaid) sayRejected(log, opened, said)
  const signer = opened.signer === undefined ? NO_SIGNER : printable(opened.signer.slash, SIGNER_LIMIT)
  const name = await ledger.store('reject', { body, signer, empaid, error }, key)
  if (isSaid) log.info('Message saved to reject queue as %s', name)
  return name
}

function sayRejected(log: Logger, opened: No, said: string): void {
  const { class: kind } = REASONS[opened.reason]
  const detail = { message: opened.detail }
  if (kind === 'verify') log.error('Failed to verify message: %s', detail)
  else if (kind === 'decrypt') log.error('Failed to decrypt message: %s', detail)
  else if (kind === 'signer') log.warning('Signer not in valid DNs list: %s', detail)
  log.warning('Message rejected: %s', { message: said })
}
