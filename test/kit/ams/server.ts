/**
 * A double of the ARGO Messaging Service for tests, demonstrations and measurements: HTTP/1.1 with or without TLS, in this
 * process, on a free port of the loopback. It answers as the real server's code does, oddities included (specs: ams.md);
 * what it does not have is said in README.md beside this file.
 */
import { once } from 'node:events'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer as createPlain, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { createServer as createTcp, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorAnswer, notFoundAnswer, Refusal, wrongMethodAnswer, type Answer } from './answers.js'
import { admit, tokenIn } from './call.js'
import { createFaults, faultAnswer, type Fault, type FaultRule } from './faults.js'
import { HANDLERS } from './handlers.js'
import { DEFAULT_ROLES, matchRoute, type Route, type RouteName } from './routes.js'
import { createScene, type Scene } from './scene.js'
import { createState, createWorld, type Behaviour, type State } from './world.js'

/** PEM files of the server's certificate and key: a `TestHost` will do. */
export interface ServerTls {
  readonly certificateFile: string
  readonly keyFile: string
}

export interface AmsOptions extends Partial<Behaviour> {
  /** HTTPS; without it plain HTTP. */
  readonly tls?: ServerTls
  /** Default: a free one. */
  readonly port?: number
  /** Added to every request, in ms. */
  readonly latency?: number
  /** Idle connections are closed after so many ms; default 5 000. */
  readonly keepAlive?: number
  /** For everything that happens by chance; default 1. */
  readonly seed?: number
  /** Read at the start when it is there, written when the server stops. */
  readonly stateFile?: string
  /** Requests keep their bodies in the log; default true. */
  readonly logBodies?: boolean
  /** Default `accounting`. */
  readonly project?: string
  /** Subscriptions and their topics, made at the start; default `{ ssm: 'ssm' }`. */
  readonly subscriptions?: Readonly<Record<string, string>>
}

/** One request as it came, and what became of it. */
export interface LoggedRequest {
  readonly n: number
  /** ms since the server was made. */
  readonly at: number
  readonly route: RouteName | null
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Empty with `logBodies: false`. */
  body: string
  /** Which connection, from 1, and the how-manieth request on it. */
  readonly connection: number
  readonly onConnection: number
  /** null: none was sent (yet). */
  status: number | null
  fault: FaultRule | null
}

export interface Ams extends Scene, AsyncDisposable {
  readonly host: string
  readonly port: number
  /** `http://127.0.0.1:PORT` or `https://localhost:PORT`. */
  readonly url: string
  readonly requests: LoggedRequest[]
  /** How many requests of a route there were. */
  count(route: RouteName): number
  /** How many requests of a route were under way at once, at most. */
  peak(route: RouteName): number
  fault(rule: FaultRule): Fault
  clearFaults(): void
  /** Moves the server's clock on, in ms: deadlines pass without waiting. */
  advance(ms: number): void
  /** Ends all connections at once. */
  dropConnections(): void
  /** Ends connections and listens no more; what it remembers stays. */
  stop(): Promise<void>
  /** Listens again, on the same port. */
  start(): Promise<void>
  readonly listening: boolean
}

const DEFAULTS: Behaviour = {
  authOption: 'both',
  perResourceAuth: true,
  server: 'present',
  messageMaxBytes: 1_048_588,
  roles: DEFAULT_ROLES,
  forbidden: [],
  pushEnabled: false,
  timeToOffset: 'found',
  pullTime: 0,
  writeTime: 0,
  pullWait: 300_000,
  shortPulls: 0,
}

/** The same numbers for the same seed (mulberry32, public domain). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function loadState(file: string | undefined): State | undefined {
  if (file === undefined) return undefined
  try {
    // It is this server's own file.
    return JSON.parse(readFileSync(file, 'utf8')) as State
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function saveState(file: string, state: State): void {
  writeFileSync(`${file}.new`, JSON.stringify(state), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** A connection: its number, from 1, and how many requests it has served. */
interface Use {
  readonly number: number
  served: number
}

