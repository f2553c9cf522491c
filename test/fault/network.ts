/**
 * A network that fails: every connection is cut, reset or frozen after some number of bytes in one direction, or passes
 * them one at a time, or late. For `sender` each number has a run of its own, whose first connection has the trouble; a
 * receiver connects again by itself, each connection with the next trouble.
 */
import type { Sections } from '../kit/site.js'
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
