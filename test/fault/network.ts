/**
 * A network that fails: every connection is cut, reset or frozen after some number of bytes in one direction, or passes
 * them one at a time, or late. For `sender` each number has a run of its own, whose first connection has the trouble; a
 * receiver connects again by itself, each connection with the next trouble.
 */
import { createBench, type Bench } from '../kit/bench.js'
import { bendTime, type BentTime } from '../kit/bent-time.js'
import { sendHere, serveHere } from '../kit/here.js'
import { elementsLeft } from '../kit/records.js'
import { eventually, type Sections } from '../kit/site.js'
import type { Report, Trial } from '../kit/trial.js'
import { rest } from './disk.js'
import { startRoughNetwork, type Direction, type RoughNetwork, type Trouble } from '../kit/rough-network.js'

/** A rough way for one of the programs; it is smooth until trouble is given. */
export interface RoughWay extends AsyncDisposable {
  readonly network: RoughNetwork
  /** Troubles of the connections to come, one each; then it is smooth again. */
  readonly troubles: Trouble[]
  /** Configuration that leads a program here. */
  readonly sections: Sections
}

export async function startRoughWay(port: number): Promise<RoughWay> {
  const troubles: Trouble[] = []
  const network = await startRoughNetwork(port, () => troubles.shift() ?? { kind: 'none' })
  return {
    network,
    troubles,
    sections: { broker: { host: '127.0.0.1', port: network.port, use_ssl: false } },
    [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
  }
}

export interface RoughTrial {
  readonly ledger: { put(count: number): void }
  readonly count: { faults: number }
  /** Sends all that waits. */
  sendAll(): Promise<void>
}

/** A conversation of one message that nothing troubles. */
export async function measure(trial: RoughTrial, { network }: RoughWay): Promise<ReturnType<RoughNetwork['last']>> {
  trial.ledger.put(1)
  await trial.sendAll()
  return network.last()
}

/** Each trouble meets the first connection of a run that has one message to send. */
export async function troubleSender(trial: RoughTrial, way: RoughWay, troubles: Iterable<Trouble>): Promise<void> {
  for (const trouble of troubles) {
    way.troubles.splice(0, Infinity, trouble)
    trial.ledger.put(1)
    const before = way.network.troubled()
    await trial.sendAll()
    trial.count.faults += way.network.troubled() - before
  }
  way.troubles.length = 0
}

/** Numbers of bytes as troubles. */
export function* troublesAt(
  kind: Trouble['kind'],
  direction: Direction,
  numbers: Iterable<number>,
): Generator<Trouble> {
  for (const after of numbers) yield { kind, direction, after }
}

export function* numbersUpTo(end: number, step = 1): Generator<number> {
  for (let n = 0; n <= end; n += step) yield n
}

/** Around the ends of frames. */
export function* around(ends: readonly number[]): Generator<number> {
  for (const end of ends) for (let n = Math.max(0, end - 2); n <= end + 2; n += 1) yield n
}

export interface Rough {
  readonly bench: Bench
  readonly time: BentTime
  /** The way of the program under test. */
  readonly way: RoughWay
  readonly sendAll: () => Promise<void>
}

/** One of the programs goes the rough way, the other straight. A message has 200 bytes. */
export async function rough(
  dir: string,
  who: 'sender' | 'receiver',
  work: (rough: Rough) => Promise<void>,
): Promise<Report> {
  using time = bendTime()
  await using bench = await createBench(dir, { heartBeat: 30_000, size: 200 })
  await using way = await startRoughWay(bench.broker.port)
  bench.site.configure({ [who]: { ...way.sections, messaging: { window: 1 } } })
  const sendAll = () => sendHere(bench.site, () => elementsLeft(bench.site.outgoing).length)
  await work({ bench, time, way, sendAll })
  return { ...bench.ledger.balance(), ...bench.count }
}

/** A receiver meets these troubles, a message at hand for each; then it comes to rest. */
export async function receive(
  { bench, way, sendAll }: Rough,
  troubles: readonly Trouble[],
  help = () => undefined,
): Promise<void> {
  bench.ledger.put(troubles.length)
  await sendAll()
  way.troubles.push(...troubles)
  const receiver = serveHere(bench.site)
  try {
    const met = (): boolean => {
      help()
      return way.troubles.length === 0
    }
    // Each costs a connection, on a machine that may be busy.
    await eventually('all troubles are met', met, 60 + troubles.length / 4)
    bench.count.faults += troubles.length
    await rest(bench)
  } finally {
    await receiver.stop()
  }
}

/** A sender in this process meets trouble after every `short`-th byte that it hears, and every `long`-th that it says. */
export async function sendRoughly(scene: Rough, kind: Trouble['kind'], short: number, long: number): Promise<void> {
  const { bench, way, sendAll } = scene
  const receiver = serveHere(bench.site)
  const trial = { ...bench, sendAll }
  const { up, down } = await measure(trial, way)
  await troubleSender(trial, way, troublesAt(kind, 'down', numbersUpTo(down.bytes, short)))
  await troubleSender(trial, way, troublesAt(kind, 'up', numbersUpTo(up.bytes, long)))
  await rest(bench)
  await receiver.stop()
}

/** The same for a receiver. Up: CONNECT, SUBSCRIBE, ACK. Down: CONNECTED, MESSAGE. */
export async function receiveRoughly(scene: Rough, kind: Trouble['kind'], short: number, long: number): Promise<void> {
  await receive(scene, [...troublesAt(kind, 'up', numbersUpTo(300, short))])
  await receive(scene, [...troublesAt(kind, 'down', numbersUpTo(4000, long))])
}

/** Each trouble meets the connection of a receiver of its own, which finds a message waiting. Real programs. */
export async function troubleReceiver(
  trial: Trial,
  way: RoughWay,
  troublesOf: (passed: ReturnType<RoughNetwork['last']>) => Iterable<Trouble>,
): Promise<void> {
  const { site, ledger, incoming } = trial
  ledger.put(1)
  await trial.sendAll()
  const first = site.startReceiver()
  await eventually('it arrived', () => ledger.consume(incoming) > 0, 60)
  await first.stop()
  for (const trouble of troublesOf(way.network.last())) {
    if (ledger.missing() < 2) {
      ledger.put(50)
      await trial.sendAll()
    }
    way.troubles.splice(0, Infinity, trouble)
    const before = way.network.troubled()
    const receiver = site.startReceiver()
    // A place behind the end of what there is to say is never reached.
    await eventually('it met its trouble', () => way.network.troubled() > before, 10).catch(() => undefined)
    await receiver.stop()
    trial.count.faults += way.network.troubled() - before
    ledger.consume(incoming)
  }
  way.troubles.length = 0
}
