/**
 * AMS: the double in a process of its own, which adds 50 ms to every request, as a service some countries away does. First
 * our transport alone, then the real programs.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createAmsTransport } from '../../src/transport/ams/index.js'
import type { Sealed } from '../../src/message.js'
import { root } from '../kit/source.js'
import { createSite, type Site } from '../kit/site.js'
import { testDeps } from '../kit/transport.js'
import type { Figure } from './figures.js'
import { timeReceive, timeSend, type Job } from './jobs.js'

const LATENCY_MS = 50
/** A signed message of 10 KB of records. */
const BODY_BYTES = 13_000

interface Service extends AsyncDisposable {
  readonly port: number
  readonly tokens: { readonly sender: string; readonly receiver: string }
}

async function startService(): Promise<Service> {
  const program = join(root, 'dist', 'test', 'kit', 'ams', 'main.js')
  const child = spawn(process.execPath, [program, '--json', '--latency', String(LATENCY_MS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  // It is the double's own line.
  const said = JSON.parse(line) as Pick<Service, 'port' | 'tokens'>
  return {
    ...said,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'close')
      child.kill('SIGTERM')
      await ended
    },
  }
}

const never = (): AbortSignal => new AbortController().signal

function transportOf({ port, tokens }: Service, who: 'sender' | 'receiver') {
  const settings = {
    endpoints: [{ host: '127.0.0.1', port, plain: true }],
    tls: null,
    credentials: { kind: 'token', token: tokens[who] },
    project: 'accounting',
    destination: 'ssm',
    window: { messages: who === 'sender' ? 16 : 64, bytes: 32 * 1024 * 1024 },
    maxMessageSize: 1_500_000,
    batch: 1,
    pulling: { pullMax: 1000, pollMax: 5000, skipPoisoned: true },
    env: {},
  } as const
  return createAmsTransport(settings, testDeps())
}

async function transportAlone(service: Service, count: number): Promise<Figure[]> {
  // Any bytes pass for sealed ones.
  const body = Buffer.alloc(BODY_BYTES, 'x') as Uint8Array as Sealed
  let start = performance.now()
  {
    await using publisher = await transportOf(service, 'sender').openPublisher(never())
    await Promise.all(Array.from({ length: count }, (_, n) => publisher.publish({ id: `m${n}`, body }, never())))
  }
  const sent = {
    what: `transport alone, ${LATENCY_MS} ms: publish`,
    rate: (count / (performance.now() - start)) * 1000,
  }
  await using subscriber = await transportOf(service, 'receiver').openSubscriber(never())
  start = performance.now()
  let left = count
  for await (const delivery of subscriber) {
    delivery.stored()
    left -= 1
    if (left === 0) break
  }
  return [
    sent,
    { what: `transport alone, ${LATENCY_MS} ms: receive`, rate: (count / (performance.now() - start)) * 1000 },
  ]
}

function configure(site: Site, { port, tokens }: Service): void {
  const both = {
    broker: { host: undefined, port: undefined, use_ssl: undefined, url: `http://127.0.0.1:${port}` },
    messaging: { destination: 'ssm', ams_project: 'accounting' },
  }
  const of = (who: 'sender' | 'receiver') => ({
    [who]: { protocol: 'AMS' },
    broker: both.broker,
    messaging: { ...both.messaging, path: who === 'sender' ? site.outgoing : site.spool, token: tokens[who] },
  })
  site.configure({ sender: of('sender'), receiver: of('receiver') })
}

export async function throughAms(job: Job): Promise<Figure[]> {
  await using service = await startService()
  // Once is enough: encryption is nothing that a transport sees.
  const alone = job.encrypted ? [] : await transportAlone(service, job.count)
  const site = createSite(job.dir, 1)
  configure(site, service)
  const where = `AMS, ${LATENCY_MS} ms`
  return [...alone, await timeSend(site, job, where), await timeReceive(site, job, where)]
}
