/**
 * One request to the service: token in the header, time and size limits, the answer judged. A 401 is answered by one new
 * token, once.
 */
import type { TransportDeps } from '../port.js'
import { createHttp, isRefusal, type HttpRequest } from './http.js'
import { parseJson } from './json.js'
import { garbled, judgeAnswer, refused, type Answer } from './refusals.js'
import {
  ANSWER_LIMIT,
  endpointText,
  REQUEST_MS,
  REQUEST_MS_PER_MIB,
  type AmsSettings,
  type Endpoint,
} from './settings.js'
import { createTokens } from './token.js'

export interface Route {
  readonly method: HttpRequest['method']
  /** Below `/v1`; parts from outside are checked or escaped by who makes it. Never holds a token. */
  readonly path: string
  /** JSON text. */
  readonly body?: string
  /** May be asked without a token. */
  readonly open?: true
  /** Several successes have no body. */
  readonly bodyless?: true
  readonly ms?: number
  readonly limit?: number
}

/** The service at one endpoint. Rejects with SsmError `aborted`, `configuration`, `disk` only. */
export interface Caller extends AsyncDisposable {
  /** What it is called in sentences. */
  readonly where: string
  /** The JSON of the answer; null where it has none. */
  call(route: Route, signal: AbortSignal): Promise<Answer<unknown>>
}

const MIB = 1024 * 1024

export function createCaller(settings: AmsSettings, endpoint: Endpoint, deps: TransportDeps): Caller {
  const where = endpointText(endpoint)
  const { tls, env, window } = settings
  const http = createHttp({ endpoint, tls, presents: false, connections: Math.min(window.messages, 256), env }, deps)
  const tokens = createTokens(settings, endpoint, deps)

  const once = async (route: Route, token: string | undefined, signal: AbortSignal): Promise<Answer<unknown>> => {
    const { method, path, body, ms = REQUEST_MS, limit = ANSWER_LIMIT } = route
    const answer = await http.request(
      {
        method,
        path: `/v1${path}`,
        headers: token === undefined ? {} : { 'x-api-key': token },
        ms: ms + ((body?.length ?? 0) / MIB) * REQUEST_MS_PER_MIB,
        limit,
        ...(body === undefined ? {} : { body }),
      },
      signal,
    )
    if (isRefusal(answer)) return refused(answer)
    const value = parseJson(answer.body)
    if (answer.status !== 200) return refused(judgeAnswer(where, answer.status, answer.body, value, token))
    if (value !== undefined) return { ok: true, value }
    if (route.bodyless === true && answer.body.length === 0) return { ok: true, value: null }
    return refused(garbled(where, 200, 'JSON'))
  }
  return {
    where,
    async call(route, signal) {
      if (route.open === true) return await once(route, undefined, signal)
      const token = await tokens.current(signal)
      if (!token.ok) return token
      const answer = await once(route, token.value, signal)
      if (answer.ok || answer.refusal.kind !== 'token') return answer
      const fresh = await tokens.renewed(token.value, signal)
      if (!fresh.ok) return fresh
      return fresh.value === token.value ? answer : await once(route, fresh.value, signal)
    },
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]()
      await tokens[Symbol.asyncDispose]()
    },
  }
}
