/**
 * A double of the ARGO Messaging Service for tests, demonstrations and measurements: HTTP/1.1 with or without TLS, in this
 * process, on a free port of the loopback. It answers as the real server's code does, oddities included (specs: ams.md);
 * what it does not have is said in README.md beside this file.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createFaults, type Fault, type FaultRule } from './faults.js'
import { createListening, type ServerTls } from './listening.js'
import { createRequestLog, type LoggedRequest } from './request-log.js'
import { DEFAULT_ROLES, type RouteName } from './routes.js'
import { createScene, type Scene } from './scene.js'
import { createHandler } from './serving.js'
import { createState, createWorld, type Behaviour, type State, type World } from './world.js'

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

/** The world of these options, its clock, and what moves it. */
function worldOf(options: AmsOptions): { readonly world: World; readonly advance: (ms: number) => void } {
  let moved = 0
  // `undefined` in options must not hide a default.
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const behaviour = { ...DEFAULTS, ...given, roles: { ...DEFAULT_ROLES, ...options.roles } }
  const state = loadState(options.stateFile) ?? createState()
  const world = createWorld(behaviour, state, () => Date.now() + moved, createRandom(options.seed ?? 1))
  return {
    world,
    advance: (ms) => {
      moved += ms
    },
  }
}

/** Starts it; resolves when it listens. Dispose it, or `stop` it. */
export async function startAms(options: AmsOptions = {}): Promise<Ams> {
  const { tls, latency = 0, logBodies = true, stateFile } = options
  const { world, advance } = worldOf(options)
  const scene = createScene(world, options.project ?? 'accounting', options.subscriptions ?? { ssm: 'ssm' })
  const faults = createFaults(() => world.random())
  const log = createRequestLog()
  const settings = { tls, port: options.port ?? 0, keepAlive: options.keepAlive ?? 5000 }
  const sockets = createListening(settings, createHandler({ world, faults, log, latency, logBodies }))
  const host = tls === undefined ? '127.0.0.1' : 'localhost'
  const stop = async (): Promise<void> => {
    world.events.emit('stop')
    if (stateFile !== undefined) saveState(stateFile, world.state)
    await sockets.stop()
  }
  await sockets.start()
  return {
    ...scene,
    host,
    requests: log.requests,
    count: (route) => log.count(route),
    peak: (route) => log.peak(route),
    stop,
    start: () => sockets.start(),
    dropConnections: () => {
      sockets.dropConnections()
    },
    advance,
    get tokens() {
      return scene.tokens
    },
    get port() {
      return sockets.port
    },
    get url() {
      return `${tls === undefined ? 'http' : 'https'}://${host}:${sockets.port}`
    },
    get listening() {
      return sockets.listening
    },
    fault: (rule) => faults.add(rule),
    clearFaults: () => {
      faults.clear()
    },
    [Symbol.asyncDispose]: stop,
  }
}
