/**
 * The main job, timed: the real programs, from their start to the last durable element.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startActivemq } from '../kit/activemq.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { fillOutgoing } from '../kit/records.js'
import { createSite, eventually, freePort, type Running, type Sections, type Site } from '../kit/site.js'
import { hasPythonSsm } from '../kit/python-ssm.js'
import { throughAms } from './ams.js'
import type { Figure } from './figures.js'
import { rawBroker } from './limits.js'
import { meter } from './meter.js'
import { timePython } from './python.js'

export interface Job {
  readonly dir: string
  readonly count: number
  readonly encrypted: boolean
}

const nameOf = (encrypted: boolean): string => (encrypted ? 'signed and encrypted' : 'signed')

function encrypting(site: Site, encrypted: boolean): { readonly sender: Sections } {
  return { sender: encrypted ? { certificates: { server_cert: site.pki.other.certificateFile } } : {} }
}

/** As the launchers of the packages start them (packaging/launcher.sh), whatever the environment of the benchmark. */
const AS_INSTALLED = {
  ssmsend: { env: { UV_THREADPOOL_SIZE: undefined } },
  ssmreceive: { env: { UV_THREADPOOL_SIZE: '32', NODE_OPTIONS: '--max-semi-space-size=8' } },
} as const

const start = (site: Site, program: keyof typeof AS_INSTALLED): Running =>
  site.startWith(program, AS_INSTALLED[program])

/** All waiting messages by one ssmsend. */
export async function timeSend(site: Site, { count, encrypted }: Job, where: string): Promise<Figure> {
  fillOutgoing(site.outgoing, count, ['ascii'])
  const since = performance.now()
  const running = start(site, 'ssmsend')
  const read = meter(running)
  const ended = await running.ended
  const ms = performance.now() - since
  if (ended.code !== 0) throw new Error(`ssmsend: exit ${ended.code}: ${ended.stdout}${ended.stderr}`)
  const { cpu, rss } = read()
  return { what: `send to ${where}, ${nameOf(encrypted)}`, rate: (count / ms) * 1000, cpu: cpu / count, rss }
}

/** What waits at the broker by one ssmreceive. */
export async function timeReceive(site: Site, { count, encrypted }: Job, where: string): Promise<Figure> {
  const since = performance.now()
  const running = start(site, 'ssmreceive')
  const read = meter(running)
  // Seldom: listing thousands of names takes from what is measured.
  await eventually('all received', () => site.countIncoming() >= count, 60 + count / 100, 200 + count / 100)
  const ms = performance.now() - since
  const { cpu, rss } = read()
  await running.stop()
  return { what: `receive from ${where}, ${nameOf(encrypted)}`, rate: (count / ms) * 1000, cpu: cpu / count, rss }
}

interface BenchBroker extends AsyncDisposable {
  readonly port: number
}

async function throughBroker(name: string, job: Job, startBroker: () => Promise<BenchBroker>): Promise<Figure[]> {
  await using broker = await startBroker()
  const site = createSite(job.dir, broker.port)
  site.configure(encrypting(site, job.encrypted))
  const raw = job.encrypted ? [] : [await rawBroker(name, broker.port, job.count)]
  const sent = await timeSend(site, job, name)
  const received = await timeReceive(site, job, name)
  if (!hasPythonSsm) return [...raw, sent, received]
  const theirs = await timePython({ ...job, port: broker.port })
  const beside = (figure: Figure, other: Figure): Figure => ({ ...figure, times: figure.rate / other.rate })
  return [...raw, beside(sent, theirs[0]), beside(received, theirs[1]), ...theirs]
}

async function throughListener(job: Job): Promise<Figure[]> {
  const port = await freePort()
  const site = createSite(job.dir, port)
  const listen = { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } }
  site.configure({ ...encrypting(site, job.encrypted), receiver: listen })
  const receiver = start(site, 'ssmreceive')
  const read = meter(receiver)
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  const figure = await timeSend(site, job, 'the listener')
  const { cpu, rss } = read()
  await receiver.stop()
  return [figure, { what: '  its receiver, stored', rate: figure.rate, cpu: cpu / job.count, rss }]
}

/** The same work over backlogs of several sizes: what a message costs must not depend on how many wait. */
export async function growth(dir: string, backlogs: readonly number[]): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const count of backlogs) {
    const place = join(dir, String(count))
    mkdirSync(place)
    await using broker = await startRabbitmq()
    const site = createSite(place, broker.port)
    const job = { dir: place, count, encrypted: false }
    const named = `RabbitMQ, ${count} waiting`
    figures.push(await timeSend(site, job, named), await timeReceive(site, job, named))
  }
  return figures
}

/** By name, as `--broker` takes them. ActiveMQ with the whole compiler: its test kit starts fast instead. */
export const JOBS: Readonly<Record<string, (job: Job) => Promise<Figure[]>>> = {
  listener: throughListener,
  ams: throughAms,
  rabbitmq: (job) => throughBroker('RabbitMQ', job, () => startRabbitmq()),
  activemq: (job) =>
    throughBroker('ActiveMQ', job, () => startActivemq({ java: ['-XX:TieredStopAtLevel=4', '-Xmx512m'] })),
}
