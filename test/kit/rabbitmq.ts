/**
 * A real RabbitMQ with rabbitmq_stomp for tests: loopback only, free ports, a folder, a node name and an epmd of its own,
 * so that several run side by side and nothing is left behind. Never touches the system's service.
 *
 * STOMP without a login is the user `guest`; over TLS a client certificate is demanded, and its subject (as RabbitMQ
 * writes it: `CN=host,O=…,C=UK`) must be one of `users`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const START_LIMIT = 90_000

/** PEM files of the broker's side of TLS. */
export interface RabbitTls {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

export interface RabbitOptions {
  /** Serve TLS with client certificates as well. */
  readonly tls?: RabbitTls
  /** Users by name; the value is the password, '' for users who come with a certificate. All rights unless `rights` says. */
  readonly users?: Readonly<Record<string, string>>
  /** Regular expressions of what a user may write, read and configure, by name. Default everything. */
  readonly rights?: Readonly<Record<string, string>>
  /** Largest message in bytes. Default RabbitMQ's own (128 MiB). */
  readonly maxMessageSize?: number
  /** Serve WebSocket (rabbitmq_web_stomp, path /ws) as well; with `tls` also over TLS with client certificates. */
  readonly web?: boolean
  /** More lines for rabbitmq.conf. */
  readonly extra?: readonly string[]
}

export interface Rabbit extends AsyncDisposable {
  readonly port: number
  /** 0 without TLS. */
  readonly tlsPort: number
  readonly folder: string
  /** Ends it in good order. */
  stop(): Promise<void>
  /** kill -9. */
  kill(): Promise<void>
  /** Same ports, same data. */
  start(): Promise<void>
  log(): Promise<string>
}

export interface WebRabbit extends Rabbit {
  /** 0 without `web`. */
  readonly webPort: number
  /** 0 without `web` and TLS. */
  readonly webTlsPort: number
}

/** Starts one and waits until it answers on its ports (about 6 s). Dispose it. */
export async function startRabbitmq(options: RabbitOptions = {}): Promise<WebRabbit> {
  const folder = await mkdtemp(join(tmpdir(), 'ssm-rabbit-'))
  const [distribution, epmdPort, ...free] = await freePorts(6)
  const ports = portsOf(free, options)
  const plugins = options.web === true ? 'rabbitmq_stomp,rabbitmq_web_stomp' : 'rabbitmq_stomp'
  await writeFile(join(folder, 'enabled_plugins'), `[${plugins}].\n`)
  await writeFile(join(folder, 'definitions.json'), definitions(options))
  await writeFile(join(folder, 'rabbitmq.conf'), configuration(folder, ports, options))
  await writeFile(join(folder, 'advanced.config'), advanced(ports, options))
  const epmd = spawn('epmd', ['-port', String(epmdPort), '-address', '127.0.0.1'], { stdio: 'ignore' })
  const environment = environmentOf(folder, distribution!, epmdPort!)
  let broker: ChildProcess | undefined
  let starts = 0
  const start = async () => {
    starts += 1
    broker = spawn(SERVER, [], { env: environment, detached: true, stdio: 'ignore' })
    await answering(Object.values(ports), broker, folder)
    await complete(folder, starts)
  }
  const end = async (signal: NodeJS.Signals) => {
    if (broker !== undefined) await endGroup(broker, signal)
    broker = undefined
  }
  const rabbit: WebRabbit = {
    ...ports,
    folder,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    log: () => readLog(folder),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      await endChild(epmd)
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await start()
  } catch (error) {
    await rabbit[Symbol.asyncDispose]()
    throw error
  }
  return rabbit
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

type Ports = Pick<WebRabbit, 'port' | 'tlsPort' | 'webPort' | 'webTlsPort'>

function portsOf(
  [port = 0, tlsPort = 0, webPort = 0, webTlsPort = 0]: readonly number[],
  options: RabbitOptions,
): Ports {
  const secure = options.tls !== undefined
  const web = options.web === true
  return {
    port,
    tlsPort: secure ? tlsPort : 0,
    webPort: web ? webPort : 0,
    webTlsPort: web && secure ? webTlsPort : 0,
  }
}

/** What rabbitmq.conf of 3.10 cannot say: client certificates over WebSocket. */
function advanced({ webTlsPort }: Ports, { tls }: RabbitOptions): string {
  if (tls === undefined || webTlsPort === 0) return '[].\n'
  const files = [`{cacertfile,"${tls.ca}"}`, `{certfile,"${tls.certificate}"}`, `{keyfile,"${tls.key}"}`]
  const checks = ['{verify,verify_peer}', '{fail_if_no_peer_cert,true}']
  const listener = ['{ip,"127.0.0.1"}', `{port,${webTlsPort}}`, ...files, ...checks]
  return `[{rabbitmq_web_stomp,[{ssl_config,[${listener.join(',')}]}]}].\n`
}

function configuration(folder: string, { port, tlsPort, webPort }: Ports, options: RabbitOptions): string {
  const { tls } = options
  const lines = [
    'listeners.tcp = none',
    `stomp.listeners.tcp.1 = 127.0.0.1:${port}`,
    'stomp.default_user = guest',
    'stomp.default_pass = guest',
    'stomp.implicit_connect = false',
    `load_definitions = ${join(folder, 'definitions.json')}`,
    'vm_memory_high_watermark.absolute = 1GB',
    'disk_free_limit.absolute = 10MB',
    'log.file.level = info',
    ...(options.maxMessageSize === undefined ? [] : [`max_message_size = ${options.maxMessageSize}`]),
    ...(webPort === 0 ? [] : [`web_stomp.tcp.listener = 127.0.0.1:${webPort}`]),
    ...(options.extra ?? []),
  ]
  if (tls !== undefined) {
    lines.push(
      `stomp.listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      'stomp.ssl_cert_login = true',
      `ssl_options.cacertfile = ${tls.ca}`,
      `ssl_options.certfile = ${tls.certificate}`,
      `ssl_options.keyfile = ${tls.key}`,
      'ssl_options.verify = verify_peer',
      'ssl_options.fail_if_no_peer_cert = true',
    )
  }
  return `${lines.join('\n')}\n`
}

function definitions(options: RabbitOptions): string {
  const users = { guest: 'guest', ...options.users }
  return JSON.stringify({
    vhosts: [{ name: '/' }],
    users: Object.entries(users).map(([name, password]) => ({ name, password, tags: '' })),
    permissions: Object.keys(users).map((user) => {
      const right = options.rights?.[user] ?? '.*'
      return { user, vhost: '/', configure: right, write: right, read: right }
    }),
  })
}

function environmentOf(folder: string, distribution: number, epmdPort: number): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: folder,
    RABBITMQ_BASE: folder,
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'none-env.conf'),
    RABBITMQ_NODENAME: `ssm${randomBytes(6).toString('hex')}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +sbwt none +SDio 4 -kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  }
}

async function answering(ports: readonly number[], broker: ChildProcess, folder: string): Promise<void> {
  const deadline = Date.now() + START_LIMIT
  for (const port of ports.filter((each) => each !== 0)) {
    while (!(await accepts(port))) {
      if (broker.exitCode !== null || Date.now() > deadline) {
        throw new Error(`RabbitMQ did not start:\n${await readLog(folder)}`)
      }
      await sleep(100)
    }
  }
}

/**
 * It answers on its ports before it is ready: what comes then may be ended with `Processing error` (seen). The log says
 * when. A log that never says so is no reason to fail: the tests will.
 */
async function complete(folder: string, starts: number): Promise<void> {
  const deadline = Date.now() + 15_000
  while (Date.now() < deadline) {
    if ((await readLog(folder)).split('Server startup complete').length > starts) return
    await sleep(100)
  }
}

/** Somebody listens on this port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
}

async function readLog(folder: string): Promise<string> {
  const names = await readdir(join(folder, 'log')).catch(() => [])
  const texts = await Promise.all(
    names.filter((name) => name.endsWith('.log')).map((name) => readFile(join(folder, 'log', name), 'utf8')),
  )
  return texts.join('\n')
}

/** The start script, the virtual machine and its port programs are one process group of their own. */
async function endGroup(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else
      child.once('exit', () => {
        resolve()
      })
  })
  signalGroup(child, signal)
  await Promise.race([gone, sleep(20_000, undefined, { ref: false })])
  signalGroup(child, 'SIGKILL')
  await gone
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch (error) {
    // ESRCH: it is gone already, which is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve()
    }),
  )
  child.kill('SIGKILL')
  await gone
}
