/**
 * How long a record takes from a producer's `add` to its place in incoming, when nothing else is going on: `ssmsend --watch`,
 * RabbitMQ, `ssmreceive`.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { QueueSimple } from '../../src/index.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { makeRecord } from '../kit/records.js'
import { createSite, eventually } from '../kit/site.js'
import type { Figure } from './figures.js'

const RECORDS = 200

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN
}

/** One record after the other, each added a moment after the one before has arrived. */
export async function latency(dir: string): Promise<Figure[]> {
  await using broker = await startRabbitmq()
  const site = createSite(dir, broker.port)
  const receiver = site.startReceiver()
  const sender = site.startSender('--watch')
  const queue = new QueueSimple(join(dir, 'outgoing'))
  await eventually('both are connected', () =>
    (['ssmsend', 'ssmreceive'] as const).every((program) => site.log(program).includes('Connected.')),
  )
  const times: number[] = []
  for (let n = 0; n < RECORDS; n++) {
    await sleep(50 + Math.random() * 50)
    const start = performance.now()
    await queue.add(makeRecord('ascii', n))
    await eventually('it arrives', () => site.countIncoming() > n, 30, 1)
    times.push(performance.now() - start)
  }
  await sender.stop()
  await receiver.stop()
  const sorted = times.slice(10).sort((a, b) => a - b)
  return [0.5, 0.99].map((part) => {
    const ms = quantile(sorted, part)
    return { what: `added to durable in incoming, p${part * 100}: ${ms.toFixed(1)} ms`, rate: 1000 / ms }
  })
}
