/**
 * The token: from the configuration, from a file, or by showing our certificate to the authentication service. It is kept
 * in memory only, travels in one header only, and is fetched anew when the server no longer knows it.
 */
import { SsmError } from '../../errors.js'
import type { TransportDeps } from '../port.js'
import { createHttp, isRefusal, presentedName, type Http } from './http.js'
import { isObject, parseJson, textOf } from './json.js'
import { errorOf, garbled, isTemporary, refused, type Answer, type Refusal } from './refusals.js'
import { tryAgain, type RetryLimits } from './retry.js'
import { endpointText, REQUEST_MS, type AmsSettings, type Endpoint } from './settings.js'

/** One token, shared by all requests. */
export interface Tokens extends AsyncDisposable {
  current(signal: AbortSignal): Promise<Answer<string>>
  /** After the server refused `old`. Gives `old` itself when there is no other. */
  renewed(old: string, signal: AbortSignal): Promise<Answer<string>>
}

const RETRY: RetryLimits = { tries: 4, ms: 10_000, backendTries: 3 }
const TOKEN_ANSWER = 64 * 1024

/** What may stand in a header. */
function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,4096}$/u.test(text)
}

export function createTokens(settings: AmsSettings, endpoint: Endpoint, deps: TransportDeps): Tokens {
  const source = createSource(settings, endpoint, deps)
  let kept: Promise<Answer<string>> | undefined
  const fetchOnce = (signal: AbortSignal): Promise<Answer<string>> => {
    const fetching = source.fetch(signal)
    kept = fetching
    const forget = () => {
      if (kept === fetching) kept = undefined
    }
    fetching.then((answer) => {
      if (!answer.ok) forget()
    }, forget)
    return fetching
  }
  return {
    current: (signal) => kept ?? fetchOnce(signal),
    async renewed(old, signal) {
      const now = await kept
      if (now?.ok === true && now.value !== old) return now
      return await fetchOnce(signal)
    },
    [Symbol.asyncDispose]: () => source.dispose(),
  }
}

interface Source {
  fetch(signal: AbortSignal): Promise<Answer<string>>
  dispose(): Promise<void>
}

function createSource(settings: AmsSettings, endpoint: Endpoint, deps: TransportDeps): Source {
  const { credentials } = settings
  const dispose = () => Promise.resolve()
  if (credentials.kind === 'token') return { fetch: () => Promise.resolve(checked(credentials.token)), dispose }
  if (credentials.kind === 'file') return { fetch: async () => checked(await credentials.read()), dispose }
  const { host = endpoint.host, port, plain } = credentials
  const authn: Endpoint = { host, port, ...(plain === true ? { plain } : {}) }
  const { tls, env } = settings
  const http = createHttp({ endpoint: authn, tls, presents: true, connections: 1, env }, deps)
  return {
    fetch: (signal) => tryAgain(RETRY, deps.clock, signal, () => exchange(http, authn, endpoint, settings, signal)),
    dispose: async () => {
      await http[Symbol.asyncDispose]()
    },
  }
}

function checked(token: string): Answer<string> {
  if (isToken(token)) return { ok: true, value: token }
  throw new SsmError(
    'configuration',
    'the token is empty, or has characters that no token has: check token, token_file',
  )
}

async function exchange(
  http: Http,
  authn: Endpoint,
  endpoint: Endpoint,
  { tls }: AmsSettings,
  signal: AbortSignal,
): Promise<Answer<string>> {
  const where = `the authentication service ${endpointText(authn)}`
  // The AMS endpoint is named here, by the host name under which it is registered there.
  const path = `/v1/service-types/ams/hosts/${encodeURIComponent(endpoint.host)}:authx509`
  const answer = await http.request({ method: 'GET', path, headers: {}, ms: REQUEST_MS, limit: TOKEN_ANSWER }, signal)
  if (isRefusal(answer)) return refused(answer)
  const value = parseJson(answer.body)
  if (answer.status !== 200) return refused(judge(where, answer.status, value, await presentedName(tls)))
  const token = isObject(value) ? textOf(value.token) : undefined
  if (token === undefined || !isToken(token)) return refused(garbled(where, 200, 'a token'))
  return { ok: true, value: token }
}

interface Row {
  readonly status: number
  readonly says?: RegExp
  words(own: string): string
}

/** What the authentication service says (argo-api-authn). All but its own faults are for a person to mend. */
const ROWS: readonly Row[] = [
  { status: 400, words: () => 'no certificate came through: does something in between end TLS?' },
  {
    status: 404,
    says: /Binding/u,
    words: (own) => `it does not know our certificate: ask its operator to bind ${own}`,
  },
  { status: 404, says: /Host/u, words: () => 'this AMS host is not registered there: check [broker] host, authn_host' },
  { status: 404, words: () => 'it is no authentication service of AMS: check authn_host and authn_port' },
  {
    status: 403,
    words: (own) => `it does not accept ${own}: expired, revoked, or without the address of a revocation list`,
  },
  { status: 422, words: () => 'it does not exchange certificates for this service: a token is needed' },
]

function judge(where: string, status: number, value: unknown, own: string): Refusal {
  const error = isObject(value) && isObject(value.error) ? value.error : {}
  const said = textOf(error.message) ?? ''
  const row = ROWS.find((each) => each.status === status && (each.says === undefined || each.says.test(said)))
  const answered = `(it answered ${status}${said === '' ? '' : ` "${said}"`})`
  if (row !== undefined) {
    return { kind: 'final', status, code: 'login-refused', words: `${where}: ${row.words(own)} ${answered}` }
  }
  const again = status >= 500 || status === 408 || status === 429
  const words = `${where}: ${again ? 'it has a fault of its own' : 'an answer that we do not know'} ${answered}`
  return { kind: again ? 'again' : 'final', status, code: again ? 'connection-lost' : 'login-refused', words }
}

/** For `ssmctl`: an exchange or reading alone. Throws SsmError. */
export async function fetchToken(tokens: Tokens, signal: AbortSignal): Promise<string> {
  const answer = await tokens.current(signal)
  if (answer.ok) return answer.value
  throw errorOf(answer.refusal, isTemporary(answer.refusal.kind) ? 'unreachable' : undefined)
}
