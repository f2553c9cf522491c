/**
 * The short form of `kills.ts`: twenty-five kills. `npm run torture` has all of them.
 */
import { test } from 'node:test'
import { BROKERS } from '../kit/brokers.js'
import { scratch } from '../kit/scratch.js'
import { assertExact, createTrial, reportText } from '../kit/trial.js'
import { createRandom, killAtEachStep, killAtRandom, killInSequence, stepsOf } from './kills.js'

const [RABBITMQ, ACTIVEMQ] = BROKERS

/** Twenty-five in all, with those of the second test. */
const KILLS = { ssmsend: 7, ssmreceive: 10 } as const

/** So many of them, evenly spread; `mkdir` is met once only. */
function spread(steps: readonly string[], count: number): string[] {
  const again = steps.filter((step) => !step.startsWith('mkdir'))
  return Array.from({ length: count }, (_, n) => again[Math.floor((n * again.length) / count)]!)
}

test('killed at steps of sending and of receiving: none lost, none doubled', { skip: RABBITMQ!.skip }, async (t) => {
  await using broker = await RABBITMQ!.start()
  const trial = createTrial({ dir: scratch(t), port: broker.port })
  for (const name of ['ssmsend', 'ssmreceive'] as const) {
    const steps = await stepsOf(trial, name)
    const some = spread(steps, KILLS[name])
    const missed = await killAtEachStep(trial, name, ['after'], some)
    t.diagnostic(`${name}: ${some.length} of ${steps.length} steps, not met again: ${missed.join(', ') || 'none'}`)
  }
  const report = await trial.settle()
  t.diagnostic(reportText(report))
  assertExact(report)
})

test('killed at the n-th step of the n-th start, and at any time', { skip: ACTIVEMQ!.skip }, async (t) => {
  await using broker = await ACTIVEMQ!.start()
  const trial = createTrial({ dir: scratch(t), port: broker.port })
  await killInSequence(trial, 'ssmreceive', 3)
  await killInSequence(trial, 'ssmsend', 3)
  await killAtRandom(trial, 2, createRandom(1))
  const report = await trial.settle()
  t.diagnostic(reportText(report))
  assertExact(report)
})
