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
import { createFailed, type Failed, type PutBack } from '../spool/failed.js'
import { isRealDirectory } from '../spool/listing.js'
import { idOfCopy, sentDays, sentOn } from '../spool/sent.js'
import type { Outgoing } from '../spool/simple-queue.js'
import { openOutgoing } from './outgoing-spool.js'
import { LOG_OPTION, becomeOwnerWithLog, sayUnlogged, type SenderLog } from './sender-log.js'
import { createMissing, parseFilter, select, withFilters, type FilterFlags } from './spool-filter.js'
import { viewSpool, type ElementView, type SpoolView } from './spool-view.js'
import { INPUT_LIMIT, type Ctl } from './ssmctl-process.js'

interface RetryFlags extends FilterFlags {
  readonly config?: string
  readonly dryRun?: true
  readonly type?: string
}

interface ResendFlags {
  readonly since: string
  readonly until?: string
  readonly config?: string
  readonly dryRun?: true
  readonly type?: string
}

const TYPE = ['--type <type>', 'dirq or directory (default: what is there, else dirq)'] as const

export function addAgainVerbs(spool: Command, ctl: Ctl): void {
  const at = (dir: string): string => resolve(ctl.program.cwd(), dir)
  withFilters(spool.command('retry'))
    .argument('<dir>', 'an outgoing spool')
    .argument('[id...]', 'as list prints them for <dir>/.ssm/failed (default: all that pass the filters)')
    .option('--dry-run', 'say what would be put back, and do nothing')
    .option(...LOG_OPTION)
    .option(...TYPE)
    .description('Put back what was set aside. A line each: the id there, the new id.')
    .action(ctl.action((dir: string, ids: string[], flags: RetryFlags) => retry(at(dir), ids, flags, ctl)))
  spool
    .command('resend')
    .argument('<dir>', 'an outgoing spool whose sender has [messaging] sent_keep')
    .requiredOption('--since <date>', 'the first day, YYYY-MM-DD (UTC)')
    .option('--until <date>', 'the last day (default: today)')
    .option('--dry-run', 'say what would be sent again, and do nothing')
    .option(...LOG_OPTION)
    .option(...TYPE)
    .description('Add once more what was sent. A line each: the day, the id then, and the new id.')
    .action(ctl.action((dir: string, flags: ResendFlags) => resend(at(dir), flags, ctl)))
}

async function retry(dir: string, ids: readonly string[], flags: RetryFlags, ctl: Ctl): Promise<number> {
  const filter = parseFilter(flags, systemClock.now())
  const disk = createDisk()
  assertDirectory(disk, dir)
  const folder = `${dir}/.ssm/failed`
  const missing = createMissing('retry', folder, ctl)
  if (!isRealDirectory(disk, folder)) {
    for (const id of ids) await missing.say(id)
    return missing.exit()
  }
  if (flags.dryRun === true) {
    await openOutgoing(disk, dir, flags.type)
    const view = await viewSpool(disk, folder)
    const exit = await sayRetry(view, select(view, ids, filter, missing.say), ctl)
    return Math.max(exit, missing.exit())
  }
  const into = becomeOwnerWithLog(dir, flags.config, ctl)
  try {
    const failed = createFailed({ path: dir, disk, clock: systemClock })
    const spool = await openOutgoing(disk, dir, flags.type)
    const wanted: string[] = []
    // All of them first: a sender at work may set one aside again at once.
    for await (const { id } of select(await viewSpool(disk, folder), ids, filter, missing.say)) wanted.push(id)
    const put = await putBack(failed, wanted, spool, into, ctl)
    await sayUnlogged('retry', put, into, ctl)
    return Math.max(missing.exit(), put < wanted.length ? 1 : 0)
  } finally {
    into.close()
  }
}

/** Returns the exit code that it would have. */
async function sayRetry(spool: SpoolView, views: AsyncIterable<ElementView>, ctl: Ctl): Promise<number> {
  let exit = 0
  for await (const { id, size, locked } of views) {
    const isEmpty = size === 0 && (await spool.body(id)) === undefined
    const why = locked !== undefined ? 'it is locked' : isEmpty ? 'it has no content' : undefined
    if (why !== undefined) exit = 1
    const words = why === undefined ? `would be put back\t${size} bytes` : `would stay\t${why}`
    await ctl.out.write(`${printable(id, 1024)}\t${words}\n`)
  }
  return exit
}

