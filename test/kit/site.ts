/**
 * A whole site for end-to-end tests: a PKI, spools, configuration files, and the real programs as child processes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after } from 'node:test'
import { createTestPki, type TestHost, type TestPki } from './ca.js'
import { root } from './source.js'

/** Sections and keys of a configuration file; undefined leaves a key out. */
export type Sections = Readonly<Record<string, Readonly<Record<string, string | number | boolean | undefined>>>>

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** SIGTERM, and the end; SIGKILL after 30 s. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

/** One element of a queue with schema: field → bytes. */
export type Fields = Readonly<Record<string, Buffer>>

export interface Site {
  readonly dir: string
  readonly pki: TestPki
  readonly outgoing: string
  /** The receiver's `path`. */
  readonly spool: string
  readonly senderCfg: string
  readonly receiverCfg: string
  readonly dns: string
  /** Writes both configuration files: defaults of the site, overlaid. */
  configure(sections?: { readonly sender?: Sections; readonly receiver?: Sections; readonly both?: Sections }): void
  allow(...hosts: readonly TestHost[]): void
  send(...args: readonly string[]): Promise<Ended>
  startSender(...args: readonly string[]): Running
  startReceiver(...args: readonly string[]): Running
  /** Either of them with its own files, in a changed environment. */
  startWith(program: 'ssmsend' | 'ssmreceive', options: StartOptions): Running
  log(program: 'ssmsend' | 'ssmreceive'): string
  incoming(): Fields[]
  /** Elements in incoming, without reading them. */
  countIncoming(): number
  reject(): Fields[]
}

/** Programs that run: a test that fails must leave none behind, and a child would keep the test file alive. */
const running = new Set<ChildProcess>()
let watched = false

function endAll(): void {
  for (const one of running) one.kill('SIGKILL')
}

/** It does not outlive the test file. */
export function keep(child: ChildProcess): void {
  // Outside of `node --test` (the benchmark) there is no end of tests to wait for.
  if (running.size === 0 && process.env.NODE_TEST_CONTEXT !== undefined) after(endAll)
  if (!watched) {
    watched = true
    process.once('exit', endAll)
    // The runner's time-out: without a handler no `exit` would be told.
    process.once('SIGTERM', () => process.exit(143))
  }
  running.add(child)
  child.once('close', () => running.delete(child))
}

export interface StartOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string | Uint8Array
  readonly uid?: number
}

/** Starts a program of this package; its output is collected. */
export function startProgram(
  program: 'ssmsend' | 'ssmreceive' | 'ssmctl',
  args: readonly string[],
  options: StartOptions = {},
): Running {
  return startChild(process.execPath, [join(root, 'dist/src/bin', `${program}.js`), ...args], options)
}

/** Starts any program; its output is collected, and it does not outlive the test file. */
export function startChild(command: string, args: readonly string[], options: StartOptions = {}): Running {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  })
  keep(child)
  const collected: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  child.stdout.on('data', (chunk: Buffer) => collected.stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => collected.stderr.push(chunk))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout: Buffer.concat(collected.stdout).toString('latin1'),
    stderr: Buffer.concat(collected.stderr).toString('latin1'),
  }))
  return {
    child,
    ended,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
      const result = await ended
      clearTimeout(timer)
      return result
    },
  }
}

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  server.close()
  await once(server, 'close')
  return port
}

/** Waits for a condition, looking every `pause` ms, at most `seconds`; throws with `what` otherwise. */
export async function eventually(what: string, condition: () => boolean, seconds = 30, pause = 20): Promise<void> {
  // Not the clocks of Date and performance: tests bend them.
  const now = (): number => Number(process.hrtime.bigint() / 1_000_000n)
  const end = now() + seconds * 1000
  while (!condition()) {
    if (now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

function namesIn(dir: string, pattern: RegExp): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => pattern.test(name))
      .sort()
  } catch {
    // Not made yet, or purged meanwhile: empty.
    return []
  }
}

