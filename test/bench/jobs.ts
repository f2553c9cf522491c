/**
 * The main job, timed: the real programs, from their start to the last durable element.
 */
import { readFileSync } from 'node:fs'
import { startActivemq } from '../kit/activemq.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { fillOutgoing } from '../kit/records.js'
import { createSite, eventually, freePort, type Running, type Sections, type Site } from '../kit/site.js'
import type { Figure } from './figures.js'
import { rawBroker } from './limits.js'

export interface Job {
  readonly dir: string
  readonly count: number
  readonly encrypted: boolean
}

/** Clock ticks of /proc are 1/100 s on every Linux of today. */
const TICK_MS = 10

/** Follows a child's CPU and peak memory through /proc until it ends. */
function meter(running: Running): () => { readonly cpu: number; readonly rss: number } {
  const pid = running.child.pid ?? 0
  let last = { cpu: 0, rss: 0 }
  const look = (): void => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
      const status = readFileSync(`/proc/${pid}/status`, 'latin1')
      const rss = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
      if (rss > 0) last = { cpu: (Number(fields[11]) + Number(fields[12])) * TICK_MS, rss }
    } catch {
      // It has ended: what was seen last counts.
    }
  }
  const timer = setInterval(look, 20)
  void running.ended.finally(() => {
    clearInterval(timer)
  })
  return () => {
    look()
    return last
  }
}

const nameOf = (encrypted: boolean): string => (encrypted ? 'signed and encrypted' : 'signed')

function encrypting(site: Site, encrypted: boolean): { readonly sender: Sections } {
  return { sender: encrypted ? { certificates: { server_cert: site.pki.other.certificateFile } } : {} }
}

/** All waiting messages by one ssmsend. */
async function timeSend(site: Site, { count, encrypted }: Job, where: string): Promise<Figure> {
  fillOutgoing(site.outgoing, count, ['ascii'])
  const start = performance.now()
  const running = site.startSender()
  const read = meter(running)
  const ended = await running.ended
  const ms = performance.now() - start
  if (ended.code !== 0) throw new Error(`ssmsend: exit ${ended.code}: ${ended.stdout}${ended.stderr}`)
  const { cpu, rss } = read()
  return { what: `send to ${where}, ${nameOf(encrypted)}`, rate: (count / ms) * 1000, cpu: cpu / count, rss }
}

/** What waits at the broker by one ssmreceive. */
async function timeReceive(site: Site, { count, encrypted }: Job, where: string): Promise<Figure> {
  const start = performance.now()
  const running = site.startReceiver()
  const read = meter(running)
  // Seldom: listing thousands of names takes from what is measured.
  await eventually('all received', () => site.countIncoming() >= count, 300, 200)
  const ms = performance.now() - start
  const { cpu, rss } = read()
  await running.stop()
  return { what: `receive from ${where}, ${nameOf(encrypted)}`, rate: (count / ms) * 1000, cpu: cpu / count, rss }
}

interface BenchBroker extends AsyncDisposable {
  readonly port: number
}

async function throughBroker(name: string, job: Job, start: () => Promise<BenchBroker>): Promise<Figure[]> {
  await using broker = await start()
  const site = createSite(job.dir, broker.port)
  site.configure(encrypting(site, job.encrypted))
  const raw = job.encrypted ? [] : [await rawBroker(name, broker.port, job.count)]
  return [...raw, await timeSend(site, job, name), await timeReceive(site, job, name)]
}

async function throughListener(job: Job): Promise<Figure[]> {
  const port = await freePort()
  const site = createSite(job.dir, port)
  const listen = { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } }
  site.configure({ ...encrypting(site, job.encrypted), receiver: listen })
  const receiver = site.startReceiver()
  const read = meter(receiver)
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  const figure = await timeSend(site, job, 'the listener')
  const { cpu, rss } = read()
  await receiver.stop()
  return [figure, { what: '  its receiver, stored', rate: figure.rate, cpu: cpu / job.count, rss }]
}

/** By name, as `--broker` takes them. ActiveMQ with the whole compiler: its test kit starts fast instead. */
export const JOBS: Readonly<Record<string, (job: Job) => Promise<Figure[]>>> = {
  listener: throughListener,
  rabbitmq: (job) => throughBroker('RabbitMQ', job, () => startRabbitmq()),
  activemq: (job) =>
    throughBroker('ActiveMQ', job, () => startActivemq({ java: ['-XX:TieredStopAtLevel=4', '-Xmx512m'] })),
}
