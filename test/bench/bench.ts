/**
 * `npm run bench`: how fast the real programs are, next to the limits of this machine measured in the same run.
 * Figures are ratios within one run: the machine is shared, and absolute figures drift.
 *
 *     node dist/test/bench/bench.js [--count N] [--rounds N] [--broker listener|rabbitmq] [--json]
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { fillOutgoing } from '../kit/records.js'
import { createSite, eventually, freePort, type Running, type Sections, type Site } from '../kit/site.js'

interface Figure {
  readonly what: string
  /** Per second. */
  readonly rate: number
  /** CPU of our process per message, ms. */
  readonly cpu?: number
  /** Peak resident memory, MB. */
  readonly rss?: number
}

/** Follows a child's CPU and peak memory through /proc until it ends. */
function meter(running: Running): { read(): { cpu: number; rss: number } } {
  const pid = running.child.pid ?? 0
  const last = { cpu: 0, rss: 0 }
  const look = (): void => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
      last.cpu = (Number(fields[11]) + Number(fields[12])) * 10
      last.rss = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024
    } catch {
      // It has ended: what was seen last counts.
    }
  }
  const timer = setInterval(look, 20)
  void running.ended.finally(() => {
    clearInterval(timer)
  })
  return {
    read() {
      look()
      return { ...last }
    },
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

function middle(figures: readonly Figure[]): Figure {
  const rate = median(figures.map((figure) => figure.rate))
  return figures.find((figure) => figure.rate === rate) ?? figures[0]!
}

function opensslSpeed(cores: number): Figure {
  const { stdout } = spawnSync('openssl', ['speed', '-seconds', '2', '-multi', String(cores), 'rsa2048'], {
    encoding: 'utf8',
  })
  const rate = Number(/^rsa 2048 bits.*?\s([\d.]+)\s+[\d.]+\s*$/m.exec(stdout)?.[1])
  return { what: `openssl speed rsa2048 sign, ${cores} cores`, rate }
}

interface Scene {
  readonly site: Site
  readonly count: number
}

/** All waiting messages by one ssmsend, from its start to its end. */
async function timeSend({ site, count }: Scene, what: string): Promise<Figure> {
  fillOutgoing(site.outgoing, count, ['ascii'])
  const start = performance.now()
  const running = site.startSender()
  const meters = meter(running)
  const ended = await running.ended
  const ms = performance.now() - start
  if (ended.code !== 0) throw new Error(`ssmsend: exit ${ended.code}: ${ended.stdout}${ended.stderr}`)
  const { cpu, rss } = meters.read()
  return { what, rate: (count / ms) * 1000, cpu: cpu / count, rss }
}

/** What waits at the broker by one ssmreceive, from its start to the last element. */
async function timeReceive({ site, count }: Scene, what: string): Promise<Figure> {
  const start = performance.now()
  const running = site.startReceiver()
  const meters = meter(running)
  await eventually('all received', () => site.countIncoming() >= count, 300)
  const ms = performance.now() - start
  const { cpu, rss } = meters.read()
  await running.stop()
  rmSync(join(site.spool, 'incoming'), { recursive: true })
  return { what, rate: (count / ms) * 1000, cpu: cpu / count, rss }
}

async function throughRabbitmq(dir: string, count: number, encrypted: boolean): Promise<Figure[]> {
  await using broker = await startRabbitmq()
  const site = createSite(dir, broker.port)
  site.configure(encrypting(site, encrypted))
  const name = encrypted ? 'signed and encrypted' : 'signed'
  return [
    await timeSend({ site, count }, `send to RabbitMQ, ${name}`),
    await timeReceive({ site, count }, `receive from RabbitMQ, ${name}`),
  ]
}

async function throughListener(dir: string, count: number, encrypted: boolean): Promise<Figure[]> {
  const port = await freePort()
  const site = createSite(dir, port)
  const { sender } = encrypting(site, encrypted)
  const listen = { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } }
  site.configure({ sender, receiver: listen })
  const receiver = site.startReceiver()
  const meters = meter(receiver)
  const figure = await timeSend(
    { site, count },
    `send to the listener, ${encrypted ? 'signed and encrypted' : 'signed'}`,
  )
  const { cpu, rss } = meters.read()
  await receiver.stop()
  return [figure, { what: '  its receiver', rate: figure.rate, cpu: cpu / count, rss }]
}

function encrypting(site: Site, encrypted: boolean): { readonly sender: Sections } {
  return { sender: encrypted ? { certificates: { server_cert: site.pki.other.certificateFile } } : {} }
}

const BROKERS = { rabbitmq: throughRabbitmq, listener: throughListener } as const

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '3000' },
      rounds: { type: 'string', default: '3' },
      broker: { type: 'string', default: 'rabbitmq,listener' },
      json: { type: 'boolean', default: false },
    },
  })
  const figures: Figure[] = [opensslSpeed(1), opensslSpeed(cpus().length)]
  for (const broker of values.broker.split(',')) {
    const measure = BROKERS[broker as keyof typeof BROKERS]
    for (const encrypted of [false, true]) {
      const rounds: Figure[][] = []
      for (let round = 0; round < Number(values.rounds); round++) {
        const dir = mkdtempSync(join(tmpdir(), 'ssm-bench-'))
        rounds.push(await measure(dir, Number(values.count), encrypted))
        rmSync(dir, { recursive: true })
      }
      process.stderr.write(`${broker} ${encrypted ? 'encrypted' : 'signed'} done\n`)
      for (const index of rounds[0]!.keys()) figures.push(middle(rounds.map((round) => round[index]!)))
    }
  }
  process.stdout.write(values.json ? `${JSON.stringify(figures, null, 2)}\n` : table(figures))
}

function table(figures: readonly Figure[]): string {
  const limit = figures[0]?.rate ?? NaN
  const rows = figures.map(({ what, rate, cpu, rss }) => [
    what.padEnd(48),
    rate.toFixed(0).padStart(8),
    `${((rate / limit) * 100).toFixed(0)} %`.padStart(7),
    (cpu?.toFixed(2) ?? '').padStart(8),
    (rss?.toFixed(0) ?? '').padStart(7),
  ])
  const head = [''.padEnd(48), '     1/s', 'of sign', '  ms CPU', ' MB RSS']
  return `${[head, ...rows].map((row) => row.join(' ')).join('\n')}\n`
}

await main()