/** Starts it; resolves when it listens. Dispose it, or `stop` it. */
export async function startAms(options: AmsOptions = {}): Promise<Ams> {
  const random = createRandom(options.seed ?? 1)
  const begun = Date.now()
  let moved = 0
  const state = loadState(options.stateFile)
  const now = () => Date.now() + moved
  // `undefined` in options must not hide a default.
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const world = createWorld(
    { ...DEFAULTS, ...given, roles: { ...DEFAULT_ROLES, ...options.roles } },
    state ?? createState(),
    now,
    random,
  )
  const scene = createScene(world, options.project ?? 'accounting', options.subscriptions ?? { ssm: 'ssm' })
  const faults = createFaults(random)
  const requests: LoggedRequest[] = []
  const sockets = new Set<Socket>()
  const busy = new Map<RouteName | null, number>()
  const peaks = new Map<RouteName | null, number>()
  const uses = new WeakMap<object, Use>()
  let connections = 0

  function useOf(socket: Socket): Use {
    const known = uses.get(socket)
    const use = known ?? { number: ++connections, served: 0 }
    if (known === undefined) uses.set(socket, use)
    return use
  }

  /** Everything that one request goes through. */
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://ams')
    const found = matchRoute(request.method ?? '', decode(url.pathname))
    const name = typeof found === 'string' ? null : found.name
    const seen = useOf(request.socket)
    const rule = faults.strike(name, seen.served > 0)
    seen.served += 1
    const entry = logged(request, url, name, seen)
    entry.fault = rule ?? null
    if (rule?.fault.kind === 'stale') {
      request.socket.destroy()
      return
    }
    const body = await bodyOf(request)
    if (options.logBodies !== false) entry.body = body
    const running = (busy.get(name) ?? 0) + 1
    busy.set(name, running)
    peaks.set(name, Math.max(running, peaks.get(name) ?? 0))
    try {
      if ((options.latency ?? 0) > 0) await sleep(options.latency)
      await answer({ found, url, body, request, response, entry, rule })
    } finally {
      busy.set(name, (busy.get(name) ?? 1) - 1)
    }
  }

  function logged(request: IncomingMessage, url: URL, route: RouteName | null, seen: Use) {
    const entry: LoggedRequest = {
      n: requests.length + 1,
      at: Date.now() - begun,
      route,
      method: request.method ?? '',
      path: url.pathname,
      query: url.search,
      headers: request.headers,
      body: '',
      connection: seen.number,
      onConnection: seen.served,
      status: null,
      fault: null,
    }
    requests.push(entry)
    return entry
  }

  interface Going {
    readonly found: ReturnType<typeof matchRoute>
    readonly url: URL
    readonly body: string
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly entry: LoggedRequest
    readonly rule: FaultRule | undefined
  }

  async function answer(going: Going): Promise<void> {
    const { response, entry, rule } = going
    const fault = rule?.fault
    const replaces = fault?.kind === 'status' || fault?.kind === 'reset' || fault?.kind === 'silence'
    const truth = replaces && rule?.when !== 'after' ? undefined : await handled(going)
    if (fault?.kind === 'silence') return
    if (fault?.kind === 'reset') {
      going.request.socket.destroy()
      return
    }
    const said = fault?.kind === 'status' ? faultAnswer(fault) : truth!
    entry.status = said.status
    if (fault?.kind === 'late') await sleep(fault.ms)
    await write(response, said, fault)
  }

  async function handled({ found, url, body, request, rule }: Going): Promise<Answer> {
    if (typeof found === 'string') return found === 'not found' ? notFoundAnswer : wrongMethodAnswer
    const header = request.headers['x-api-key']
    const token = tokenIn(world, typeof header === 'string' ? header : undefined, url.searchParams)
    const failAfter = rule?.fault.kind === 'partial' ? { failAfter: rule.fault.written } : {}
    return respond(found, { route: found, query: url.searchParams, body, token, ...failAfter })
  }

  async function respond(route: Route, incoming: Parameters<typeof admit>[1]): Promise<Answer> {
    let reached = false
    try {
      const call = admit(world, incoming)
      reached = true
      return await HANDLERS[route.name](world, call)
    } catch (error) {
      if (error instanceof Refusal) return errorAnswer(error, reached)
      throw error
    }
  }

  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => {
      // The peer went away while its request was read: nobody is there to be answered.
      if (request.destroyed && !request.complete) return
      console.error('the AMS double broke:', error)
      request.socket.destroy()
    })
  }
  const inner = options.tls === undefined ? createPlain(handler) : createSecure(tlsOptions(options.tls), handler)
  inner.keepAliveTimeout = options.keepAlive ?? 5000
  const outer = createTcp((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    if (options.tls === undefined) inner.emit('connection', socket)
    else withFirstByte(socket, inner)
  })
  let port = options.port ?? 0
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  const ams: Ams = {
    ...scene,
    get tokens() {
      return scene.tokens
    },
    host: options.tls === undefined ? '127.0.0.1' : 'localhost',
    requests,
    get port() {
      return port
    },
    get url() {
      return `${options.tls === undefined ? 'http' : 'https'}://${ams.host}:${port}`
    },
    get listening() {
      return outer.listening
    },
    count: (route: RouteName) => requests.filter((each) => each.route === route).length,
    peak: (route: RouteName) => peaks.get(route) ?? 0,
    fault: (rule: FaultRule) => faults.add(rule),
    clearFaults: () => {
      faults.clear()
    },
    advance: (ms: number) => {
      moved += ms
    },
    dropConnections,
    async stop() {
      world.events.emit('stop')
      dropConnections()
      if (options.stateFile !== undefined) saveState(options.stateFile, world.state)
      if (!outer.listening) return
      const closed = once(outer, 'close')
      outer.close()
      await closed
    },
    async start() {
      outer.listen(port, '127.0.0.1')
      await once(outer, 'listening')
      // A TCP server's address.
      port = (outer.address() as AddressInfo).port
    },
    [Symbol.asyncDispose]: () => ams.stop(),
  }
  await ams.start()
  return ams
}

const tlsOptions = ({ certificateFile, keyFile }: ServerTls) =>
  ({ cert: readFileSync(certificateFile), key: readFileSync(keyFile), minVersion: 'TLSv1.2' }) as const

/** A TLS server says so to who speaks plain HTTP. */
function withFirstByte(socket: Socket, inner: Server): void {
  socket.once('data', (chunk: Buffer) => {
    socket.pause()
    if (chunk[0] !== 0x16) {
      const text = 'Client sent an HTTP request to an HTTPS server.\n'
      socket.end(`HTTP/1.0 400 Bad Request\r\n\r\n${text}`)
      return
    }
    socket.unshift(chunk)
    inner.emit('connection', socket)
  })
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
