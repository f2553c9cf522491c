/**
 * `ssmctl spool retry` and `resend`: what was set aside, or was sent and got lost at the far end, goes into the outgoing
 * spool once more. Always under a new id: the old one would be taken for a redelivery.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SsmError, isSsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk, type Disk } from '../os/disk.js'
import { readRegularFile } from '../os/safe-open.js'
import { createFailed } from '../spool/failed.js'
import { isRealDirectory } from '../spool/listing.js'
import { idOfCopy, sentDays, sentOn } from '../spool/sent.js'
import { openOutgoing } from './outgoing-spool.js'
import { becomeOwner } from './owner.js'
import { createMissing, parseFilter, select, withFilters, type FilterFlags } from './spool-filter.js'
import { viewSpool } from './spool-view.js'
import { INPUT_LIMIT, type Ctl } from './ssmctl-process.js'

interface RetryFlags extends FilterFlags {
  readonly type?: string
}

interface ResendFlags {
  readonly since: string
  readonly until?: string
  readonly dryRun?: true
  readonly type?: string
}

const TYPE = ['--type <type>', 'dirq or directory (default: what is there, else dirq)'] as const

export function addAgainVerbs(spool: Command, ctl: Ctl): void {
  const at = (dir: string): string => resolve(ctl.program.cwd(), dir)
  withFilters(spool.command('retry'))
    .argument('<dir>', 'an outgoing spool')
    .argument('[id...]', 'as list prints them for <dir>/.ssm/failed (default: all that pass the filters)')
    .option(...TYPE)
    .description('Put back what was set aside. A line each: the id there, the new id.')
    .action(ctl.action((dir: string, ids: string[], flags: RetryFlags) => retry(at(dir), ids, flags, ctl)))
  spool
    .command('resend')
    .argument('<dir>', 'an outgoing spool whose sender has [messaging] sent_keep')
    .requiredOption('--since <date>', 'the first day, YYYY-MM-DD (UTC)')
    .option('--until <date>', 'the last day (default: today)')
    .option('--dry-run', 'say what would be sent again, and do nothing')
    .option(...TYPE)
    .description('Add once more what was sent. A line each: the day, the id then, and the new id.')
    .action(ctl.action((dir: string, flags: ResendFlags) => resend(at(dir), flags, ctl)))
}

async function retry(dir: string, ids: readonly string[], flags: RetryFlags, ctl: Ctl): Promise<number> {
  const filter = parseFilter(flags, systemClock.now())
  const disk = createDisk()
  assertDirectory(disk, dir)
  const missing = createMissing('retry', `${dir}/.ssm/failed`, ctl)
  if (!isRealDirectory(disk, `${dir}/.ssm/failed`)) {
    for (const id of ids) await missing.say(id)
    return missing.exit()
  }
  becomeOwner(dir, ctl.program)
  const failed = createFailed({ path: dir, disk, clock: systemClock })
  const spool = await openOutgoing(disk, dir, flags.type)
  const wanted: string[] = []
  // All of them first: a sender at work may set one aside again at once.
  const view = await viewSpool(disk, failed.queue.path)
  for await (const { id } of select(view, ids, filter, missing.say)) wanted.push(id)
  let exit = missing.exit()
  for (const id of wanted) {
    const put = await failed.putBack(id, spool).catch(async (error: unknown) => {
      if (!isSsmError(error, 'element-damaged')) throw error
      exit = 1
      await ctl.err.write(`ssmctl spool retry: ${printable(error.message, 1024)}\n`)
      return undefined
    })
    if (put === null) {
      exit = 1
      await ctl.err.write(`ssmctl spool retry: ${printable(id, 1024)} is locked by another process, or gone by now\n`)
    } else if (put !== undefined) await ctl.out.write(`${printable(id, 1024)}\t${put}\n`)
  }
  return exit
}

/** So many are added at a time: they share their fsyncs. */
const TOGETHER = 32

async function resend(dir: string, { since, until, dryRun, type }: ResendFlags, ctl: Ctl): Promise<number> {
  const [first, last] = [dayOf(since, '--since'), until === undefined ? '9999-12-31' : dayOf(until, '--until')]
  if (last < first) throw new SsmError('usage', `--until ${last} is before --since ${first}`)
  const disk = createDisk()
  assertDirectory(disk, dir)
  becomeOwner(dir, ctl.program)
  const spool = await openOutgoing(disk, dir, type)
  for (const day of await sentDays(disk, dir)) {
    if (day < first || day > last) continue
    const copies = await sentOn(disk, dir, day)
    for (let from = 0; from < copies.length; from += TOGETHER) {
      const lines = copies.slice(from, from + TOGETHER).map(async ({ name, file }) => {
        const was = `${day}\t${printable(idOfCopy(name) ?? name, 1024)}`
        const read = await readRegularFile(disk, file, INPUT_LIMIT)
        // Its age ended it meanwhile.
        if (read === null) return ''
        if (dryRun === true) return `${was}\t${read.bytes.length} bytes\n`
        return `${was}\t${await spool.add(read.bytes)}\n`
      })
      // What was added is told, whatever became of its neighbours.
      const settled = await Promise.allSettled(lines)
      for (const line of settled) if (line.status === 'fulfilled') await ctl.out.write(line.value)
      await Promise.all(lines)
    }
  }
  return 0
}

function assertDirectory(disk: Disk, dir: string): void {
  if (!isRealDirectory(disk, dir)) throw new SsmError('usage', `${printable(dir)} is not a directory`)
}

/** A day as the folders are called. Throws SsmError `usage`. */
function dayOf(text: string, flag: string): string {
  const at = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN
  if (!Number.isFinite(at) || new Date(at).toISOString().slice(0, 10) !== text) {
    throw new SsmError('usage', `${flag} ${printable(text)}: write a day as YYYY-MM-DD`)
  }
  return text
}
