/**
 * `npm run bench`: how fast the real programs are, next to the limits of this machine measured in the same run. Look at
 * the ratios: the machine may be shared, and absolute figures drift.
 *
 *     npm run bench -- [--count N] [--rounds N] [--broker listener,rabbitmq,activemq] [--json]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, middleOf, tableOf } from './figures.js'
import { type Job, JOBS } from './jobs.js'
import { envelope, opensslSign, rawStore } from './limits.js'

/**
 * Removed at the very end: creating files just after a large removal is several times slower for minutes (seen on ext4:
 * 330 instead of 980 messages received a second, with 5 ms of CPU instead of 1.1).
 */
const scratch = mkdtempSync(join(tmpdir(), 'ssm-bench-'))

async function rounds(count: number, name: string, work: (dir: string) => Promise<Figure[]>): Promise<Figure[]> {
  const all: Figure[][] = []
  for (let round = 1; round <= count; round++) {
    process.stderr.write(`${name}, round ${round} of ${count}\n`)
    all.push(await work(mkdtempSync(join(scratch, 'round-'))))
  }
  return middleOf(all)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '3000' },
      rounds: { type: 'string', default: '3' },
      broker: { type: 'string', default: 'listener,rabbitmq,activemq' },
      json: { type: 'boolean', default: false },
    },
  })
  const count = Number(values.count)
  const times = Number(values.rounds)
  const figures: Figure[] = [opensslSign(1), opensslSign(cpus().length)]
  figures.push(
    ...(await rounds(times, 'limits', async (dir) => [
      ...(await envelope(dir, count)),
      await rawStore(dir, Math.min(count, 1000)),
    ])),
  )
  for (const broker of values.broker.split(',')) {
    const job = JOBS[broker]
    if (job === undefined) throw new Error(`--broker ${broker}: one of ${Object.keys(JOBS).join(', ')}`)
    for (const encrypted of [false, true]) {
      const run = (dir: string): Promise<Figure[]> => job({ dir, count, encrypted } satisfies Job)
      figures.push(...(await rounds(times, `${broker}${encrypted ? ', encrypted' : ''}`, run)))
    }
  }
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? '?'}, Node ${process.version}, ${count} messages, ${times} rounds`
  const json = { machine, date: new Date().toISOString(), figures }
  process.stdout.write(values.json ? `${JSON.stringify(json, null, 2)}\n` : `${machine}\n${tableOf(figures)}`)
}

try {
  await main()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.exit()
