/**
 * From a connected and verified socket to a WebSocket over it. Every other answer of the web server becomes a sentence.
 */
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { isSsmError, messageOf, SsmError, systemCode, type ErrorCode } from '../../errors.js'
import type { TransportDeps } from '../port.js'
import { recogniseStranger } from './refusals.js'
import { judgeSocketError } from '../socket-error.js'
import { addressText, LARGEST_WEB_BODY, WEB_HEAD, type Address } from './settings.js'
import { WebSocketStream } from './web-socket.js'

/** The names under which STOMP is registered as a WebSocket subprotocol (IANA), the best first. */
const SUBPROTOCOLS = ['v12.stomp', 'v11.stomp', 'v10.stomp']
/** A clock that is further away than this makes signatures look too old or too new. */
const SKEW_MS = 5 * 60_000

/** What we look at of an answer; everything in it is outside text. */
interface HttpResponse {
  readonly statusCode?: number | undefined
  readonly statusMessage?: string | undefined
  readonly headers: { readonly location?: string | undefined; readonly date?: string | undefined }
  destroy(): unknown
}

interface Answer {
  readonly code: ErrorCode
  readonly words: string
}

const ELSEWHERE: Answer = {
  code: 'not-the-protocol',
  words: 'it sends us elsewhere: set [broker] url to the right place',
}
const BEHIND: Answer = {
  code: 'unreachable',
  words: 'it does not reach the broker behind it: try later, or ask its operator',
}

/** HTTP status codes instead of 101. */
const ANSWERS: Readonly<Record<number, Answer>> = {
  200: { code: 'not-the-protocol', words: 'it answers with a web page: check host, port and path of [broker] url' },
  301: ELSEWHERE,
  302: ELSEWHERE,
  303: ELSEWHERE,
  307: ELSEWHERE,
  308: ELSEWHERE,
  401: { code: 'login-refused', words: 'it wants a login of HTTP, which we do not have: ask its operator' },
  403: { code: 'login-refused', words: 'it does not let us in: ask its operator' },
  404: { code: 'not-the-protocol', words: 'there is nothing at this path: check [broker] url (RabbitMQ: /ws)' },
  407: {
    code: 'login-refused',
    words: 'a proxy is in between and wants a login: name it in the environment (https_proxy)',
  },
  429: BEHIND,
  500: { code: 'unreachable', words: 'it has a fault: try later, or ask its operator' },
  502: BEHIND,
  503: BEHIND,
  504: BEHIND,
}

const OTHER: Answer = { code: 'not-the-protocol', words: 'it does not make a WebSocket of this: check [broker] url' }

export interface Upgrading {
  /** Connected, and verified when it is TLS. It belongs to the stream afterwards, and is destroyed after a failure. */
  readonly socket: Socket
  readonly address: Address
  /** Our DN when we showed a certificate. */
  readonly own: string | null
  /** Bytes of a received body. */
  readonly maxBody: number
}

/**
 * The opening handshake (RFC 6455 section 4). Rejects with SsmError `not-the-protocol`, `login-refused`, `unreachable`,
 * or with the signal's reason.
 */
export function upgrade(line: Upgrading, deps: TransportDeps, signal: AbortSignal): Promise<WebSocketStream> {
  const { socket, address, own } = line
  const where = addressText(address)
  return new Promise((resolve, reject) => {
    const web = openWebSocket(line)
    // Made before it opens: the first message may come together with the answer.
    const stream = new WebSocketStream(web, socket)
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', abort)
      stream.off('error', fail)
      act()
    }
    const refuse = (error: unknown) => {
      settle(() => {
        // A late second error has nobody to go to.
        stream.on('error', () => undefined)
        stream.destroy()
        socket.destroy()
        reject(error instanceof Error ? error : new SsmError('aborted', 'aborted'))
      })
    }
    const abort = () => {
      refuse(signal.reason)
    }
    const fail = (error: Error) => {
      refuse(judgeHandshake(error, where, own))
    }
    stream.on('error', fail)
    web.on('unexpected-response', (_request, response) => {
      refuse(judgeAnswer(response, where))
    })
    web.on('upgrade', (response) => {
      warnOfSkew(response, where, deps)
    })
    web.on('open', () => {
      // What came behind the answer, in one packet, may have ended it before anybody else listens.
      setImmediate(() => {
        if (stream.destroyed) return
        settle(() => {
          resolve(stream)
        })
      })
    })
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
  })
}

