/**
 * Where a judged message goes: incoming, reject or held. Durable when it resolves. Throws SsmError `disk` only.
 */
import { REASONS, type MessageId, type Opened } from '../message.js'
import type { Logger } from '../observe/log.js'
import { errorField } from './judge.js'

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

/** The three places. Each `add` is durable when it resolves, and returns the element's name. */
export interface Places {
  readonly incoming: { add(element: IncomingElement): Promise<string> }
  readonly reject: { add(element: RejectElement): Promise<string> }
  readonly held: { add(element: HeldElement): Promise<string> }
}

export interface PlaceDeps {
  readonly places: Places
  readonly log: Logger
  /** Makes outside text safe to store, cut at so many characters. */
  readonly printable: (text: string, limit: number) => string
  readonly now: () => number
}

/** Longest stored id and signer, characters. */
const EMPAID_LIMIT = 1024
const SIGNER_LIMIT = 4096

/** What the reference stores when there is no verified signer. */
const NO_SIGNER = 'Not available.'

export type Place = (opened: Opened, wire: Uint8Array, id: MessageId) => Promise<void>

/** Stores by verdict and logs what happened. */
export function createPlace({ places, log, printable, now }: PlaceDeps): Place {
  return async (opened, wire, id) => {
    const empaid = printable(id, EMPAID_LIMIT)
    if (opened.verdict === 'ok') {
      const signer = printable(opened.signer.slash, SIGNER_LIMIT)
      log.info('Valid signer: %s', opened.signer.slash)
      const name = await places.incoming.add({ body: opened.plain.body, signer, empaid })
      log.info('Message saved to incoming queue as %s', name)
      return
    }
    const error = printable(errorField(opened), SIGNER_LIMIT)
    if (opened.verdict === 'hold') {
      const name = await places.held.add({ body: wire, empaid, error, ca: opened.ca ?? '', since: String(now()) })
      log.warning('Message held as %s until trust data are fresh: %s', name, { message: error })
      return
    }
    sayRejected(log, opened, error)
    const signer = opened.signer === undefined ? NO_SIGNER : printable(opened.signer.slash, SIGNER_LIMIT)
    const name = await places.reject.add({ body: wire, signer, empaid, error })
    log.info('Message saved to reject queue as %s', name)
  }
}

function sayRejected(log: Logger, opened: Extract<Opened, { verdict: 'hold' | 'no' }>, error: string): void {
  const { class: kind } = REASONS[opened.reason]
  const detail = { message: opened.detail }
  if (kind === 'verify') log.error('Failed to verify message: %s', detail)
  else if (kind === 'decrypt') log.error('Failed to decrypt message: %s', detail)
  else if (kind === 'signer') log.warning('Signer not in valid DNs list: %s', detail)
  log.warning('Message rejected: %s', { message: error })
}
