/**
 * `ssmctl spool purge` and `unlock`: what cannot be taken back. Without `--yes` they say what they would do, and do nothing.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk, type Disk } from '../os/disk.js'
import { becomeOwner } from './owner.js'
import { openClaims, openLocks } from './spool-claims.js'
import { createMissing, parseFilter, select, withFilters, type FilterFlags } from './spool-filter.js'
import { viewSpool } from './spool-view.js'
import type { Ctl } from './ssmctl-process.js'

interface ChangeFlags extends FilterFlags {
  readonly all?: true
  readonly yes?: true
}

export function addChangeVerbs(spool: Command, ctl: Ctl): void {
  const at = (dir: string): string => resolve(ctl.program.cwd(), dir)
  withFilters(spool.command('purge'))
    .argument('<dir>', 'a spool of any kind, or the parent of incoming and reject')
    .argument('[id...]', 'as list prints them; or filters, or --all')
    .option('--all', 'everything that is in it')
    .option('--yes', 'do it; without it, say what would be removed')
    .description('Remove messages for good. A line each: its id, and what became of it.')
    .action(ctl.action((dir: string, ids: string[], flags: ChangeFlags) => purge(at(dir), ids, flags, ctl)))
  withFilters(spool.command('unlock'))
    .argument('<dir>', 'a spool of any kind, or the parent of incoming and reject')
    .argument('[id...]', 'as list prints them; or filters, or --all')
    .option('--all', 'all that are locked')
    .option('--yes', 'do it; without it, say what would be unlocked')
    .description('Break locks that were left. Those of a run that may live, and those of the last minute, stay.')
    .action(ctl.action((dir: string, ids: string[], flags: ChangeFlags) => unlock(at(dir), ids, flags, ctl)))
}

/** The ids meant, before anything changes. Throws SsmError `usage` when nothing says which. */
async function choose(
  verb: string,
  disk: Disk,
  dir: string,
  ids: readonly string[],
  flags: ChangeFlags,
  ctl: Ctl,
): Promise<{ readonly chosen: readonly string[]; readonly exit: number }> {
  const filter = parseFilter(flags, systemClock.now())
  if (ids.length === 0 && filter.isEmpty && flags.all !== true) {
    throw new SsmError('usage', `name ids, as list prints them, or filters, or --all`)
  }
  const spool = await viewSpool(disk, dir)
  const missing = createMissing(verb, dir, ctl)
  const chosen: string[] = []
  for await (const { id, locked } of select(spool, ids, filter, missing.say)) {
    if (verb !== 'unlock' || locked !== undefined || ids.length > 0) chosen.push(id)
  }
  return { chosen, exit: missing.exit() }
}

/** Nothing is done without it. */
async function sayUndone(verb: string, what: string, count: number, ctl: Ctl): Promise<number> {
  if (count > 0) await ctl.err.write(`ssmctl spool ${verb}: nothing was done; --yes ${what}: ${count}\n`)
  return count > 0 ? 1 : 0
}

/** So many are removed at a time: they share their fsyncs. */
const TOGETHER = 16

async function purge(dir: string, ids: readonly string[], flags: ChangeFlags, ctl: Ctl): Promise<number> {
  const disk = createDisk()
  const { chosen, exit } = await choose('purge', disk, dir, ids, flags, ctl)
  if (flags.yes !== true) {
    for (const id of chosen) await ctl.out.write(`${printable(id, 1024)}\twould be removed\n`)
    return Math.max(exit, await sayUndone('purge', 'removes messages', chosen.length, ctl))
  }
  becomeOwner(dir, ctl.program)
  const claims = await openClaims(disk, dir)
  let worst = exit
  try {
    for (let from = 0; from < chosen.length; from += TOGETHER) {
      const some = chosen.slice(from, from + TOGETHER)
      const settled = await Promise.allSettled(some.map((id) => removeOne(claims, id)))
      for (const [index, each] of settled.entries()) {
        if (each.status === 'rejected') continue
        if (!each.value) worst = 1
        const words = each.value ? 'removed' : 'skipped: another process has it, or it is gone'
        await ctl.out.write(`${printable(some[index] ?? '', 1024)}\t${words}\n`)
      }
      for (const each of settled) if (each.status === 'rejected') throw each.reason
    }
  } finally {
    claims.close()
  }
  return worst
}

async function removeOne(claims: Awaited<ReturnType<typeof openClaims>>, id: string): Promise<boolean> {
  await using claim = await claims.claim(id)
  if (claim === null) return false
  await claim.remove()
  return true
}

async function unlock(dir: string, ids: readonly string[], flags: ChangeFlags, ctl: Ctl): Promise<number> {
  const disk = createDisk()
  const { chosen, exit } = await choose('unlock', disk, dir, ids, flags, ctl)
  if (flags.yes === true) becomeOwner(dir, ctl.program)
  const locks = await openLocks(disk, dir)
  let worst = exit
  let breakable = 0
  for (const id of chosen) {
    const found = flags.yes === true ? locks.break(id) : locks.look(id)
    if (found.state === 'held') worst = 1
    if (found.state === 'breakable') breakable += 1
    const done = flags.yes === true ? 'unlocked' : 'would be unlocked'
    const words = { held: `stays locked by ${'by' in found ? found.by : ''}`, free: 'is not locked', breakable: done }
    await ctl.out.write(`${printable(id, 1024)}\t${printable(words[found.state], 1024)}\n`)
  }
  if (flags.yes === true) return worst
  return Math.max(worst, await sayUndone('unlock', 'breaks locks', breakable, ctl))
}
