/**
 * A real ActiveMQ Classic (Debian's package `activemq`) for tests, in the shape of `rabbitmq.ts`: one Java process on
 * loopback with free ports and a folder of its own, so that several run side by side and nothing is left behind. KahaDB
 * with its fsyncs; no OpenWire port, no JMX, no web console. Never touches the system's service.
 *
 * STOMP without a login is the user `guest`; over TLS a client certificate is demanded. As soon as `users` has one without
 * a password, the certificate is the login there; otherwise it only opens the door.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { programPath } from './need.js'
import { accepts, freePorts, type Rabbit, type RabbitOptions, type RabbitTls } from './rabbitmq.js'

const run = promisify(execFile)

const START_LIMIT = 90_000
const STOP_LIMIT = 20_000
/** Of the stores in the broker's private folder. */
const STORE_PASSWORD = 'test-only'

/** Only what the broker needs: its own start script searches for everything that is installed, which takes longer. */
const JARS = [
  ...['broker', 'client', 'console', 'jaas', 'kahadb-store', 'openwire-legacy', 'protobuf', 'spring', 'stomp'].map(
    (name) => `activemq-${name}`,
  ),
  ...['j2ee-connector-1.5-spec', 'j2ee-management-1.1-spec', 'jms_1.1_spec', 'jta-1.2-spec'].map(
    (name) => `geronimo-${name}`,
  ),
  ...['aop', 'beans', 'context', 'core', 'expression'].map((name) => `spring3-${name}`),
  ...['hawtbuf', 'jcl-over-slf4j', 'slf4j-api', 'slf4j-simple', 'xbean-spring'],
].map((name) => `/usr/share/java/${name}.jar`)

/** As for RabbitMQ: users without a password are the subjects of certificates (`CN=host,O=…,C=UK`). */
export interface ActiveMqOptions extends Pick<RabbitOptions, 'tls' | 'users'> {
  /** The queue a user may read, write and create (`a.>`: all below `a`), '' for none. Default all. */
  readonly rights?: Readonly<Record<string, string>>
  /** Largest frame in bytes, headers included. Default none but that of one body, 100 MiB. */
  readonly maxMessageSize?: number
  /** The connectors that operators prefer for many clients. Default one thread each. */
  readonly nio?: boolean
  /** More parameters of the connectors (`name=value`). */
  readonly extra?: readonly string[]
  /** More flags for Java; the last of a kind counts (`-XX:TieredStopAtLevel=4` for measuring: slower to start, then faster). */
  readonly java?: readonly string[]
}

export type ActiveMq = Pick<Rabbit, 'port' | 'tlsPort' | 'folder' | 'stop' | 'kill' | 'start' | 'log'> & AsyncDisposable

/** Starts one and waits until it answers on its ports (2-4 s). Dispose it. */
export async function startActivemq(options: ActiveMqOptions = {}): Promise<ActiveMq> {
  const folder = await mkdtemp(join(tmpdir(), 'ssm-activemq-'))
  const [port, tlsPort] = await freePorts(2)
  const ports = options.tls === undefined ? [port!] : [port!, tlsPort!]
  let broker: ChildProcess | undefined
  const start = async () => {
    broker = launch(folder, options.java)
    await answering(ports, broker, folder)
  }
  // A test that throws outside of its `using` must not leave a broker behind.
  const abandon = () => broker?.kill('SIGKILL')
  process.once('exit', abandon)
  const end = async (signal: NodeJS.Signals) => {
    if (broker !== undefined) await endChild(broker, signal)
    broker = undefined
  }
  const activemq: ActiveMq = {
    port: port!,
    tlsPort: options.tls === undefined ? 0 : tlsPort!,
    folder,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    log: () => readFile(join(folder, 'log'), 'utf8'),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      process.off('exit', abandon)
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await mkdir(join(folder, 'tmp'))
    await writeConfiguration(folder, port!, tlsPort!, options)
    await start()
  } catch (error) {
    await activemq[Symbol.asyncDispose]()
    throw error
  }
  return activemq
}

