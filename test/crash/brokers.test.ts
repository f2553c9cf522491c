/** The short form of `brokers.ts`: each broker is killed twice in the middle of 1 000 messages. */
import { test } from 'node:test'
import { BROKERS } from '../kit/brokers.js'
import { scratch } from '../kit/scratch.js'
import { assertExact, createTrial, reportText } from '../kit/trial.js'
import { killBroker } from './brokers.js'

for (const { name, skip, start } of BROKERS) {
  test(`${name} is killed in the middle of 1 000 messages: none lost, none doubled`, { skip }, async (t) => {
    await using broker = await start()
    const trial = createTrial({ dir: scratch(t), port: broker.port })
    await killBroker(trial, broker, 1000, 2)
    const report = await trial.settle()
    t.diagnostic(reportText(report))
    assertExact(report)
  })
}
