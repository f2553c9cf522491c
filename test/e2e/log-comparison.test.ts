/**
 * The log of a scripted run, line by line, beside the recorded one of the Python SSM (`test/vectors/logs`): operators'
 * searches must go on finding what they look for. Every difference is in the table below, with its reason.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { need } from '../kit/need.js'
import { hasPythonSsm, needPythonSsm, pythonSend, startPythonReceiver } from '../kit/python-ssm.js'
import { startRabbitmq, type Rabbit } from '../kit/rabbitmq.js'
import { scratch } from '../kit/scratch.js'
import { scriptedRun, type Programs, type ScriptedLogs } from '../kit/scripted-run.js'
import { eventually, startProgram } from '../kit/site.js'
import { root } from '../kit/source.js'

const LOGS = ['sender', 'receiver'] as const

interface Difference {
  readonly line: RegExp
  /** `recorded`: a line that we do not write. `anywhere`: we write as many of them, at another place. `ignored`: neither. */
  readonly kind: 'recorded' | 'anywhere' | 'ignored'
  readonly reason: string
}

const DIFFERENCES: Readonly<Record<(typeof LOGS)[number], readonly Difference[]>> = {
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

/** We look at the list before the signature, and say so. */
const withoutRemark = (line: string): string => line.replace(/ \(not verified\)$/, '')

function compared(which: (typeof LOGS)[number], lines: readonly string[]) {
  const differences = DIFFERENCES[which]
  const kindOf = (line: string) => differences.find((each) => each.line.test(line))?.kind
  return {
    inOrder: lines.filter((line) => kindOf(line) === undefined).map(withoutRemark),
    anywhere: lines.filter((line) => kindOf(line) === 'anywhere'),
    recordedOnly: lines.filter((line) => kindOf(line) === 'recorded'),
  }
}

const fileOf = (which: string): string => join(root, 'test', 'vectors', 'logs', `${which}.txt`)
const recorded = (which: string): string[] => readFileSync(fileOf(which), 'utf8').trimEnd().split('\n')

/** Its threads write side by side: a receipt may be told before the waiting for it. */
function settled(lines: readonly string[]): string[] {
  const early = /.*Broker received message: ID\n(.*Waiting for broker to accept message\.)/g
  return lines
    .join('\n')
    .replace(early, (both) => both.split('\n').reverse().join('\n'))
    .split('\n')
}

const OURS: Programs = {
  send: (site) => site.send(),
  async startReceiver(site) {
    // As the detached child runs, whose log it is.
    const running = startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns], { env: { SSM_DETACHED: '1' } })
    await eventually('it subscribed', () => site.log('ssmreceive').includes('Subscribing to:'))
    return running
  },
}
const PYTHON: Programs = { send: pythonSend, startReceiver: startPythonReceiver }

describe('the log of a scripted run', { skip: need('rabbitmq') }, () => {
  let broker: Rabbit
  before(async () => {
    broker = await startRabbitmq()
  })
  after(() => broker[Symbol.asyncDispose]())

  test('is the recorded one, but for what is listed', async (t) => {
    const logs: ScriptedLogs = await scriptedRun(scratch(t), broker.port, OURS)
    for (const which of LOGS) {
      const ours = compared(which, logs[which])
      const theirs = compared(which, recorded(which))
      assert.deepEqual(ours.inOrder, theirs.inOrder, which)
      assert.deepEqual(ours.anywhere, theirs.anywhere, which)
      assert.deepEqual(ours.recordedOnly, [], which)
    }
  })

  test('every difference of the table is one', () => {
    for (const which of LOGS) {
      for (const { line, kind } of DIFFERENCES[which]) {
        if (kind !== 'ignored')
          assert.ok(
            recorded(which).some((each) => line.test(each)),
            `${which}: ${line.source}`,
          )
      }
    }
  })

  if (hasPythonSsm) {
    test('the record is what the Python SSM writes', { skip: needPythonSsm() }, async (t) => {
      const logs = await scriptedRun(scratch(t), broker.port, PYTHON)
      for (const which of LOGS) {
        if (process.env.SSM_RECORD === 'true') writeFileSync(fileOf(which), `${settled(logs[which]).join('\n')}\n`)
        // Its threads write side by side: the order of neighbours varies.
        assert.deepEqual(compared(which, logs[which]).inOrder.sort(), compared(which, recorded(which)).inOrder.sort())
      }
    })
  }
})
