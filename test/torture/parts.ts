/**
 * The parts of the torture, as a table.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { killBroker } from '../crash/brokers.js'
import { createRandom, killAtEachStep, killAtFirstUse, killAtRandom, killInSequence, stepsOf } from '../crash/kills.js'
import { mix, TWO_SENDERS } from '../crash/mixed.js'
import { cutPower } from '../crash/power-cut.js'
import { jump } from '../fault/clock.js'
import { CODES, failFor, failOnce, rest, shortWrites, stepsBelow } from '../fault/disk.js'
import {
  around,
  measure,
  numbersUpTo,
  receiveRoughly,
  rough,
  sendRoughly,
  startRoughWay,
  troublesAt,
  troubleReceiver,
  troubleSender,
} from '../fault/network.js'
import { createBench, type Bench } from '../kit/bench.js'
import { bendTime } from '../kit/bent-time.js'
import { BROKERS, type Broker } from '../kit/brokers.js'
import type { Trouble } from '../kit/rough-network.js'
import { createTrial, type Report, reportText, type Trial } from '../kit/trial.js'
import { soak } from '../crash/soak.js'

export interface Sizes {
  readonly kills: number
  /** Of the soak. A hundredth of it is in the hands of brokers that are killed. */
  readonly messages: number
  /** Of two senders with python-dirq beside them. */
  readonly minutes: number
}

type Say = (text: string) => void
type Part = (dir: string, sizes: Sizes, say: Say) => Promise<Report>

const SEED = 20_260_101
/** Random places in a conversation with a real broker. */
const PLACES = 200

function sum(reports: readonly Report[]): Report {
  const total = (name: keyof Report): number => reports.reduce((all, report) => all + report[name], 0)
  return {
    kills: total('kills'),
    faults: total('faults'),
    sent: total('sent'),
    lost: total('lost'),
    doubled: total('doubled'),
    altered: total('altered'),
  }
}

/** The same work with each real broker, in turn. */
async function eachBroker(
  dir: string,
  say: Say,
  work: (trial: Trial, broker: Broker, name: string) => Promise<void>,
  sections: Parameters<typeof createTrial>[0]['sections'] = {},
): Promise<Report> {
  const reports: Report[] = []
  for (const { name, start } of BROKERS) {
    await using broker = await start()
    const folder = join(dir, name)
    mkdirSync(folder)
    const trial = createTrial({ dir: folder, port: broker.port, sections })
    await work(trial, broker, name)
    const report = await trial.settle()
    say(`${name}: ${reportText(report)}`)
    reports.push(report)
  }
  return sum(reports)
}

/** A site in this process, time hurried. */
async function here(dir: string, work: (bench: Bench) => Promise<void>): Promise<Report> {
  using _time = bendTime()
  await using bench = await createBench(dir)
  await work(bench)
  await rest(bench)
  return { ...bench.ledger.balance(), ...bench.count }
}

const kills: Part = (dir, sizes, say) =>
  eachBroker(dir, say, async (trial, _broker, name) => {
    const goal = Math.floor(sizes.kills / BROKERS.length)
    const random = createRandom(SEED)
    for (const program of ['ssmsend', 'ssmreceive'] as const) {
      const steps = (await stepsOf(trial, program)).filter((step) => !step.startsWith('mkdir'))
      const missed = await killAtEachStep(trial, program, ['before', 'after'], steps)
      say(`${name}, ${program}: ${steps.length} steps, not met again: ${missed.join(', ') || 'none'}`)
    }
    const left = Math.max(0, goal - trial.count.kills)
    await killInSequence(trial, 'ssmreceive', Math.floor(left / 4))
    await killInSequence(trial, 'ssmsend', Math.floor(left / 4))
    await killAtRandom(trial, Math.max(0, goal - trial.count.kills), random)
  })

/** Nothing is there yet: the programs die while they make it. */
const firstUse: Part = async (dir, _sizes, say) => {
  const [rabbitmq] = BROKERS
  const reports: Report[] = []
  for (const name of ['ssmsend', 'ssmreceive'] as const) {
    await using broker = await rabbitmq!.start()
    const create = (folder: string): Trial => {
      mkdirSync(join(dir, folder))
      return createTrial({ dir: join(dir, folder), port: broker.port, destination: `/queue/${folder}` })
    }
    for (const trial of await killAtFirstUse(create, name, ['before', 'after'])) reports.push(await trial.settle())
    say(`${name}: ${reportText(sum(reports))}`)
  }
  return sum(reports)
}

