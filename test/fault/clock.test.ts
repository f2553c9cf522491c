/** Clocks that jump under running programs, and clocks that are wrong when they start. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBench } from '../kit/bench.js'
import { bendTime } from '../kit/bent-time.js'
import { need } from '../kit/need.js'
import { elementsLeft } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort } from '../kit/site.js'
import { assertExact, reportText } from '../kit/trial.js'
import { createLedger } from '../kit/ledger.js'
import { jump } from './clock.js'

const DAYS = 24 * 3_600_000

test('a day to and fro, summer time, an hour of sleep: none lost, none doubled', async (t) => {
  using time = bendTime()
  // Certificates and CRL are good on all these days.
  time.step(-3 * DAYS)
  await using bench = await createBench(scratch(t))
  time.step(3 * DAYS)
  await jump(bench, time, 40)
  const report = { ...bench.ledger.balance(), ...bench.count }
  t.diagnostic(reportText(report))
  assertExact(report)
  assert.equal(report.faults, 8)
})

/** What `faketime` sets for its child; the child itself would stand between us and its signals. */
function fakedTime(shift: string): NodeJS.ProcessEnv {
  const { stdout } = spawnSync('faketime', ['-f', shift, 'env'], { encoding: 'utf8' })
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1] ?? ''
  return { FAKETIME: value('FAKETIME'), LD_PRELOAD: value('LD_PRELOAD'), FAKETIME_DONT_FAKE_MONOTONIC: '1' }
}

for (const shift of ['+1d', '-1d']) {
  test(`both programs start with a clock at ${shift}`, { skip: need('faketime') }, async (t) => {
    const port = await freePort()
    const time = bendTime()
    time.step(-3 * DAYS)
    const site = createSite(scratch(t), port)
    time[Symbol.dispose]()
    site.configure({ receiver: { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } } })
    const ledger = createLedger({ outgoing: site.outgoing, dn: site.pki.host.dn })
    ledger.put(20)
    const env = fakedTime(shift)
    const receiver = site.startWith('ssmreceive', { env })
    await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
    const sent = await site.startWith('ssmsend', { env }).ended
    assert.equal(sent.code, 0, sent.stdout + sent.stderr + site.log('ssmsend'))
    assert.deepEqual(elementsLeft(site.outgoing), [])
    // The day of the log is the wrong one: the clock was really bent.
    assert.notEqual(site.log('ssmreceive').slice(0, 10), new Date().toISOString().slice(0, 10))
    ledger.consume(join(site.spool, 'incoming'))
    assert.deepEqual(ledger.balance(), { sent: 20, lost: 0, doubled: 0, altered: 0 })
    assert.equal((await receiver.stop()).code, 0)
  })
}