function launch(folder: string, flags: readonly string[] = []): ChildProcess {
  const log = openSync(join(folder, 'log'), 'a', 0o600)
  try {
    return spawn(
      programPath('java'),
      [
        // Small, and quick to start rather than fast in the long run.
        ...['-Xms64m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData', ...flags],
        `-Djava.io.tmpdir=${join(folder, 'tmp')}`,
        `-Djava.security.auth.login.config=${join(folder, 'login.config')}`,
        `-Dactivemq.home=${folder}`,
        `-Dactivemq.base=${folder}`,
        '-Dorg.slf4j.simpleLogger.showDateTime=true',
        ...['-cp', JARS.join(delimiter), 'org.apache.activemq.console.command.ShellCommand'],
        ...['start', `xbean:file:${join(folder, 'activemq.xml')}?validate=false`],
      ],
      { env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: folder }, stdio: ['ignore', log, log] },
    )
  } finally {
    closeSync(log)
  }
}

async function writeConfiguration(
  folder: string,
  port: number,
  tlsPort: number,
  options: ActiveMqOptions,
): Promise<void> {
  const users = identities(options)
  const certificates = users.filter(({ password }) => password === '')
  const passwords = users.filter(({ password }) => password !== '')
  const properties = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
  const groups = properties(users.map(({ key }) => `of-${key}=${key}`))
  await Promise.all([
    writeFile(join(folder, 'activemq.xml'), configuration(folder, port, tlsPort, options)),
    writeFile(join(folder, 'login.config'), LOGIN_MODULES),
    writeFile(join(folder, 'passwords'), properties(passwords.map(({ key, password }) => `${key}=${password}`))),
    writeFile(
      join(folder, 'certificates'),
      properties(certificates.map(({ key, name }) => `${key}=${javaName(name)}`)),
    ),
    writeFile(join(folder, 'groups'), groups),
    ...(options.tls === undefined ? [] : [writeStores(folder, options.tls)]),
  ])
}

interface Identity {
  readonly name: string
  readonly password: string
  /** What the broker calls it: names of certificates are no words. */
  readonly key: string
  readonly right: string
}

function identities({ users = {}, rights = {} }: ActiveMqOptions): Identity[] {
  return Object.entries({ guest: 'guest', ...users }).map(([name, password], index) => ({
    name,
    password,
    key: password === '' ? `certificate-${index}` : name,
    right: rights[name] ?? '>',
  }))
}

/** Java writes a comma and a space between the parts of a subject. */
function javaName(name: string): string {
  return name.split(/, */).join(', ')
}

/** Files are found beside this one. `guest` is who comes without a login. */
const LOGIN_MODULES = `plain {
  org.apache.activemq.jaas.PropertiesLoginModule sufficient
    org.apache.activemq.jaas.properties.user="passwords"
    org.apache.activemq.jaas.properties.group="groups";
  org.apache.activemq.jaas.GuestLoginModule sufficient
    credentialsInvalidate=true
    org.apache.activemq.jaas.guest.user="guest"
    org.apache.activemq.jaas.guest.group="of-guest";
};
tls {
  org.apache.activemq.jaas.TextFileCertificateLoginModule required
    org.apache.activemq.jaas.textfiledn.user="certificates"
    org.apache.activemq.jaas.textfiledn.group="groups";
};
`

