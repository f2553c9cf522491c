/** The short form of `soak.ts`: twelve thousand messages; the figures are of the machine, the balance and the descriptors are ours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BROKERS } from '../kit/brokers.js'
import { scratch } from '../kit/scratch.js'
import { assertExact, createTrial, reportText } from '../kit/trial.js'
import { soak } from './soak.js'

const [RABBITMQ] = BROKERS
const MESSAGES = 12_000

test('a watching sender and a receiver, 12 000 messages', { skip: RABBITMQ!.skip }, async (t) => {
  await using broker = await RABBITMQ!.start()
  const sections = { both: { logging: { level: 'WARNING' } } }
  const trial = createTrial({ dir: scratch(t), port: broker.port, sections })
  const { seconds, rss, descriptors, rate } = await soak(trial, MESSAGES)
  t.diagnostic(JSON.stringify({ seconds, rss, descriptors, rate }))
  for (const [name, [first, second]] of Object.entries(descriptors)) {
    // What is in flight opens and closes some; a leak would be thousands.
    assert.ok(second <= first + 200, `${name}: from ${first} to ${second} descriptors`)
  }
  const report = await trial.settle()
  t.diagnostic(reportText(report))
  assertExact(report)
})