/** Returns how many. */
async function putBack(
  failed: Failed,
  wanted: readonly string[],
  spool: Outgoing,
  { log, flush }: SenderLog,
  ctl: Ctl,
): Promise<number> {
  let count = 0
  for (const id of wanted) {
    // In the file before the message is in the spool: whenever this ends, its new id can be followed.
    const naming = (put: PutBack): void => {
      log.info('Putting back message %s, set aside as %s, as %s.', put.was, id, put.id)
      flush()
    }
    const put = await failed.putBack(id, spool, naming).catch(async (error: unknown) => {
      if (!isSsmError(error, 'element-damaged')) throw error
      await ctl.err.write(`ssmctl spool retry: ${printable(error.message, 1024)}\n`)
      return undefined
    })
    if (put === undefined) continue
    if (put === null) {
      await ctl.err.write(`ssmctl spool retry: ${printable(id, 1024)} is locked by another process, or gone by now\n`)
      continue
    }
    count += 1
    log.info('Message %s, set aside as %s, was put back as %s.', put.was, id, put.id)
    await ctl.out.write(`${printable(id, 1024)}\t${put.id}\n`)
  }
  return count
}

async function resend(dir: string, flags: ResendFlags, ctl: Ctl): Promise<number> {
  const { since, until, dryRun, type } = flags
  const [first, last] = [dayOf(since, '--since'), until === undefined ? '9999-12-31' : dayOf(until, '--until')]
  if (last < first) throw new SsmError('usage', `--until ${last} is before --since ${first}`)
  const disk = createDisk()
  assertDirectory(disk, dir)
  const days = async (): Promise<readonly string[]> =>
    (await sentDays(disk, dir)).filter((day) => day >= first && day <= last)
  if (dryRun === true) {
    await openOutgoing(disk, dir, type)
    for (const day of await days()) {
      for (const { name, file } of await sentOn(disk, dir, day)) {
        const read = await readRegularFile(disk, file, INPUT_LIMIT)
        if (read !== null) await ctl.out.write(`${day}\t${printable(wasOf(name), 1024)}\t${read.bytes.length} bytes\n`)
      }
    }
    return 0
  }
  const into = becomeOwnerWithLog(dir, flags.config, ctl)
  try {
    const spool = await openOutgoing(disk, dir, type)
    let count = 0
    for (const day of await days()) count += await addAgain(day, await sentOn(disk, dir, day), spool, into, ctl)
    await sayUnlogged('resend', count, into, ctl)
    return 0
  } finally {
    into.close()
  }
}

/** What a copy was called in the spool. */
function wasOf(name: string): string {
  return idOfCopy(name) ?? name
}

/** So many are added at a time: they share their fsyncs. */
const TOGETHER = 32

/** The copies of one day. Returns how many. */
async function addAgain(
  day: string,
  copies: Awaited<ReturnType<typeof sentOn>>,
  spool: Outgoing,
  { log, flush }: SenderLog,
  ctl: Ctl,
): Promise<number> {
  let count = 0
  for (let from = 0; from < copies.length; from += TOGETHER) {
    const lines = copies.slice(from, from + TOGETHER).map(async ({ name, file }) => {
      const read = await readRegularFile(createDisk(), file, INPUT_LIMIT)
      // Its age ended it meanwhile.
      if (read === null) return ''
      const id = await spool.add(read.bytes, (fresh) => {
        log.info('Adding again message %s, sent on %s, as %s.', wasOf(name), day, fresh)
        flush()
      })
      count += 1
      log.info('Message %s, sent on %s, was added again as %s.', wasOf(name), day, id)
      return `${day}\t${printable(wasOf(name), 1024)}\t${id}\n`
    })
    // What was added is told, whatever became of its neighbours.
    const settled = await Promise.allSettled(lines)
    for (const line of settled) if (line.status === 'fulfilled') await ctl.out.write(line.value)
    await Promise.all(lines)
  }
  return count
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
