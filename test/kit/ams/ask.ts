/** A plain client of the double, for tests of it: one request, the answer as it came. */
import { request as plain, type Agent } from 'node:http'
import { request as secure, type RequestOptions } from 'node:https'
import type { TestContext } from 'node:test'
import { startAms, type Ams, type AmsOptions } from './server.js'

export interface Asked {
  readonly token?: string
  /** A text goes out as it is, everything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly agent?: Agent
  readonly tls?: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized'>
}

export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly text: string
  /** undefined when it is none. */
  readonly json: unknown
  /** Of an AMS error: its message. */
  readonly message: string | undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Rejects when there is no whole answer. `url`: `METHOD URL`. */
export function ask(what: string, { token, body, headers, agent, tls }: Asked = {}): Promise<Reply> {
  const [method = '', url = ''] = what.split(' ')
  const options = {
    method,
    headers: { ...(token === undefined ? {} : { 'x-api-key': token }), ...headers },
    ...(agent === undefined ? {} : { agent }),
    ...tls,
  }
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? secure(url, options) : plain(url, options)
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const json = parse(text)
        // The form of AMS's errors.
        const error = (json as { readonly error?: { readonly message?: string } } | null | undefined)?.error
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          text,
          json,
          message: error?.message,
        })
      })
    })
    request.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body))
  })
}

/** Paths of what is there from the start. */
export const P = '/v1/projects/accounting'
export const SUB = `${P}/subscriptions/ssm`
export const TOPIC = `${P}/topics/ssm`

/** The body that acknowledges up to this id of the subscription. */
export const ack = (id: number | string) => ({ ackIds: [`projects/accounting/subscriptions/ssm:${id}`] })

/** A double that ends with the test. */
export async function startFor(t: TestContext, options: AmsOptions = {}): Promise<Ams> {
  const ams = await startAms(options)
  t.after(() => ams.stop())
  return ams
}

/** `METHOD PATH` to the double as the administrator, who may do everything. */
export const asAdmin =
  (ams: Ams) =>
  (what: string, asked: Asked = {}): Promise<Reply> =>
    ask(what.replace(' ', ` ${ams.url}`), { token: ams.tokens.admin, ...asked })
