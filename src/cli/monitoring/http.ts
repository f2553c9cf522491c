/**
 * The monitoring port: HTTP for reading only, for monitoring systems and browsers. Whoever connects may be anybody: requests
 * are small, connections few, time is short, and each answer is made at most once a second. What is asked under a foreign
 * name is refused: a page of elsewhere must not lead a browser here (DNS rebinding).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type AddressInfo, type Socket } from 'node:net'
import { SsmError, messageOf } from '../../errors.js'
import { printable } from '../../observe/printable.js'

/** A body and what it is. */
export interface Page {
  readonly type: string
  readonly body: string
  /** Default 200. */
  readonly status?: number
}

export type Pages = ReadonlyMap<string, () => Promise<Page>>

export interface HttpOptions {
  readonly listen: { readonly host: string; readonly port: number }
  /** Host names that may be asked for, besides addresses and localhost. Lower case. */
  readonly names: readonly string[]
  readonly pages: Pages
  /** Others than the defaults; for tests. */
  readonly requestMs?: number
}

const MAX_CONNECTIONS = 64
const MAX_HEAD = 8 * 1024
const MAX_HEADERS = 50
/** A whole request; a connection without one. ms. */
const REQUEST_MS = 5000
/** Until the answer is taken, ms. */
const ANSWER_MS = 10_000
const REQUESTS_PER_CONNECTION = 100
const TEXT = 'text/plain; charset=utf-8'

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const

export interface HttpServer extends AsyncDisposable {
  readonly address: AddressInfo
}

/** Throws SsmError `configuration` when it cannot listen. */
export async function openHttp(options: HttpOptions): Promise<HttpServer> {
  const { listen, requestMs = REQUEST_MS } = options
  const server = createServer(
    { maxHeaderSize: MAX_HEAD, headersTimeout: requestMs, requestTimeout: requestMs, connectionsCheckingInterval: 500 },
    (request, response) => {
      void answer(request, response, options)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.maxHeadersCount = MAX_HEADERS
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION
  server.keepAliveTimeout = requestMs
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => undefined)
    // Neither asked nor taken: whoever is silent goes.
    socket.setTimeout(ANSWER_MS, () => socket.destroy())
  })
  server.on('clientError', (_error, socket) => {
    socket.destroy()
  })
  await bind(server, listen)
  server.on('error', () => undefined)
  server.unref()
  const address = server.address()
  if (address === null || typeof address === 'string') throw new SsmError('internal', 'internal error: not bound')
  return {
    address,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function bind(server: Server, { host, port }: HttpOptions['listen']): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (cause) {
    throw new SsmError('configuration', `cannot listen on ${host}, port ${port}: ${messageOf(cause)}`, { cause })
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, options: HttpOptions): Promise<void> {
  const { method = '', headers } = request
  const isRead = method === 'GET' || method === 'HEAD'
  // A body is not for us: the connection ends with the answer.
  const isBare = headers['content-length'] === undefined && headers['transfer-encoding'] === undefined
  const page = await pageFor(request, isRead && isBare, options)
  if (response.destroyed) return
  const bytes = Buffer.from(page.body)
  response.writeHead(page.status ?? 200, {
    ...HEADERS,
    'Content-Type': page.type,
    'Content-Length': bytes.length,
    ...(isRead ? {} : { Allow: 'GET, HEAD' }),
    ...(isRead && isBare ? {} : { Connection: 'close' }),
  })
  response.end(method === 'HEAD' ? undefined : bytes)
}

async function pageFor(request: IncomingMessage, isPlain: boolean, { names, pages }: HttpOptions): Promise<Page> {
  const say = (status: number, words: string): Page => ({ status, type: TEXT, body: `${words}\n` })
  if (!isPlain) return say(405, 'This is for reading only: GET and HEAD, without a body.')
  if (!isOurs(request.headers.host, names)) {
    return say(421, 'Not known under this name: ask by address, or add the name to [monitoring] names.')
  }
  const make = pages.get(pathOf(request.url ?? ''))
  if (make === undefined) return say(404, `There is nothing here. There are: ${[...pages.keys()].join(', ')}`)
  try {
    return await make()
  } catch (error) {
    return say(500, printable(messageOf(error), 1024))
  }
}

/** Without the query. */
function pathOf(url: string): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

/** An address cannot be pointed elsewhere, a name can. */
function isOurs(host: string | undefined, names: readonly string[]): boolean {
  const [, v6, name = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@]+))(?::\d{1,5})?$/u.exec(host ?? '') ?? []
  if (v6 !== undefined) return isIP(v6) === 6
  const lower = name.toLowerCase().replace(/\.$/u, '')
  return isIP(lower) === 4 || lower === 'localhost' || names.includes(lower)
}
