/**
 * `npm run torture`: the long form of test/crash and test/fault. Each part is a table line with the sizes that the
 * command gives it; what came of it goes to the terminal and, with date and commit, into a file.
 *
 *     npm run torture -- [--parts kills,disk,…] [--kills N] [--messages N] [--minutes N] [--hours N] [--log FILE] [--detach]
 */
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Report, reportText } from '../kit/trial.js'
import { PARTS, type Sizes } from './parts.js'

const NOTHING: Report = { kills: 0, faults: 0, sent: 0, lost: 0, doubled: 0, altered: 0 }

function add(a: Report, b: Report): Report {
  return {
    kills: a.kills + b.kills,
    faults: a.faults + b.faults,
    sent: a.sent + b.sent,
    lost: a.lost + b.lost,
    doubled: a.doubled + b.doubled,
    altered: a.altered + b.altered,
  }
}

function commit(): string {
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' })
  return stdout.trim() || 'no commit'
}

interface Options {
  readonly parts: readonly string[]
  readonly sizes: Sizes
  readonly hours: number
  readonly log: string
  readonly detach: boolean
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      parts: { type: 'string', default: Object.keys(PARTS).join(',') },
      kills: { type: 'string', default: '500' },
      messages: { type: 'string', default: '1000000' },
      minutes: { type: 'string', default: '10' },
      hours: { type: 'string', default: '12' },
      log: { type: 'string', default: 'torture.log' },
      detach: { type: 'boolean', default: false },
    },
  })
  const parts = values.parts.split(',')
  const unknown = parts.filter((name) => !(name in PARTS))
  if (unknown.length > 0) throw new Error(`--parts ${unknown.join(',')}: of ${Object.keys(PARTS).join(',')}`)
  const sizes = { kills: Number(values.kills), messages: Number(values.messages), minutes: Number(values.minutes) }
  return { parts, sizes, hours: Number(values.hours), log: values.log, detach: values.detach }
}

/** Starts the same again, in a session of its own, and leaves it. */
function detach(log: string): void {
  const file = openSync(log, 'a')
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2).filter((arg) => arg !== '--detach')]
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', file, file] })
  child.unref()
  process.stdout.write(`pid ${child.pid ?? 0}, log ${log}\n`)
}

/** One part in a folder of its own, which stays when something was wrong. Answers false then. */
async function run(name: string, sizes: Sizes, say: (text: string) => void): Promise<Report | undefined> {
  const dir = mkdtempSync(join(tmpdir(), 'ssm-torture-'))
  const start = Date.now()
  try {
    const report = { ...NOTHING, ...(await PARTS[name]!(dir, sizes, (text) => { say(`${name}: ${text}`) })) } // prettier-ignore
    const good = report.lost + report.doubled + report.altered === 0
    say(`${name}: ${good ? 'good' : 'BAD'} after ${Math.round((Date.now() - start) / 1000)} s: ${reportText(report)}`)
    if (!good) say(`${name}: kept for a look: ${dir}`)
    else rmSync(dir, { recursive: true, force: true })
    return report
  } catch (error) {
    say(`${name}: FAILED after ${Math.round((Date.now() - start) / 1000)} s, kept for a look: ${dir}`)
    say(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return undefined
  }
}

async function main({ parts, sizes, hours, log }: Options): Promise<number> {
  const say = (text: string): void => {
    const line = `${new Date().toISOString().slice(0, 19)}Z ${text}\n`
    process.stdout.write(line)
    // Detached, stdout is that file.
    if (process.stdout.isTTY) appendFileSync(log, line)
  }
  setTimeout(() => {
    say(`not done within ${hours} hours`)
    process.exit(1)
  }, hours * 3_600_000).unref()
  say(`commit ${commit()}, Node ${process.version}, ${cpus().length} processors, ${JSON.stringify(sizes)}`)
  let sum = NOTHING
  let failed = 0
  for (const name of parts) {
    const report = await run(name, sizes, say)
    if (report === undefined) failed += 1
    else sum = add(sum, report)
  }
  say(`all: ${failed} parts failed; ${reportText(sum)}`)
  return failed + sum.lost + sum.doubled + sum.altered === 0 ? 0 : 1
}

const chosen = options()
if (chosen.detach) detach(chosen.log)
else process.exit(await main(chosen))
