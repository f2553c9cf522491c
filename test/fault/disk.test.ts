/** The short form of `disk.ts`: each step fails once, with one of the errors by turns. */
import { test, type TestContext } from 'node:test'
import { bendTime } from '../kit/bent-time.js'
import { scratch } from '../kit/scratch.js'
import { assertExact, reportText } from '../kit/trial.js'
import { createBench, type Bench } from '../kit/bench.js'
import { CODES, failFor, failOnce, rest, shortWrites, stepsBelow } from './disk.js'

async function underFault(t: TestContext, work: (bench: Bench) => Promise<void>): Promise<void> {
  using _time = bendTime()
  await using bench = await createBench(scratch(t))
  await work(bench)
  await rest(bench)
  const report = { ...bench.ledger.balance(), ...bench.count }
  t.diagnostic(reportText(report))
  assertExact(report)
}

for (const side of ['outgoing', 'spool'] as const) {
  test(`every step below ${side} fails once`, async (t) => {
    await underFault(t, async (bench) => {
      const folder = bench.site[side]
      const steps = await stepsBelow(bench, folder)
      for (const [n, shape] of steps.entries()) await failOnce(bench, folder, shape, CODES[n % CODES.length]!)
      t.diagnostic(`${steps.length} steps`)
    })
  })

  test(`short writes below ${side}`, async (t) => {
    await underFault(t, (bench) => shortWrites(bench, bench.site[side], 7))
  })

  test(`a disk below ${side} that is full, failing, read-only for a while`, async (t) => {
    await underFault(t, async (bench) => {
      const folder = bench.site[side]
      await failFor(bench, folder, /open|write|mkdir|fsync/, 'ENOSPC', 300)
      await failFor(bench, folder, /fsync|write/, 'EIO', 300)
      await failFor(bench, folder, /./, 'EROFS', 300)
    })
  })
}