/** Folders of the elements of a queue with schema. */
export function elementsOf(path: string): string[] {
  return namesIn(path, /^[0-9a-f]{8}$/).flatMap((folder) =>
    namesIn(join(path, folder), /^[0-9a-f]{14}$/).map((element) => join(path, folder, element)),
  )
}

/** Reads a queue with schema without the code under test. */
export function readQueue(path: string): Fields[] {
  return elementsOf(path).map(readElement)
}

export function readElement(dir: string): Fields {
  return Object.fromEntries(namesIn(dir, /^[0-9a-zA-Z]+$/).map((field) => [field, readFileSync(join(dir, field))]))
}

function configText(...layers: readonly Sections[]): string {
  const merged: Record<string, Record<string, string | number | boolean | undefined>> = {}
  for (const layer of layers) {
    for (const [section, keys] of Object.entries(layer)) merged[section] = { ...merged[section], ...keys }
  }
  return Object.entries(merged)
    .map(([section, keys]) => {
      const lines = Object.entries(keys).filter(([, value]) => value !== undefined)
      return [`[${section}]`, ...lines.map(([key, value]) => `${key}: ${String(value)}`), ''].join('\n')
    })
    .join('\n')
}

/** A site below `dir`: `host` sends, `other` receives, `host` is in the list. Plain STOMP on `port`, destination `/queue/ssm`. */
export function createSite(dir: string, port: number): Site {
  const pki = createTestPki(dir)
  const paths = {
    outgoing: join(dir, 'outgoing'),
    spool: join(dir, 'spool'),
    senderCfg: join(dir, 'sender.cfg'),
    receiverCfg: join(dir, 'receiver.cfg'),
    dns: join(dir, 'dns'),
  }
  mkdirSync(paths.outgoing)
  mkdirSync(paths.spool)
  const logfile = (program: string): string => join(dir, `${program}.log`)
  const common = (host: TestHost): Sections => ({
    broker: { host: '127.0.0.1', port, use_ssl: false },
    certificates: { certificate: host.certificateFile, key: host.keyFile, capath: pki.capath },
    messaging: { destination: '/queue/ssm' },
  })
  const receiverArguments = ['-c', paths.receiverCfg, '-d', paths.dns, '--foreground']
  const site: Site = {
    dir,
    pki,
    ...paths,
    configure({ sender = {}, receiver = {}, both = {} } = {}) {
      const ours = {
        sender: {
          sender: { protocol: 'STOMP' },
          messaging: { path: paths.outgoing },
          logging: { logfile: logfile('ssmsend'), level: 'INFO', console: false },
        },
        receiver: {
          receiver: { protocol: 'STOMP' },
          certificates: { check_crls: true },
          messaging: { path: paths.spool },
          logging: { logfile: logfile('ssmreceive'), level: 'INFO', console: false },
          daemon: { pidfile: join(dir, 'ssmreceive.pid') },
        },
      }
      writeFileSync(paths.senderCfg, configText(common(pki.host), ours.sender, both, sender))
      writeFileSync(paths.receiverCfg, configText(common(pki.other), ours.receiver, both, receiver))
    },
    allow(...hosts) {
      writeFileSync(paths.dns, hosts.map(({ dn }) => `${dn}\n`).join(''))
    },
    send: (...args) => site.startSender(...args).ended,
    startSender: (...args) => startProgram('ssmsend', ['-c', paths.senderCfg, ...args]),
    startReceiver: (...args) => startProgram('ssmreceive', [...receiverArguments, ...args]),
    startWith: (program, options) =>
      startProgram(program, program === 'ssmsend' ? ['-c', paths.senderCfg] : receiverArguments, options),
    log: (program) => (existsSync(logfile(program)) ? readFileSync(logfile(program), 'utf8') : ''),
    countIncoming: () => elementsOf(join(paths.spool, 'incoming')).length,
    incoming: () => readQueue(join(paths.spool, 'incoming')),
    reject: () => readQueue(join(paths.spool, 'reject')),
  }
  site.configure()
  site.allow(pki.host)
  return site
}
