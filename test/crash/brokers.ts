/**
 * kill -9 of the broker in the middle of everything, and its start with what its disk has kept.
 */
import type { Broker } from '../kit/brokers.js'
import { elementsLeft } from '../kit/records.js'
import { eventually } from '../kit/site.js'
import type { Trial } from '../kit/trial.js'

/** Sends `count` messages and receives them; the broker is killed each time another part of them has gone its way. */
export async function killBroker(trial: Trial, broker: Broker, count: number, kills: number): Promise<void> {
  const { site, ledger } = trial
  ledger.put(count)
  const receiver = site.startReceiver()
  try {
    for (let n = 1; n <= kills; n += 1) {
      const sender = site.startSender()
      const mark = Math.floor((count * (kills + 1 - n)) / (kills + 1))
      await eventually('a part is on its way', () => half(trial, mark), 120, 5)
      await broker.kill()
      trial.count.kills += 1
      await broker.start()
      await sender.ended
    }
    await trial.sendAll()
  } finally {
    await receiver.stop()
  }
}

/** Is so little left, at one end or the other? By turns the broker dies with more on the way in, or on the way out. */
function half({ site, ledger, incoming }: Trial, mark: number): boolean {
  ledger.consume(incoming)
  return elementsLeft(site.outgoing).filter((name) => !name.endsWith('.lck')).length <= mark
}
