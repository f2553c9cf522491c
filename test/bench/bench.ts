/**
 * `npm run bench`: how fast the real programs are, next to the limits of this machine measured in the same run. Look at
 * the ratios: the machine may be shared, and absolute figures drift.
 *
 *     npm run bench -- [--count N] [--rounds N] [--broker listener,rabbitmq,activemq,ams]
 *                       [--json] [--markdown]
 *                       [--only many|single|growth] [--against DIR] [--backlogs 1000,10000,100000]
 *
 * `--against DIR`: a folder with checkouts of the Python SSM and what it needs (CONTRIBUTING.md); it is timed in each round
 * after ours, on the same broker. `many`: thousands of messages; `single`: start-up, latency, and one message of 10 MB. `growth`
 * (only when asked for): backlogs of several sizes. `--broker ams` (when asked for): AMS with 50 ms to every request.
 * `--markdown`: the table as docs/performance.md holds it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, markdownOf, middleOf, tableOf } from './figures.js'
import type { Job } from './jobs.js'
import { envelopeApart, opensslSign, rawStore } from './limits.js'

/**
 * Removed at the very end: an ext4 without a journal looks through all inodes that were deleted in the last minutes each time it
 * makes one (330 instead of 980 messages received a second, with 5 ms of CPU instead of 1.1). When something else deletes much
 * there, TMPDIR on a file system with a journal gives figures that mean something.
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

function options() {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '3000' },
      rounds: { type: 'string', default: '3' },
      broker: { type: 'string', default: 'listener,rabbitmq,activemq' },
      only: { type: 'string' },
      against: { type: 'string' },
      backlogs: { type: 'string', default: '1000,10000,100000' },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
    },
  })
  return { ...values, count: Number(values.count), rounds: Number(values.rounds) }
}

type Options = ReturnType<typeof options>

async function many({ count, rounds: times, broker }: Options): Promise<Figure[]> {
  // Loaded when the environment says whether there is a Python program.
  const { JOBS } = await import('./jobs.js')
  const figures = await rounds(times, 'limits', async (dir) => [
    ...envelopeApart(dir, count),
    await rawStore(dir, Math.min(count, 1000)),
  ])
  for (const name of broker.split(',')) {
    const job = JOBS[name]
    if (job === undefined) throw new Error(`--broker ${name}: one of ${Object.keys(JOBS).join(', ')}`)
    for (const encrypted of [false, true]) {
      const run = (dir: string): Promise<Figure[]> => job({ dir, count, encrypted } satisfies Job)
      figures.push(...(await rounds(times, `${name}${encrypted ? ', encrypted' : ''}`, run)))
    }
  }
  return figures
}

async function single({ rounds: times }: Options): Promise<Figure[]> {
  const { idle, big } = await import('./single.js')
  const { latency } = await import('./latency.js')
  return [
    ...(await rounds(1, 'start-up', idle)),
    ...(await rounds(1, 'latency', latency)),
    ...(await rounds(times, 'one large message', big)),
  ]
}

function reportOf(figures: readonly Figure[], { count, rounds: times, json, markdown }: Options): string {
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? '?'}, Node ${process.version}, ${count} messages, ${times} rounds`
  const date = new Date().toISOString()
  if (json) return `${JSON.stringify({ machine, date, figures }, null, 2)}\n`
  return markdown ? markdownOf(`${date.slice(0, 10)}, ${machine}:`, figures) : `${machine}\n${tableOf(figures)}`
}

async function main(): Promise<void> {
  const chosen = options()
  if (chosen.against !== undefined) process.env.SSM_PEER = resolve(chosen.against)
  const figures: Figure[] = [opensslSign(1), opensslSign(cpus().length)]
  if (chosen.only === 'growth') {
    const { growth } = await import('./jobs.js')
    figures.push(...(await rounds(1, 'growth', (dir) => growth(dir, chosen.backlogs.split(',').map(Number)))))
  } else {
    if (chosen.only !== 'single') figures.push(...(await many(chosen)))
    if (chosen.only !== 'many') figures.push(...(await single(chosen)))
  }
  process.stdout.write(reportOf(figures, chosen))
}

try {
  await main()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.exit()
