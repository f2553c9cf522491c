/**
 * The log of a scripted run through AMS beside the recorded one of the Python SSM (`test/vectors/logs`). Every difference is
 * in the table below, with its reason.
 */
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { need } from '../kit/need.js'
import { hasPythonSsm, needPythonSsm, pythonSend, startPythonReceiver } from '../kit/python-ssm.js'
import { assertAsRecorded, assertDifferencesExist, assertRecord, type Differences } from '../kit/recorded-logs.js'
import { scratch } from '../kit/scratch.js'
import { amsMiddle, OURS, scriptedRun, type Programs } from '../kit/scripted-run.js'

const DIFFERENCES: Differences = {
  sender: [
    { line: /Using AMS version/, kind: 'recorded', reason: 'names a library that we do not use' },
    { line: /encrypted using FILE$/, kind: 'recorded', reason: 'the DN of the certificate is in a line before it' },
    { line: /Found \d+ messages\./, kind: 'anywhere', reason: 'we count before we connect' },
    { line: /Sending message: ID$/, kind: 'anywhere', reason: 'the next is made ready while one is under way' },
    { line: /can read this secret/, kind: 'ignored', reason: 'said of a token that others may read: depends on umask' },
    { line: /Disconnected from broker\.|SSM connection ended\./, kind: 'ours', reason: 'nothing is said there' },
  ],
  receiver: [
    { line: /Using AMS version/, kind: 'recorded', reason: 'names a library that we do not use' },
    { line: /Refreshing valid DNs/, kind: 'recorded', reason: 'they were read a moment before' },
    { line: /can read this secret/, kind: 'ignored', reason: 'said of a token that others may read: depends on umask' },
    { line: /Disconnected from broker\.|SSM connection ended\./, kind: 'ours', reason: 'nothing is said there' },
  ],
}

const python = (ca: string): Programs => ({
  send: (site) => pythonSend(site, { REQUESTS_CA_BUNDLE: ca }),
  startReceiver: (site) => startPythonReceiver(site, { REQUESTS_CA_BUNDLE: ca }),
})

describe('the log of a scripted run through AMS', { timeout: 180_000 }, () => {
  test('is the recorded one, but for what is listed', async (t) => {
    const dir = scratch(t)
    const logs = await scriptedRun(dir, (site) => amsMiddle(site, join(dir, 'ca.pem')), OURS)
    assertAsRecorded('ams-', logs, DIFFERENCES)
  })

  test('every difference of the table is one', () => {
    assertDifferencesExist('ams-', DIFFERENCES)
  })

  if (hasPythonSsm) {
    const skip = needPythonSsm() || need('python3-requests')
    test('the record is what the Python SSM writes', { skip }, async (t) => {
      const dir = scratch(t)
      const ca = join(dir, 'ca.pem')
      assertRecord('ams-', await scriptedRun(dir, (site) => amsMiddle(site, ca), python(ca)), DIFFERENCES)
    })
  }
})
