/**
 * A million messages through a real broker: does memory stay flat, do descriptors, does the last tenth go as fast as the
 * first? One sender that watches and one receiver run all the time; a producer keeps some thousands waiting.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { elementsLeft } from '../kit/records.js'
import type { Running } from '../kit/site.js'
import type { Trial } from '../kit/trial.js'

/** So many messages wait in the outgoing spool, about. */
const WAITING = 4000
/** Nothing arrived for so long: it hangs, ms. */
const HANGS = 120_000

interface Sample {
  readonly arrived: number
  readonly at: number
  readonly rss: Readonly<Record<Name, number>>
  readonly descriptors: Readonly<Record<Name, number>>
}

type Name = 'ssmsend' | 'ssmreceive'
const NAMES: readonly Name[] = ['ssmsend', 'ssmreceive']

/** What a soak shows; ratios, because the machine may be shared. */
export interface SoakReport {
  readonly seconds: number
  /** MiB, in the first and the second half. */
  readonly rss: Readonly<Record<Name, readonly [number, number]>>
  readonly descriptors: Readonly<Record<Name, readonly [number, number]>>
  /** Messages a second in the first and the last tenth. */
  readonly rate: readonly [number, number]
  /** What is not as it should be: memory grown by more than a tenth, more descriptors, slower by more than a tenth. */
  readonly complaints: readonly string[]
}

export async function soak(trial: Trial, count: number): Promise<SoakReport> {
  const { site, ledger, incoming } = trial
  const running: Readonly<Record<Name, Running>> = {
    ssmsend: site.startSender('--watch'),
    ssmreceive: site.startReceiver(),
  }
  const samples: Sample[] = []
  let put = 0
  let arrived = 0
  let last = Date.now()
  try {
    while (arrived < count) {
      const room = WAITING - elementsLeft(site.outgoing).length
      if (put < count && room > WAITING / 4) {
        const more = Math.min(room, count - put)
        ledger.put(more)
        put += more
      }
      const taken = ledger.consume(incoming)
      arrived += taken
      if (taken > 0) last = Date.now()
      else if (Date.now() - last > HANGS) throw new Error(`nothing arrives: ${site.log('ssmreceive').slice(-2000)}`)
      samples.push(lookAt(running, arrived))
      await sleep(250)
    }
  } finally {
    for (const name of NAMES) await running[name].stop()
  }
  return judge(samples, count)
}

function lookAt(running: Readonly<Record<Name, Running>>, arrived: number): Sample {
  const of = (read: (pid: number) => number) =>
    ({ ssmsend: read(running.ssmsend.child.pid ?? 0), ssmreceive: read(running.ssmreceive.child.pid ?? 0) }) as const
  return {
    arrived,
    at: Date.now(),
    rss: of((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024),
    descriptors: of((pid) => readdirSync(`/proc/${pid}/fd`).length),
  }
}

function judge(samples: readonly Sample[], count: number): SoakReport {
  const between = (from: number, to: number) =>
    samples.filter(({ arrived }) => arrived >= from * count && arrived <= to * count)
  const halves = (read: (sample: Sample) => number): [number, number] => {
    const largest = (some: readonly Sample[]) => Math.round(Math.max(...some.map(read)))
    return [largest(between(0, 0.5)), largest(between(0.5, 1))]
  }
  const rate = (from: number, to: number): number => {
    const some = between(from, to)
    const [first, end] = [some[0], some.at(-1)]
    return first === undefined || end === undefined
      ? 0
      : Math.round(((end.arrived - first.arrived) / (end.at - first.at)) * 1000)
  }
  const both = (of: 'rss' | 'descriptors') => ({
    ssmsend: halves((sample) => sample[of].ssmsend),
    ssmreceive: halves((sample) => sample[of].ssmreceive),
  })
  const report = { rss: both('rss'), descriptors: both('descriptors'), rate: [rate(0, 0.1), rate(0.9, 1)] as const }
  const seconds = Math.round((samples.at(-1)!.at - samples[0]!.at) / 1000)
  return { seconds, ...report, complaints: complaintsOf(report) }
}

function complaintsOf({ rss, descriptors, rate }: Pick<SoakReport, 'rss' | 'descriptors' | 'rate'>): string[] {
  const said: string[] = []
  for (const name of NAMES) {
    if (rss[name][1] > rss[name][0] * 1.1) said.push(`${name}: memory grew from ${rss[name].join(' to ')} MiB`)
    // One or two come and go: a directory being listed, a file being read.
    if (descriptors[name][1] > descriptors[name][0] + 2)
      said.push(`${name}: descriptors grew from ${descriptors[name].join(' to ')}`)
  }
  if (rate[1] < rate[0] * 0.9) said.push(`slower: from ${rate.join(' to ')} messages a second`)
  return said
}
