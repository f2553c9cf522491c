/**
 * The power goes, at every fsync and whenever a broker took something for done, while messages pass from one spool to the
 * other; then both programs start again on what the disk has kept.
 */
import { createBench, type Bench } from '../kit/bench.js'
import { sendHere, serveHere } from '../kit/here.js'
import { createLedger, type Balance } from '../kit/ledger.js'
import type { Message } from '../kit/mini-broker.js'
import { watchPower, type Chance, type PowerLog } from '../kit/power.js'
import { elementsLeft } from '../kit/records.js'
import { eventually } from '../kit/site.js'

/** Every case of what was not fsynced: nothing of it is there, all is, and a mixture. */
export const CASES: Readonly<Record<string, (random: () => number) => Chance>> = {
  nothing: () => () => false,
  everything: () => () => true,
  mixed: (random) => () => random() < 0.5,
}

interface Recording {
  readonly log: PowerLog
  /** When the broker took them, and when it was told that they are safe. */
  readonly taken: ReadonlyMap<string, number>
  readonly acknowledged: ReadonlyMap<string, number>
  readonly messages: readonly Message[]
}

export interface Outcome {
  /** Where and how the power went, with what was wrong then. */
  readonly wrong: readonly string[]
  readonly cuts: number
  readonly sent: number
  readonly balance: Omit<Balance, 'sent'>
}

async function record(dir: string, count: number): Promise<{ bench: Bench; recording: Recording }> {
  const running: { log?: PowerLog } = {}
  const taken = new Map<string, number>()
  const acknowledged = new Map<string, number>()
  const bench = await createBench(dir, {
    events: {
      onTaken: (id) => running.log !== undefined && taken.set(id, running.log.note()),
      onAcknowledged: (id) => running.log !== undefined && acknowledged.set(id, running.log.note()),
    },
  })
  const { site, ledger, broker } = bench
  ledger.put(count)
  const log = watchPower(site.dir, ['outgoing', 'spool'])
  running.log = log
  const receiver = serveHere(site)
  await sendHere(site, () => elementsLeft(site.outgoing).length)
  await eventually('all are acknowledged', () => acknowledged.size === count, 60, 5)
  await receiver.stop()
  log.stop()
  // What comes later is no part of it.
  delete running.log
  return { bench, recording: { log, taken, acknowledged, messages: [...broker.taken] } }
}

/** Records `count` messages on their way, cuts at every `step`-th moment, and looks what comes of it. */
export async function cutPower(dir: string, count: number, random: () => number, step = 1): Promise<Outcome> {
  const { bench, recording } = await record(dir, count)
  await using _bench = bench
  const wrong: string[] = []
  const sum = { lost: 0, doubled: 0, altered: 0 }
  const moments = recording.log.moments.filter((_, n) => n % step === 0)
  for (const at of moments) {
    for (const [name, chanceOf] of Object.entries(CASES)) {
      const { lost, doubled, altered } = await cutAt(bench, recording, at, chanceOf(random), count)
      if (lost + doubled + altered > 0)
        wrong.push(`${at}, ${name}: ${lost} lost, ${doubled} doubled, ${altered} altered`)
      sum.lost += lost
      sum.doubled += doubled
      sum.altered += altered
    }
  }
  const cuts = moments.length * Object.keys(CASES).length
  return { wrong, cuts, sent: count * cuts, balance: sum }
}

async function cutAt(bench: Bench, recording: Recording, at: number, chance: Chance, count: number): Promise<Balance> {
  const { site, broker } = bench
  recording.log.restore(at, chance)
  // The broker has its own disk: it has what it took, and sends again what was not acknowledged.
  const isBefore = (when: number | undefined): boolean => when !== undefined && when <= at
  broker.putBack(
    recording.messages.filter(
      ({ id }) => isBefore(recording.taken.get(id)) && !isBefore(recording.acknowledged.get(id)),
    ),
  )
  const ledger = createLedger({ outgoing: site.outgoing, dn: site.pki.host.dn })
  ledger.assume(count)
  const receiver = serveHere(site)
  try {
    await sendHere(site, () => elementsLeft(site.outgoing).filter((name) => !/\.(tmp|lck)$/.test(name)).length)
    // What the broker holds no more is safe, or lost.
    await eventually('the broker has nothing left', () => broker.held() === 0, 60, 5)
  } finally {
    await receiver.stop()
  }
  ledger.consume(bench.incoming)
  return ledger.balance()
}
