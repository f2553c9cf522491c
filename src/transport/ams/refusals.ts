/**
 * What the server says when it refuses, and what it means for us: a table of data, from the server's code and from what
 * it was seen to do. Answers without the server's own JSON are a balancer's or a stranger's.
 */
import { SsmError, type ErrorCode } from '../../errors.js'
import { isObject, textOf } from './json.js'

/**
 * What to do about it. `again`: the same later. `backend`: the same, unless it is this message. `unsure`: an acknowledge
 * of which nobody knows what became. `poisoned`: a record that the server cannot read. `narrow`: the answer is too large.
 */
export type RefusalKind =
  | 'again'
  | 'backend'
  | 'unsure'
  | 'poisoned'
  | 'narrow'
  | 'token'
  | 'forbidden'
  | 'missing'
  | 'conflict'
  | 'message'
  | 'final'

export interface Refusal {
  readonly kind: RefusalKind
  /** HTTP status; 0: there was none. */
  readonly status: number
  readonly code: ErrorCode
  /** For people; holds outside text. */
  readonly words: string
  readonly cause?: unknown
}

/** What a request came to. Exceptions are for our own trouble (`aborted`, `configuration`, `disk`). */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal }

export function refused<T>(refusal: Refusal): Answer<T> {
  return { ok: false, refusal }
}

/** The value, or the refusal as an error; `otherwise` replaces the code of what is temporary. */
export function valueOf<T>(answer: Answer<T>, otherwise?: ErrorCode): T {
  if (answer.ok) return answer.value
  throw errorOf(answer.refusal, otherwise)
}

export function errorOf({ code, words, kind, cause }: Refusal, otherwise?: ErrorCode): SsmError {
  const temporary = isTemporary(kind)
  const shown = temporary && otherwise !== undefined && code !== 'receipt-late' ? otherwise : code
  return new SsmError(shown, words, cause === undefined ? undefined : { cause })
}

/** May the same request succeed later? */
export function isTemporary(kind: RefusalKind): boolean {
  return kind === 'again' || kind === 'backend'
}

interface Row {
  /** One status, or all from the first to the last. */
  readonly status: number | readonly [number, number]
  /** true: the server's own words; false: somebody else's; absent: either. */
  readonly own?: boolean
  /** Of the error's status and message, joined by a blank. */
  readonly says?: RegExp
  readonly kind: RefusalKind
  readonly code: ErrorCode
  readonly words: string
}