function openWebSocket({ socket, address, maxBody }: Upgrading): WebSocket {
  const web = new WebSocket(requestUrl(address), SUBPROTOCOLS, {
    createConnection: () => socket,
    perMessageDeflate: false,
    followRedirects: false,
    skipUTF8Validation: true,
    maxPayload: Math.max(LARGEST_WEB_BODY, maxBody) + WEB_HEAD,
  })
  web.binaryType = 'nodebuffer'
  return web
}

/** Always `ws:`, for TLS lies below already. */
function requestUrl({ host, port, path = '/' }: Address): string {
  return `ws://${host.includes(':') ? `[${host}]` : host}:${port}${path}`
}

function judgeAnswer(response: HttpResponse, where: string): SsmError {
  const { statusCode = 0, statusMessage = '', headers } = response
  response.destroy()
  const { code, words } = ANSWERS[statusCode] ?? OTHER
  const said = [statusCode, statusMessage.slice(0, 100)].join(' ').trim()
  const target = headers.location === undefined ? '' : `, to ${headers.location.slice(0, 200)}`
  return new SsmError(code, `${where}: ${words} (the web server answered ${said}${target})`)
}

/** Errors of the HTTP parser, of the library about the answer, and of the socket. */
function judgeHandshake(error: Error, where: string, own: string | null): SsmError {
  const code = systemCode(error)
  if (code?.startsWith('HPE_') === true) {
    const first = 'rawPacket' in error && Buffer.isBuffer(error.rawPacket) ? error.rawPacket : Buffer.alloc(0)
    return new SsmError('not-the-protocol', `${where}: ${describeStranger(first, error)}`, { cause: error })
  }
  if (code?.startsWith('WS_ERR_') === true) {
    const words = `what answers breaks the rules of WebSocket (${messageOf(error)})`
    return new SsmError('not-the-protocol', `${where}: ${words}`, { cause: error })
  }
  // The library's own words, for an answer 101 that is wrong, come without a code.
  if (code === undefined && !isSsmError(error)) {
    const words = `what answers does not speak STOMP over WebSocket: check [broker] url (${messageOf(error)})`
    return new SsmError('not-the-protocol', `${where}: ${words}`, { cause: error })
  }
  return judgeSocketError(error, where, own)
}

function describeStranger(first: Buffer, error: Error): string {
  const begin = first.toString('latin1', 0, 64)
  // The packet that the parser failed at need not be the first one.
  if (begin.startsWith('HTTP/') || systemCode(error) === 'HPE_HEADER_OVERFLOW') {
    return `the answer of the web server cannot be read (${messageOf(error)})`
  }
  if (/^(?:ERROR|CONNECTED)\r?\n/.test(begin)) return 'it is a STOMP port: use stomp:// or stomp+ssl:// in [broker] url'
  const stranger = recogniseStranger(first)
  return `what answers is not a web server${stranger === null ? '' : `: ${stranger}`}`
}

function warnOfSkew({ headers: { date } }: HttpResponse, where: string, { log, clock }: TransportDeps): void {
  const theirs = Date.parse(date ?? '')
  const skew = Math.abs(theirs - clock.now())
  if (!(skew > SKEW_MS)) return
  const minutes = Math.round(skew / 60_000)
  log.warning('The clock here and that of %s are %s minutes apart.', where, minutes)
}