const disk: Part = (dir) =>
  here(dir, async (bench) => {
    for (const folder of [bench.site.outgoing, bench.site.spool]) {
      for (const shape of await stepsBelow(bench, folder)) {
        for (const code of CODES) await failOnce(bench, folder, shape, code)
      }
      for (const bytes of [1, 7, 100]) await shortWrites(bench, folder, bytes)
      for (const code of CODES) await failFor(bench, folder, /./, code, 500)
    }
  })

const everyByte: Part = async (dir, _sizes, say) => {
  const reports: Report[] = []
  for (const kind of ['cut', 'reset'] as const) {
    for (const who of ['sender', 'receiver'] as const) {
      const folder = join(dir, `${kind}-${who}`)
      mkdirSync(folder)
      const report = await rough(folder, who, (scene) =>
        who === 'sender' ? sendRoughly(scene, kind, 1, 1) : receiveRoughly(scene, kind, 1, 1),
      )
      say(`${who}, ${kind}: ${reportText(report)}`)
      reports.push(report)
    }
  }
  return sum(reports)
}

/** Frame ends ± 2, and places by chance. */
function* places(
  kind: Trouble['kind'],
  passed: Awaited<ReturnType<typeof measure>>,
  random: () => number,
): Generator<Trouble> {
  for (const direction of ['up', 'down'] as const) {
    const { bytes, ends } = passed[direction]
    yield* troublesAt(kind, direction, around(ends))
    yield* troublesAt(
      kind,
      direction,
      [...numbersUpTo(PLACES / 4)].map(() => Math.floor(random() * bytes)),
    )
  }
}

const networks: Part = (dir, _sizes, say) =>
  eachBroker(dir, say, async (trial, broker) => {
    const random = createRandom(SEED)
    await using way = await startRoughWay(broker.port)
    trial.site.configure({ sender: way.sections })
    await troubleSender(trial, way, places('cut', await measure(trial, way), random))
    await troubleSender(trial, way, places('reset', await measure(trial, way), random))
    trial.site.configure({ receiver: { ...way.sections, messaging: { window: 1 } } })
    await troubleReceiver(trial, way, (passed) => places('cut', passed, random))
    trial.site.configure()
  })

const brokers: Part = (dir, { messages }, say) =>
  eachBroker(dir, say, (trial, broker) => killBroker(trial, broker, Math.max(1000, messages / 100), 5))

const power: Part = async (dir, _sizes, say) => {
  using _time = bendTime()
  const { wrong, cuts, sent, balance } = await cutPower(dir, 6, createRandom(SEED))
  for (const text of wrong) say(text)
  return { kills: 0, faults: cuts, sent, ...balance }
}

const DAYS = 24 * 3_600_000

const clock: Part = async (dir) => {
  using time = bendTime()
  time.step(-3 * DAYS)
  await using bench = await createBench(dir)
  time.step(3 * DAYS)
  for (let n = 0; n < 10; n += 1) await jump(bench, time, 50)
  return { ...bench.ledger.balance(), ...bench.count }
}

const mixed: Part = (dir, { minutes }, say) =>
  eachBroker(
    dir,
    say,
    (trial) => mix(trial, { seconds: (minutes * 60) / BROKERS.length, rate: 100, random: createRandom(SEED) }),
    TWO_SENDERS,
  )

const soaking: Part = async (dir, { messages }, say) => {
  const [rabbitmq] = BROKERS
  await using broker = await rabbitmq!.start()
  const trial = createTrial({ dir, port: broker.port, sections: { both: { logging: { level: 'WARNING' } } } })
  const report = await soak(trial, messages)
  say(JSON.stringify(report))
  return await trial.settle()
}

/** In this order. */
export const PARTS: Readonly<Record<string, Part>> = {
  kills,
  'first-use': firstUse,
  disk,
  'every-byte': everyByte,
  networks,
  brokers,
  power,
  clock,
  mixed,
  soak: soaking,
}
