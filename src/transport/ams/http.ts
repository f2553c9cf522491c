/**
 * One HTTP server, kept-alive connections, requests with limits of time and size. Every socket is dialled and judged by
 * us, as for the other transports; undici speaks HTTP over it.
 */
import type { Socket } from 'node:net'
import type { Agent } from 'undici'
import { isSsmError, SsmError, systemCode } from '../../errors.js'
import type { PeerTrust, TlsMaterial, TransportDeps } from '../port.js'
import { proxyFor, proxyText, tunnel, viaText, type Proxy } from '../proxy.js'
import { openTcp, ownName, secure, type Peer } from '../secure.js'
import { judgeSocketError } from '../socket-error.js'
import { within } from '../within.js'
import type { Refusal } from './refusals.js'
import { CONNECT_MS, endpointText, type Endpoint } from './settings.js'

export interface HttpOptions {
  readonly endpoint: Endpoint
  /** null: plain. */
  readonly tls: (() => Promise<PeerTrust | TlsMaterial>) | null
  /** Present our certificate? */
  readonly presents: boolean
  /** Most sockets at once. */
  readonly connections: number
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Time for all of it, ms. */
  readonly ms: number
  /** Bytes of the answer; beyond it the kind is `narrow`. */
  readonly limit: number
}

export interface HttpAnswer {
  readonly status: number
  readonly body: Buffer
}

/** A web client for one server. Rejects with SsmError `aborted`, `configuration`, `disk` only. */
export interface Http extends AsyncDisposable {
  request(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer | Refusal>
}

/** Sockets are given up after this idle time, ms, before most servers and balancers do it under a request of ours. */
const KEEP_ALIVE_MS = 4_000

export function isRefusal(answer: HttpAnswer | Refusal): answer is Refusal {
  return 'kind' in answer
}

/** Connects to nothing yet. */
export function createHttp(options: HttpOptions, deps: TransportDeps): Http {
  const where = endpointText(options.endpoint)
  const origin = `${options.endpoint.plain === true ? 'http' : 'https'}://${hostPort(options.endpoint)}`
  let agent: Promise<Agent> | undefined
  let closed = false
  return {
    async request(request, signal) {
      if (closed) return failure('again', 'connection-lost', `${where}: the connection was closed`)
      agent ??= createAgent(options, where, deps)
      const dispatcher = await agent
      const late = () => new SsmError('receipt-late', `${where}: no answer within ${Math.round(request.ms / 1000)} s`)
      try {
        return await within({ ms: request.ms, clock: deps.clock, signal, late }, (stop) =>
          exchange(dispatcher, origin, where, request, stop),
        )
      } catch (error) {
        return judgeFailure(error, where)
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true
      await (await agent)?.destroy()
    },
  }
}

async function exchange(
  agent: Agent,
  origin: string,
  where: string,
  { method, path, headers, body, limit }: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer | Refusal> {
  const response = await agent.request({
    origin,
    path,
    method,
    headers: { ...(body === undefined ? {} : JSON_BODY), accept: 'application/json', 'user-agent': 'ssm', ...headers },
    signal,
    ...(body === undefined ? {} : { body }),
  })
  const chunks: Buffer[] = []
  let length = 0
  // An AsyncIterable of `any`, by its declaration; undici gives Buffers.
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > limit) {
      // Leaving the loop destroys the rest, and the socket with it.
      return failure('narrow', 'limit', `${where}: an answer is larger than ${limit} bytes`)
    }
    chunks.push(chunk)
  }
  return { status: response.statusCode, body: Buffer.concat(chunks, length) }
}

async function createAgent(options: HttpOptions, where: string, deps: TransportDeps): Promise<Agent> {
  // 49 ms of a start (measured), which a run without messages and a STOMP program need not spend.
  const undici = await import('undici')
  let isFirst = true
  return new undici.Agent({
    connections: options.connections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // The time limit of each request is ours.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16 * 1024,
    connect: (_options, callback) => {
      // With verify = warn, once is enough: there may be many sockets.
      const mine = isFirst ? deps : { ...deps, log: { ...deps.log, warning: () => undefined } }
      isFirst = false
      dial(options, where, mine).then(
        (socket) => {
          callback(null, socket)
        },
        (error: unknown) => {
          callback(error instanceof Error ? error : new SsmError('unreachable', String(error)), null)
        },
      )
    },
  })
}

/** A socket, plain or with TLS judged, perhaps through a proxy. */
async function dial(options: HttpOptions, where: string, deps: TransportDeps): Promise<Socket> {
  const { endpoint, tls, env, presents } = options
  const { clock, log } = deps
  const { host, port, plain } = endpoint
  const peer = { host, port, where }
  const proxy = plain === true ? null : proxyFor({ host, port, tls: true }, env)
  const late = () =>
    new SsmError('unreachable', `${where}: not connected within ${CONNECT_MS / 1000} s${viaText(proxy)}`)
  const material = plain === true || tls === null ? null : await tls()
  if (material === null && plain !== true) {
    throw new SsmError('configuration', `${where}: nothing says whose certificates count for TLS`)
  }
  return await within({ ms: CONNECT_MS, clock, late }, async (stop) => {
    const tcp = await openWay(proxy, peer, material?.ca ?? [], stop)
    log.debug('Connected to %s%s', where, { message: viaText(proxy) })
    if (material === null) return tcp
    const { ca, verify, weakKeys = false } = material
    return await secure(tcp, peer, presents ? material : { ca, verify, weakKeys }, log, stop)
  })
}

/** TCP, or a tunnel through the proxy, which then looks up the name. */
async function openWay(proxy: Proxy | null, peer: Peer, ca: readonly string[], signal: AbortSignal): Promise<Socket> {
  if (proxy === null) return await openTcp(peer, signal)
  const where = `the proxy ${proxyText(proxy)} of the environment`
  const tcp = await openTcp({ host: proxy.host, port: proxy.port, where }, signal)
  return await tunnel(tcp, proxy, peer, ca, signal)
}

function hostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

const JSON_BODY = { 'content-type': 'application/json' } as const

/** Codes that are about everything, and stay what they are. */
const LASTING = ['peer-certificate', 'login-refused', 'not-the-protocol'] as const

function judgeFailure(error: unknown, where: string): Refusal {
  if (isSsmError(error, 'aborted', 'configuration', 'disk', 'no-trust')) throw error
  if (isSsmError(error, ...LASTING)) return failure('final', error.code, error.message, error)
  if (isSsmError(error)) return failure('again', error.code, error.message, error)
  const code = systemCode(error) ?? ''
  if (code.startsWith('HPE_')) {
    return failure('final', 'not-the-protocol', `${where}: what answers does not speak HTTP (${code})`, error)
  }
  if (code.startsWith('UND_ERR_')) {
    // `other side closed`: among other things a kept-alive socket that the server gave up at this very moment.
    return failure('again', 'connection-lost', `${where}: ${error instanceof Error ? error.message : code}`, error)
  }
  const judged = judgeSocketError(error, where, null)
  const lasting = isSsmError(judged, ...LASTING)
  return failure(lasting ? 'final' : 'again', lasting ? judged.code : 'connection-lost', judged.message, error)
}

function failure(kind: Refusal['kind'], code: Refusal['code'], words: string, cause?: unknown): Refusal {
  return { kind, code, status: 0, words, cause }
}

/** Our DN, when it is presented. For sentences. */
export async function presentedName(tls: HttpOptions['tls']): Promise<string> {
  const material = await tls?.()
  return material !== undefined && 'certificate' in material ? ownName(material) : 'our certificate'
}