/** The first row that fits counts. */
const ROWS: readonly Row[] = [
  {
    status: 400,
    own: true,
    says: /Invalid \w+ name/u,
    kind: 'final',
    code: 'destination-refused',
    words: 'a name is not possible there: letters, digits, - and _ only; check destination and ams_project',
  },
  {
    status: 400,
    own: false,
    says: /HTTPS/u,
    kind: 'final',
    code: 'not-the-protocol',
    words: 'it is a TLS port: https, not http',
  },
  { status: 400, own: true, kind: 'final', code: 'destination-refused', words: 'it does not understand the request' },
  {
    status: 401,
    kind: 'token',
    code: 'login-refused',
    words: 'the token is not known there, or has no role in the project: ask its operator',
  },
  {
    status: 403,
    own: true,
    kind: 'forbidden',
    code: 'destination-refused',
    words: 'the token has no right to this: ask its operator for the role, and to be in the access list',
  },
  { status: 403, kind: 'forbidden', code: 'login-refused', words: 'something before the service forbids it' },
  {
    status: 404,
    own: true,
    says: /project/iu,
    kind: 'missing',
    code: 'destination-refused',
    words: 'check ams_project',
  },
  { status: 404, own: true, kind: 'missing', code: 'destination-refused', words: 'check [messaging] destination' },
  {
    status: [404, 405],
    kind: 'final',
    code: 'not-the-protocol',
    words: 'this is no AMS: check [broker] host',
  },
  { status: 407, kind: 'final', code: 'login-refused', words: 'the proxy wants a login: write it into https_proxy' },
  // Acknowledges only; the deadline is over and the messages come again.
  { status: 408, own: true, kind: 'unsure', code: 'receipt-late', words: 'the acknowledgement was too late' },
  {
    status: 409,
    own: true,
    says: /topic doesn't exist/u,
    kind: 'conflict',
    code: 'destination-refused',
    words: 'the topic of the subscription was deleted: ask its operator',
  },
  // Asked for an offset by time: there is none from there on.
  {
    status: 409,
    own: true,
    says: /Timestamp is out of bounds/u,
    kind: 'conflict',
    code: 'usage',
    words: 'it knows of nothing that was published at that time or later: end is behind the last message',
  },
  { status: 409, kind: 'conflict', code: 'destination-refused', words: 'it is in the way of something else' },
  // From the service itself it is certain; something in between may have a limit that is wrong for all.
  {
    status: 413,
    own: true,
    kind: 'message',
    code: 'cannot-seal',
    words: 'the message is too large for the broker behind it',
  },
  { status: 413, kind: 'message', code: 'message-refused', words: 'the message is too large for the service' },
  {
    status: 500,
    own: true,
    says: /no ack pending|wrong ack/u,
    kind: 'unsure',
    code: 'receipt-late',
    words: 'the acknowledgement does not fit the last pull',
  },
  {
    status: 500,
    own: true,
    // The first: an empty record. The second: one whose attributes became control characters on the way.
    says: /invalid JSON Structure|exporting data to JSON/u,
    kind: 'poisoned',
    code: 'connection-lost',
    words: 'there is a record that the service itself cannot read',
  },
  { status: 500, kind: 'backend', code: 'connection-lost', words: 'it has a fault of its own' },
  { status: 429, kind: 'again', code: 'connection-lost', words: 'it has too much to do' },
  { status: [502, 504], kind: 'again', code: 'connection-lost', words: 'the service behind the balancer is away' },
  { status: 408, kind: 'again', code: 'connection-lost', words: 'the balancer waited in vain' },
  { status: [500, 599], kind: 'again', code: 'connection-lost', words: 'it has a fault of its own' },
  {
    status: [300, 399],
    kind: 'final',
    code: 'not-the-protocol',
    words: 'it sends us elsewhere, and a token is not taken there: check [broker] host',
  },
]

/** Characters of an answer that are shown, and bytes that they are taken from. */
const SHOWN = 200
const LOOKED_AT = 16 * 1024

function shown(text: string, secret: string | undefined): string {
  const clean = secret === undefined || secret === '' ? text : text.replaceAll(secret, '(token)')
  return clean.replaceAll(/\s+/gu, ' ').trim().slice(0, SHOWN)
}

/**
 * Judges an answer that is not a success. `value`: the body as JSON, or undefined. `secret`: our token, which an answer
 * may repeat and nobody may see.
 */
export function judgeAnswer(where: string, status: number, body: Buffer, value: unknown, secret?: string): Refusal {
  const error = isObject(value) && isObject(value.error) ? value.error : undefined
  const said =
    error === undefined
      ? shown(body.subarray(0, LOOKED_AT).toString('utf8'), secret)
      : shown(`${textOf(error.status) ?? ''} ${textOf(error.message) ?? ''}`, secret)
  const row = ROWS.find((each) => fits(each, status, error !== undefined, said))
  const { kind, code, words } = row ?? UNKNOWN
  return { kind, code, status, words: `${where}: ${words} (it answered ${status}${said === '' ? '' : ` "${said}"`})` }
}

const UNKNOWN: Pick<Row, 'kind' | 'code' | 'words'> = {
  kind: 'final',
  code: 'not-the-protocol',
  words: 'an answer that we do not know',
}

function fits({ status, own, says }: Row, actual: number, isOwn: boolean, said: string): boolean {
  const [least, most] = typeof status === 'number' ? [status, status] : status
  if (actual < least || actual > most) return false
  return (own === undefined || own === isOwn) && (says === undefined || says.test(said))
}

/** A success whose body is not what it should be: the balancer's, or cut. The same request may do better. */
export function garbled(where: string, status: number, what: string): Refusal {
  return {
    kind: 'again',
    status,
    code: 'connection-lost',
    words: `${where}: the answer is not ${what}: is this AMS?`,
  }
}
