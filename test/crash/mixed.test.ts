/** The short form of `mixed.ts`: some seconds. */
import { test } from 'node:test'
import { BROKERS } from '../kit/brokers.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { assertExact, createTrial, reportText } from '../kit/trial.js'
import { createRandom } from './kills.js'
import { mix, TWO_SENDERS } from './mixed.js'

const [RABBITMQ] = BROKERS

test(
  'two senders, a receiver and python-dirq, with kills',
  { skip: RABBITMQ!.skip || need('python3-dirq') },
  async (t) => {
    await using broker = await RABBITMQ!.start()
    const trial = createTrial({ dir: scratch(t), port: broker.port, sections: TWO_SENDERS })
    await mix(trial, { seconds: 8, rate: 100, random: createRandom(3) })
    const report = await trial.settle()
    t.diagnostic(reportText(report))
    assertExact(report)
  },
)
