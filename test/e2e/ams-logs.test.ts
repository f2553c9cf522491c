/**
 * The log of a scripted run through AMS beside the recorded one of the Python SSM (`test/vectors/logs`). Every difference is
 * in the table below, with its reason.
 */
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { need } from '../kit/need.js'
import { hasPythonSsm, needPythonSsm, pythonSend, startPythonReceiver } from '../kit/python-ssm.js'
import { assertRecord, type Differences } from '../kit/recorded-logs.js'
import { scratch } from '../kit/scratch.js'
import { amsMiddle, scriptedRun, type Programs } from '../kit/scripted-run.js'

const DIFFERENCES: Differences = {
  sender: [],
  receiver: [],
}

const python = (ca: string): Programs => ({
  send: (site) => pythonSend(site, { REQUESTS_CA_BUNDLE: ca }),
  startReceiver: (site) => startPythonReceiver(site, { REQUESTS_CA_BUNDLE: ca }),
})

describe('the log of a scripted run through AMS', { timeout: 180_000 }, () => {
  if (hasPythonSsm) {
    const skip = needPythonSsm() || need('python3-requests')
    test('the record is what the Python SSM writes', { skip }, async (t) => {
      const dir = scratch(t)
      const ca = join(dir, 'ca.pem')
      assertRecord('ams-', await scriptedRun(dir, (site) => amsMiddle(site, ca), python(ca)), DIFFERENCES)
    })
  }
})
