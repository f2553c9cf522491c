/** The forms of the server's answers, as tables. A refusal is thrown where it is found, and ends the handling. */
import { encode } from './go-json.js'

export interface Answer {
  readonly status: number
  readonly body: string
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

const JSON_TYPE = 'application/json; charset=utf-8'
const TEXT_TYPE = 'text/plain; charset=utf-8'

/** Thrown: the request ends with this answer. */
export class Refusal extends Error {
  readonly status: number
  readonly label: string
  constructor(status: number, label: string, message: string) {
    super(message)
    this.status = status
    this.label = label
  }
}

const refusing =
  (status: number, label: string, words: (what: string) => string) =>
  (what = ''): Refusal =>
    new Refusal(status, label, words(what))

export const refuse = {
  invalidBody: refusing(400, 'BAD_REQUEST', () => 'Invalid Request Body'),
  invalidName: refusing(400, 'INVALID_ARGUMENT', (what) => `Invalid ${what} name`),
  invalidData: refusing(400, 'INVALID_ARGUMENT', (what) => what),
  invalidArguments: refusing(400, 'INVALID_ARGUMENT', (what) => `Invalid ${what} Arguments`),
  unauthorized: refusing(401, 'UNAUTHORIZED', () => 'Unauthorized'),
  unverified: refusing(401, 'UNAUTHORIZED', (what) => `Endpoint verification failed.${what}`),
  forbidden: refusing(403, 'FORBIDDEN', () => 'Access to this resource is forbidden'),
  absent: refusing(404, 'NOT_FOUND', (what) => `${what} doesn't exist`),
  absentUsers: refusing(404, 'NOT_FOUND', (what) => `User(s): ${what} do not exist`),
  timeout: refusing(408, 'TIMEOUT', (what) => what),
  exists: refusing(409, 'ALREADY_EXISTS', (what) => `${what} already exists`),
  conflict: refusing(409, 'CONFLICT', (what) => what),
  tooLarge: refusing(413, 'INVALID_ARGUMENT', () => 'Message size is too large'),
  internal: refusing(500, 'INTERNAL_SERVER_ERROR', (what) => what),
  backend: refusing(500, 'INTERNAL_SERVER_ERROR', () => 'Backend Error'),
} as const

/** A success: this value as JSON. */
export const ok = (value: unknown, blanks = 3): Answer => okText(encode(value, blanks))

/** A success whose JSON is made already; the empty text for the successes without a body. */
export const okText = (body: string): Answer => ({ status: 200, body, contentType: JSON_TYPE })

/** AMS's error form. Before a handler is reached it goes out as text. */
export function errorAnswer(refusal: Refusal, reachedHandler: boolean): Answer {
  const { status, label, message } = refusal
  const body = encode({ error: { code: status, message, status: label } })
  return { status, body, contentType: reachedHandler ? JSON_TYPE : TEXT_TYPE }
}

export const notFoundAnswer: Answer = { status: 404, body: '404 page not found\n', contentType: TEXT_TYPE }
export const wrongMethodAnswer: Answer = { status: 405, body: '', contentType: '' }

/** What a balancer in front says by itself. */
export function balancerAnswer(status: number, form: 'html' | 'empty'): Answer {
  if (form === 'empty') return { status, body: '', contentType: '' }
  const words = BALANCER_WORDS[status] ?? 'Error'
  return { status, body: `<html><body><h1>${status} ${words}</h1>\n</body></html>\n`, contentType: 'text/html' }
}

const BALANCER_WORDS: Readonly<Record<number, string>> = {
  408: 'Request Time-out',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Time-out',
}
