/**
 * Web proxies on the way to a broker: which one, by the environment variables that other programs honour, and a tunnel
 * through it (CONNECT, RFC 9110 section 9.3.6). What goes through the tunnel is TLS with the broker, or in the clear with
 * `ws`. User and password of a proxy are never logged and never in an error.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SsmError, messageOf } from '../errors.js'

export type Env = Readonly<Record<string, string | undefined>>

/** Where the tunnel is to lead. */
export interface Target {
  readonly host: string
  readonly port: number
  /** Is there TLS in the tunnel? It decides which variable counts. */
  readonly tls: boolean
}

export interface Proxy {
  readonly host: string
  readonly port: number
  /** Is the proxy itself spoken to over TLS? */
  readonly secure: boolean
  /** For `proxy-authorization`. Secret. */
  readonly login?: { readonly username: string; readonly password: string }
}

/** Small letters first, as curl has it; `HTTP_PROXY` not at all: a web server sets it from a request's header. */
const VARIABLES = {
  tls: ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'],
  clear: ['http_proxy', 'all_proxy', 'ALL_PROXY'],
} as const
const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** The proxy for this target; null: directly. Throws SsmError `configuration`, without the value: a password may be in it. */
export function proxyFor({ host, port, tls }: Target, env: Env): Proxy | null {
  const name = VARIABLES[tls ? 'tls' : 'clear'].find((variable) => (env[variable] ?? '') !== '')
  if (name === undefined || isLoopback(host)) return null
  if (isExempt(host, port, env.no_proxy ?? env.NO_PROXY ?? '')) return null
  const text = env[name] ?? ''
  const url = URL.canParse(withScheme(text)) ? new URL(withScheme(text)) : null
  const usual = url === null ? undefined : PORTS[url.protocol]
  if (url === null || usual === undefined || url.hostname === '') {
    throw new SsmError('configuration', `the environment’s ${name} is not http://HOST:PORT (or https://HOST:PORT)`)
  }
  const login = url.username === '' ? {} : { login: loginOf(url, name) }
  const bare = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { host: bare, port: url.port === '' ? usual : Number(url.port), secure: url.protocol === 'https:', ...login }
}

const withScheme = (text: string): string => (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)

function loginOf({ username, password }: URL, name: string): NonNullable<Proxy['login']> {
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) }
  } catch {
    throw new SsmError('configuration', `the login in the environment’s ${name} is not well-formed: % must be %25`)
  }
}

/** This machine is never reached through a proxy. */
function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  )
}

/** `no_proxy`: `*`, or names, each with its subdomains, perhaps with a dot or `*.` before, perhaps with a port; addresses. */
function isExempt(host: string, port: number, list: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '*') return true
      // An IPv6 address has colons itself: with a port it is in brackets.
      const [, bracketed, plain, only] = /^(?:\[(.*)\]|([^:]*|.*:.*:.*?))(?::([0-9]{1,5}))?$/.exec(entry) ?? []
      const domain = (bracketed ?? plain ?? '').replace(/^\*?\./, '').replace(/\.$/, '')
      if (domain === '' || (only !== undefined && Number(only) !== port)) return false
      return name === domain || (isIP(name) === 0 && name.endsWith(`.${domain}`))
    })
}

/** `HOST:PORT`, for sentences. */
export function proxyText({ host, port }: Pick<Proxy, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The end of a sentence about a connection. */
export function viaText(proxy: Proxy | null): string {
  return proxy === null ? '' : `, through the proxy ${proxyText(proxy)}`
}

/** What a proxy's refusal means, by status code. */
const ANSWERS: Readonly<Record<number, string>> = {
  403: 'does not allow connections to it: ask its operator, or exempt it with no_proxy',
  405: 'makes no tunnels (CONNECT): is it a proxy?',
  407: 'wants a user and password, or others: write them into the variable as http://USER:PASSWORD@HOST:PORT',
  502: 'cannot reach it',
  503: 'cannot reach it',
  504: 'gets no answer from it',
}

/**
 * A tunnel over an open connection to the proxy. Its socket is destroyed after a failure. Rejects with SsmError
 * `unreachable`, `login-refused`, or with the signal's reason.
 */
export async function tunnel(
  tcp: Socket,
  proxy: Proxy,
  target: Pick<Target, 'host' | 'port'>,
  ca: readonly string[],
  signal: AbortSignal,
): Promise<Socket> {
  const lead = proxy.secure ? await secured(tcp, proxy, ca, signal) : tcp
  const where = proxyText(target)
  const { login } = proxy
  const pair = login === undefined ? '' : Buffer.from(`${login.username}:${login.password}`).toString('base64')
  const request = httpRequest({
    method: 'CONNECT',
    path: where,
    headers: { host: where, ...(login === undefined ? {} : { 'proxy-authorization': `Basic ${pair}` }) },
    createConnection: () => lead,
  })
  return await new Promise((resolve, reject) => {
    const refuse = (error: unknown): void => {
      signal.removeEventListener('abort', abort)
      request.on('error', () => undefined).destroy()
      lead.destroy()
      reject(error instanceof Error ? error : new SsmError('aborted', 'aborted'))
    }
    const abort = (): void => {
      refuse(signal.reason)
    }
    request.once('error', (error) => {
      refuse(new SsmError('unreachable', `the proxy ${proxyText(proxy)} failed: ${messageOf(error)}`, { cause: error }))
    })
    request.once('response', (response) => {
      refuse(refusal(response, proxy, where))
    })
    request.once('connect', (response, socket: Socket, head) => {
      if (response.statusCode !== 200) {
        refuse(refusal(response, proxy, where))
        return
      }
      signal.removeEventListener('abort', abort)
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    else request.end()
  })
}

function refusal({ statusCode = 0, statusMessage = '' }: IncomingMessage, proxy: Proxy, where: string): SsmError {
  const words = ANSWERS[statusCode] ?? 'makes no tunnel to it'
  const said = [statusCode, statusMessage.slice(0, 100)].join(' ').trim()
  const text = `${where}: the proxy ${proxyText(proxy)} of the environment ${words} (it answered ${said})`
  return new SsmError(statusCode === 407 ? 'login-refused' : 'unreachable', text)
}

/** TLS with the proxy itself; our certificate is not shown to it. */
function secured(tcp: Socket, { host, port }: Proxy, ca: readonly string[], signal: AbortSignal): Promise<Socket> {
  const tls = connectTls({
    socket: tcp,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca.length === 0 ? {} : { ca: [...ca] }),
  })
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      tls.destroy()
      reject(signal.reason instanceof Error ? signal.reason : new SsmError('aborted', 'aborted'))
    }
    tls.once('error', (error) => {
      signal.removeEventListener('abort', abort)
      tcp.destroy()
      const words = `the proxy ${proxyText({ host, port })} cannot be used over TLS: ${messageOf(error)}`
      reject(new SsmError('unreachable', words, { cause: error }))
    })
    tls.once('secureConnect', () => {
      signal.removeEventListener('abort', abort)
      tls.on('error', () => undefined)
      resolve(tls)
    })
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
  })
}
