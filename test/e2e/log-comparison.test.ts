/**
 * The log of a scripted run, line by line, beside the recorded one of the Python SSM (`test/vectors/logs`): operators'
 * searches must go on finding what they look for. Every difference is in the table below, with its reason.
 */
import { after, before, describe, test } from 'node:test'
import { need } from '../kit/need.js'
import { hasPythonSsm, needPythonSsm, pythonSend, startPythonReceiver } from '../kit/python-ssm.js'
import { startRabbitmq, type Rabbit } from '../kit/rabbitmq.js'
import { scratch } from '../kit/scratch.js'
import { assertAsRecorded, assertDifferencesExist, assertRecord, type Differences } from '../kit/recorded-logs.js'
import { OURS, scriptedRun, stompMiddle, type Programs } from '../kit/scripted-run.js'

const DIFFERENCES: Differences = {
  sender: [
    { line: /Using stomp\.py version/, kind: 'recorded', reason: 'names a library that we do not use' },
    { line: /encrypted using FILE$/, kind: 'recorded', reason: 'the DN of the certificate is in a line before it' },
    { line: /Broker received message: UUID$/, kind: 'ignored', reason: 'a receipt for its DISCONNECT, no message' },
    {
      line: /Found \d+ messages\./,
      kind: 'anywhere',
      reason: 'we count before we connect: it shows with a broker down',
    },
    { line: /Disconnected from broker\./, kind: 'ignored', reason: 'told by another thread there: late, or never' },
    { line: /SSM connection ended\./, kind: 'ignored', reason: 'said there also of a run that connected to nothing' },
  ],
  receiver: [
    { line: /Using stomp\.py version/, kind: 'recorded', reason: 'names a library that we do not use' },
    {
      line: /Refreshing valid DNs/,
      kind: 'recorded',
      reason: 'they were read a moment before: we wait for the first time',
    },
    { line: /Broker received message: UUID$/, kind: 'ignored', reason: 'a receipt for its DISCONNECT, no message' },
    { line: /Disconnected from broker\./, kind: 'ignored', reason: 'told by another thread there: late, or never' },
  ],
}

const PYTHON: Programs = { send: pythonSend, startReceiver: startPythonReceiver }

describe('the log of a scripted run', { skip: need('rabbitmq') }, () => {
  let broker: Rabbit
  before(async () => {
    broker = await startRabbitmq()
  })
  after(() => broker[Symbol.asyncDispose]())

  test('is the recorded one, but for what is listed', async (t) => {
    const logs = await scriptedRun(scratch(t), () => stompMiddle(broker.port), OURS)
    assertAsRecorded('', logs, DIFFERENCES)
  })

  test('every difference of the table is one', () => {
    assertDifferencesExist('', DIFFERENCES)
  })

  if (hasPythonSsm) {
    test('the record is what the Python SSM writes', { skip: needPythonSsm() }, async (t) => {
      const logs = await scriptedRun(scratch(t), () => stompMiddle(broker.port), PYTHON)
      assertRecord('', logs, DIFFERENCES)
    })
  }
})
