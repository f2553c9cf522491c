/**
 * Clocks that jump while messages are on their way: a day to and fro, an hour of summer time, an hour's sleep of the machine.
 */
import type { Bench } from '../kit/bench.js'
import type { BentTime } from '../kit/bent-time.js'
import { sendHere, serveHere } from '../kit/here.js'
import { elementsLeft } from '../kit/records.js'
import { rest } from './disk.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** In this order, so that the clock ends where it began. */
const JUMPS: Readonly<Record<string, (time: BentTime) => void>> = {
  'a day on': (time) => {
    time.step(DAY)
  },
  'a day back': (time) => {
    time.step(-DAY)
  },
  'another day back': (time) => {
    time.step(-DAY)
  },
  'and on again': (time) => {
    time.step(DAY)
  },
  'summer time begins': (time) => {
    time.step(HOUR)
  },
  'summer time ends': (time) => {
    time.step(-HOUR)
  },
  'the machine sleeps for an hour': (time) => {
    time.suspend(HOUR)
  },
  'it is set right again': (time) => {
    time.step(-HOUR)
  },
}

/** Sends `count` messages for each jump, which comes after a part of them has arrived. */
export async function jump(bench: Bench, time: BentTime, count: number): Promise<void> {
  const { site, ledger, incoming } = bench
  const receiver = serveHere(site)
  try {
    for (const act of Object.values(JUMPS)) {
      ledger.put(count)
      const timer = setInterval(() => {
        ledger.consume(incoming)
        if (ledger.missing() > count / 2) return
        clearInterval(timer)
        act(time)
        bench.count.faults += 1
      }, 1)
      await sendHere(site, () => elementsLeft(site.outgoing).length)
      await rest(bench)
      clearInterval(timer)
    }
  } finally {
    await receiver.stop()
  }
}
