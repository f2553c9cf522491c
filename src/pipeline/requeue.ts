/**
 * Rejected messages once more, after somebody has mended what they were rejected for. What is judged are the raw bytes,
 * with what is trusted today; nothing else that lies beside them is believed.
 *
 * Stored first, removed from reject then: what is killed in between is recognised as stored when it is judged the next time.
 */
import { isSsmError } from '../errors.js'
import type { MessageId, Open, Opened, Reason } from '../message.js'
import type { Claim, Spool } from '../spool/port.js'
import type { Place, Placed } from './place.js'

/** What is read of an element of reject; others than the receiver may have written it. */
export interface Rejected {
  readonly body: Uint8Array
  readonly empaid?: string
}

export interface RequeueDeps {
  readonly reject: Pick<Spool<Rejected>, 'claim'>
  /** The bytes of another element of reject; undefined: not there, or not to be read. */
  readonly bodyOf: (name: MessageId) => Promise<Uint8Array | undefined>
  readonly open: Open
  readonly place: Place
}

/** What became of one. */
export type Requeued =
  /** Accepted, and gone from reject. `again`: it was stored before. `empaid`: the id it came with. */
  | { readonly outcome: 'stored'; readonly name: string; readonly again: boolean; readonly empaid: string }
  /** Refused, or to be held, today too: it stays where it is. */
  | { readonly outcome: 'refused'; readonly reason: Reason; readonly detail: string }
  /** No receiver stored this: a loader did, or it was never a message of ours. It stays. */
  | { readonly outcome: 'foreign' }
  /** It cannot be read. It stays. */
  | { readonly outcome: 'damaged'; readonly detail: string }
  /** Another process has it, or it is gone. */
  | { readonly outcome: 'locked' }

/** What an element without an id is placed as: never compared by id. */
const NO_ID = 'noid'

/** Judges one element of reject. Throws SsmError `disk`, `no-trust`, `lock-lost`: it stays then. */
export async function requeue(deps: RequeueDeps, name: MessageId): Promise<Requeued> {
  await using claim = await deps.reject.claim(name)
  if (claim === null) return { outcome: 'locked' }
  let element: Rejected
  try {
    element = await claim.read()
  } catch (error) {
    if (!isSsmError(error, 'element-damaged')) throw error
    return { outcome: 'damaged', detail: error.message }
  }
  const judged = await judgeAgain(deps.open, element.body)
  return judged.outcome === 'good' ? await accept(deps, claim, element, judged.opened) : judged
}

/** What is to be said of the bytes alone: where a good one goes shows when it is placed. */
export type Judged =
  | { readonly outcome: 'good'; readonly opened: Extract<Opened, { verdict: 'ok' }> }
  | Extract<Requeued, { outcome: 'refused' | 'foreign' }>

/** Judges and changes nothing. Throws as `open` does. */
export async function judgeAgain(open: Open, body: Uint8Array): Promise<Judged> {
  const opened = await open(body)
  if (opened.verdict === 'ok') return { outcome: 'good', opened }
  if (!saysSmime(body)) return { outcome: 'foreign' }
  // A `hold` stays too: held before, it would be taken for one that is held still, and removed here.
  return { outcome: 'refused', reason: opened.reason, detail: opened.detail }
}

/** Records look like the fields of a MIME header; a message of ours says what it is. */
const SMIME = /^content-type:[ \t]*(?:multipart\/signed|application\/(?:x-)?pkcs7-mime)\b/im
/** Bytes. No header that is accepted is larger. */
const HEADER_LIMIT = 65_536

function saysSmime({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
  return SMIME.test(Buffer.from(buffer, byteOffset, Math.min(byteLength, HEADER_LIMIT)).toString('latin1'))
}

async function accept(deps: RequeueDeps, claim: Claim<Rejected>, element: Rejected, opened: Opened): Promise<Requeued> {
  const { empaid = NO_ID } = element
  const placed = await deps.place(opened, element.body, empaid)
  if (placed.queue === 'incoming') {
    await claim.remove()
    return { outcome: 'stored', name: placed.name, again: placed.again, empaid }
  }
  if (await isDouble(deps, claim.id, placed, element.body)) await claim.remove()
  return { outcome: 'refused', reason: 'replayed', detail: 'the same signature came before under another id' }
}

/** Refused as a replay, it was put into reject once more: then one of the two is enough. Not believed, but looked at. */
async function isDouble(
  deps: RequeueDeps,
  own: MessageId,
  { queue, name }: Placed,
  body: Uint8Array,
): Promise<boolean> {
  if (queue !== 'reject' || name === own) return false
  const other = await deps.bodyOf(name)
  return other !== undefined && Buffer.from(other.buffer, other.byteOffset, other.byteLength).equals(body)
}
