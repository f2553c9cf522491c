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
import { INPUT_LIMIT, type Ctl } from './ssmctl-process.js'

interface ResendFlags {
  readonly since: string
  readonly until?: string
  readonly dryRun?: true
  readonly type?: string
}

const TYPE = ['--type <type>', 'dirq or directory (default: what is there, else dirq)'] as const

export function addAgainVerbs(spool: Command, ctl: Ctl): void {
  const at = (dir: string): string => resolve(ctl.program.cwd(), dir)
  spool
    .command('retry')
    .argument('<dir>', 'an outgoing spool')
    .argument('[id...]', 'as list prints them for <dir>/.ssm/failed (default: all)')
    .option(...TYPE)
    .description('Put back what was set aside. A line each: the id there, the new id.')
    .action(ctl.action((dir: string, ids: string[], flags: { type?: string }) => retry(at(dir), ids, flags, ctl)))
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

async function retry(dir: string, ids: readonly string[], { type }: { type?: string }, ctl: Ctl): Promise<number> {
  const disk = createDisk()
  assertDirectory(disk, dir)
  if (!isRealDirectory(disk, `${dir}/.ssm/failed`)) return ids.length === 0 ? 0 : await noneOf(ids, ctl)
  becomeOwner(dir, ctl.program)
  const failed = createFailed({ path: dir, disk, clock: systemClock })
  const spool = await openOutgoing(disk, dir, type)
  const wanted = [...ids]
  // All of them first: a sender at work may set one aside again at once.
  if (ids.length === 0) for await (const id of failed.queue.ids()) wanted.push(id)
  let exit = 0
  for (const id of wanted) {
    const put = await failed.putBack(id, spool).catch(async (error: unknown) => {
      if (!isSsmError(error, 'element-damaged')) throw error
      exit = 1
      await ctl.err.write(`ssmctl spool retry: ${printable(error.message, 1024)}\n`)
      return undefined
    })
    if (put === null) exit = await noneOf([id], ctl)
    else if (put !== undefined) await ctl.out.write(`${printable(id, 1024)}\t${put}\n`)
  }
  return exit
}

async function noneOf(ids: readonly string[], ctl: Ctl): Promise<number> {
  for (const id of ids) {
    await ctl.err.write(`ssmctl spool retry: there is no ${printable(id, 1024)}, or another process has it\n`)
  }
  return 1
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