function configuration(folder: string, port: number, tlsPort: number, options: ActiveMqOptions): string {
  const users = identities(options)
  const nio = options.nio === true ? '+nio' : ''
  const limit = options.maxMessageSize === undefined ? [] : [`wireFormat.maxFrameSize=${options.maxMessageSize}`]
  const connector = (scheme: string, at: number, ...more: readonly string[]) => {
    const query = [...more, ...limit, ...(options.extra ?? [])].join('&amp;')
    return `<transportConnector name="${scheme}" uri="${scheme}://127.0.0.1:${at}?${query}"/>`
  }
  const rights = users
    .filter(({ right }) => right !== '')
    .map(({ key, right }) => entry(right, `of-${key}`))
    .join('\n')
  return `<beans xmlns="http://www.springframework.org/schema/beans">
<broker xmlns="http://activemq.apache.org/schema/core" brokerName="ssm" useJmx="false" advisorySupport="false"
    schedulerSupport="false" dataDirectory="${folder}/data">
  <persistenceAdapter><kahaDB directory="${folder}/data/kahadb" journalMaxFileLength="16mb"/></persistenceAdapter>
  <systemUsage><systemUsage>
    <memoryUsage><memoryUsage limit="128 mb"/></memoryUsage>
    <storeUsage><storeUsage limit="1 gb"/></storeUsage>
    <tempUsage><tempUsage limit="64 mb"/></tempUsage>
  </systemUsage></systemUsage>
  <plugins>
    ${authentication(users)}
    <authorizationPlugin><map><authorizationMap><authorizationEntries>
      ${rights}
      <authorizationEntry topic="&gt;" read="of-guest" write="of-guest" admin="of-guest"/>
    </authorizationEntries></authorizationMap></map></authorizationPlugin>
  </plugins>
  ${options.tls === undefined ? '' : stores(folder)}
  <transportConnectors>
    ${connector(`stomp${nio}`, port)}
    ${options.tls === undefined ? '' : connector(`stomp${nio}+ssl`, tlsPort, 'needClientAuth=true')}
  </transportConnectors>
</broker></beans>
`
}

function entry(queue: string, group: string): string {
  const name = queue.replaceAll('>', '&gt;')
  return `<authorizationEntry queue="${name}" read="${group}" write="${group}" admin="${group}"/>`
}

function authentication(users: readonly Identity[]): string {
  if (users.some(({ password }) => password === '')) {
    return '<jaasDualAuthenticationPlugin configuration="plain" sslConfiguration="tls"/>'
  }
  const lines = users.map(
    ({ key, password }) => `<authenticationUser username="${key}" password="${password}" groups="of-${key}"/>`,
  )
  return `<simpleAuthenticationPlugin anonymousAccessAllowed="true" anonymousUser="guest" anonymousGroup="of-guest">
    <users>${lines.join('')}</users></simpleAuthenticationPlugin>`
}

const store = (folder: string, name: string) => join(folder, `${name}.p12`)

function stores(folder: string): string {
  return `<sslContext><sslContext
    keyStore="file:${store(folder, 'own')}" keyStoreType="PKCS12" keyStorePassword="${STORE_PASSWORD}"
    trustStore="file:${store(folder, 'trusted')}" trustStoreType="PKCS12" trustStorePassword="${STORE_PASSWORD}"
  /></sslContext>`
}

async function writeStores(folder: string, tls: RabbitTls): Promise<void> {
  const secret = `pass:${STORE_PASSWORD}`
  const pair = ['-in', tls.certificate, '-inkey', tls.key, '-certfile', tls.ca]
  await Promise.all([
    run('openssl', ['pkcs12', '-export', ...pair, '-passout', secret, '-out', store(folder, 'own')]),
    // Not by openssl: Java trusts only what its own attribute marks as trusted, which OpenSSL 3.0 cannot write.
    run('keytool', [
      ...['-importcert', '-noprompt', '-alias', 'ca', '-file', tls.ca, '-storetype', 'PKCS12'],
      ...['-storepass', STORE_PASSWORD, '-keystore', store(folder, 'trusted')],
    ]),
  ])
}

async function answering(ports: readonly number[], broker: ChildProcess, folder: string): Promise<void> {
  const deadline = Date.now() + START_LIMIT
  for (const port of ports) {
    while (!(await accepts(port))) {
      if (broker.exitCode !== null || broker.signalCode !== null || Date.now() > deadline) {
        throw new Error(`ActiveMQ did not start:\n${await readFile(join(folder, 'log'), 'utf8')}`)
      }
      await sleep(50)
    }
  }
}

async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve()
    }),
  )
  child.kill(signal)
  await Promise.race([gone, sleep(STOP_LIMIT, undefined, { ref: false })])
  child.kill('SIGKILL')
  await gone
}
