/** What becomes of one request: the fault that strikes it, the handler, the answer on the wire. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorAnswer, notFoundAnswer, Refusal, wrongMethodAnswer, type Answer } from './answers.js'
import { admit, tokenIn, type Incoming } from './call.js'
import { faultAnswer, type FaultRule, type Faults } from './faults.js'
import { HANDLERS } from './handlers.js'
import type { RequestLog } from './request-log.js'
import { matchRoute } from './routes.js'
import type { World } from './world.js'

export interface Serving {
  readonly world: World
  readonly faults: Faults
  readonly log: RequestLog
  /** Added to every request, in ms. */
  readonly latency: number
  /** Do bodies stay in the log? */
  readonly logBodies: boolean
}

/** For an HTTP server. */
export function createHandler(serving: Serving) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    serve(serving, request, response).catch((error: unknown) => {
      // The peer went away while its request was read: nobody is there to be answered.
      if (request.destroyed && !request.complete) return
      console.error('the AMS double broke:', error)
      request.socket.destroy()
    })
  }
}

async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { faults, log, latency } = serving
  const url = new URL(request.url ?? '/', 'http://ams')
  const found = matchRoute(request.method ?? '', decode(url.pathname))
  const name = typeof found === 'string' ? null : found.name
  const rule = faults.strike(name, log.isReused(request.socket))
  const entry = log.add(request, url, name, rule)
  if (rule?.fault.kind === 'stale') {
    request.socket.destroy()
    return
  }
  const body = await bodyOf(request)
  if (serving.logBodies) entry.body = body
  await log.during(name, async () => {
    if (latency > 0) await sleep(latency)
    const said = await answered(serving.world, { found, url, body, request, rule })
    if (said === undefined) return
    entry.status = said.status
    if (rule?.fault.kind === 'late') await sleep(rule.fault.ms)
    await write(response, said, rule?.fault)
  })
}

interface Going {
  readonly found: ReturnType<typeof matchRoute>
  readonly url: URL
  readonly body: string
  readonly request: IncomingMessage
  readonly rule: FaultRule | undefined
}

/** undefined: nothing is answered. */
async function answered(world: World, going: Going): Promise<Answer | undefined> {
  const { rule } = going
  const fault = rule?.fault
  const isInstead = fault?.kind === 'status' || fault?.kind === 'reset' || fault?.kind === 'silence'
  // Instead of the effect, or instead of its answer only.
  const truth = isInstead && rule?.when !== 'after' ? undefined : await handled(world, going)
  if (fault?.kind === 'reset') going.request.socket.destroy()
  return fault?.kind === 'status' ? faultAnswer(fault) : isInstead ? undefined : truth
}

async function handled(world: World, { found, url, body, request, rule }: Going): Promise<Answer> {
  if (typeof found === 'string') return found === 'not found' ? notFoundAnswer : wrongMethodAnswer
  const header = request.headers['x-api-key']
  const token = tokenIn(world, typeof header === 'string' ? header : undefined, url.searchParams)
  const failAfter = rule?.fault.kind === 'partial' ? { failAfter: rule.fault.written } : {}
  return respond(world, { route: found, query: url.searchParams, body, token, ...failAfter })
}

async function respond(world: World, incoming: Incoming): Promise<Answer> {
  let reached = false
  try {
    const call = admit(world, incoming)
    reached = true
    return await HANDLERS[incoming.route.name](world, call)
  } catch (error) {
    if (error instanceof Refusal) return errorAnswer(error, reached)
    throw error
  }
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const GO_BUFFER = 2048

/** Half of a JSON text is none; of an empty one, something that is none. */
const spoiltJson = (text: Buffer): Buffer => (text.length < 3 ? Buffer.from('{"') : text.subarray(0, text.length >> 1))

async function write(response: ServerResponse, said: Answer, fault: FaultRule['fault'] | undefined): Promise<void> {
  const wrong = fault?.kind === 'wrong-json'
  const whole = Buffer.from(said.body)
  const body = wrong ? spoiltJson(whole) : whole
  response.statusCode = wrong ? 200 : said.status
  if (said.contentType !== '') response.setHeader('Content-Type', said.contentType)
  // Go gives a length as long as an answer fits its first buffer; what is longer goes out in chunks.
  if (body.length <= GO_BUFFER) response.setHeader('Content-Length', body.length)
  // Said in full, it leaves out Node's `Keep-Alive: timeout`, which neither Go nor a balancer sends.
  if (response.shouldKeepAlive) response.setHeader('Connection', 'keep-alive')
  if (fault?.kind === 'cut') {
    response.flushHeaders()
    if (body.length > 1) response.write(body.subarray(0, body.length >> 1))
    // So that what was written is on its way.
    setTimeout(() => response.socket?.destroy(), 5)
    return
  }
  const pieces = fault?.kind === 'drip' ? fault.pieces : 1
  const size = Math.max(1, Math.ceil(body.length / pieces))
  for (let at = 0; at < body.length; at += size) {
    if (at > 0 && fault?.kind === 'drip') await sleep(fault.ms)
    response.write(body.subarray(at, at + size))
  }
  response.end()
}
