/**
 * `ssmctl spool export`: messages as files in a directory outside, with a manifest; nothing in the spool changes. For a look
 * elsewhere, for a report, before a purge.
 *
 * Reads as whoever called, without following links, and writes only into a directory that was empty.
 */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import type { Command } from 'commander'
import { SsmError, isSsmError, messageOf } from '../errors.js'
import { printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk, type Disk } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import { createDirectorySync, writeDurably } from '../os/durable.js'
import { visitDirectory } from '../spool/listing.js'
import { elementJson } from './element-text.js'
import { parseFilter, select, withFilters, type Filter, type FilterFlags } from './spool-filter.js'
import { viewSpool, type ElementView, type SpoolView } from './spool-view.js'
import type { Ctl } from './ssmctl-process.js'

interface ExportFlags extends FilterFlags {
  readonly to: string
}

const MANIFEST = 'manifest.jsonl'

export function addExportVerb(spool: Command, ctl: Ctl): void {
  withFilters(spool.command('export'))
    .argument('<dir...>', 'spools of any kind')
    .requiredOption('--to <folder>', 'where to: a new or empty directory outside of the spools')
    .description(
      `Copy messages into files, and what is known of each into ${MANIFEST}, an object a line. Nothing is removed. Prints the number.`,
    )
    .action(ctl.action((dirs: string[], flags: ExportFlags) => exportAll(dirs, flags, ctl)))
}

async function exportAll(dirs: readonly string[], flags: ExportFlags, ctl: Ctl): Promise<number> {
  const cwd = ctl.program.cwd()
  const disk = createDisk()
  const filter = parseFilter(flags, systemClock.now())
  const spools = await Promise.all(dirs.map(async (dir) => [resolve(cwd, dir), await viewSpool(disk, resolve(cwd, dir))] as const)) // prettier-ignore
  const target = resolve(cwd, flags.to)
  await makeTarget(disk, target, spools.map(([dir]) => dir)) // prettier-ignore
  const sync = createDirectorySync(disk)
  const manifest = disk.createFile(`${target}/${MANIFEST}`, 0o600)
  let exit = 0
  let count = 0
  try {
    for (const [dir, spool] of spools) {
      for await (const line of exportSpool({ disk, target, dir, spool, filter })) {
        if (typeof line === 'string') {
          await writeLine(disk, manifest, target, line)
          count += 1
        } else {
          exit = 1
          await ctl.err.write(`ssmctl spool export: ${printable(line.problem, 1024)}\n`)
        }
      }
    }
    await disk.fsync(manifest)
  } finally {
    disk.close(manifest)
  }
  await sync.sync(target)
  await ctl.out.write(`${count}\n`)
  return exit
}

async function writeLine(disk: Disk, manifest: number, target: string, line: string): Promise<void> {
  const bytes = Buffer.from(`${line}\n`)
  try {
    for (let from = 0; from < bytes.length;) from += await disk.write(manifest, bytes, from)
  } catch (error) {
    throw diskError(error, 'write', `${target}/${MANIFEST}`)
  }
}

/** Throws SsmError `usage` when it is not empty or lies in a spool, `disk`. */
async function makeTarget(disk: Disk, target: string, spools: readonly string[]): Promise<void> {
  try {
    disk.mkdir(target, 0o700)
  } catch (error) {
    if (!isSystem(error, 'EEXIST')) throw diskError(error, 'create the directory', target)
  }
  const real = realpathSync(target)
  const around = spools.find((dir) => `${real}${sep}`.startsWith(`${realpathSync(dir)}${sep}`))
  if (around !== undefined) throw new SsmError('usage', `--to ${printable(target)} lies in ${printable(around)}`)
  let entries = 0
  await visitDirectory(disk, target, () => {
    entries += 1
  })
  if (entries > 0) throw new SsmError('usage', `--to ${printable(target)} is not empty`)
}

interface Source {
  readonly disk: Disk
  readonly target: string
  readonly dir: string
  readonly spool: SpoolView
  readonly filter: Filter
}

/** A line of the manifest for each, or what went wrong with one. */
async function* exportSpool(source: Source): AsyncGenerator<string | { readonly problem: string }> {
  const { spool, filter } = source
  for await (const view of select(spool, [], filter, () => Promise.resolve())) {
    try {
      const line = await exportOne(source, view)
      if (line !== undefined) yield line
    } catch (error) {
      if (!isSsmError(error, 'element-damaged')) throw error
      yield { problem: messageOf(error) }
    }
  }
}

/** undefined: it is gone meanwhile. Throws SsmError `disk`, `element-damaged`. */
async function exportOne({ disk, target, dir, spool }: Source, view: ElementView): Promise<string | undefined> {
  const body = await spool.body(view.id)
  if (body === undefined) return undefined
  const file = await writeNew(disk, target, fileName(view.id), body)
  const sha256 = createHash('sha256').update(body).digest('hex')
  return JSON.stringify({ file, spool: printable(dir, 4096), ...elementJson(view), sha256 })
}

/** An id as a file name: of a queue's its two parts, of a file's the name, percent-encoded as the id is. */
function fileName(id: string): string {
  const name = id.replaceAll('/', '-').slice(0, 200)
  // `.profile`, `..`, and our own.
  return name.startsWith('.') || name === MANIFEST ? `_${name}` : name
}

/** Elements of several spools may have one name. */
async function writeNew(disk: Disk, target: string, name: string, body: Buffer): Promise<string> {
  for (let round = 1; ; round += 1) {
    const file = round === 1 ? name : `${name}.${round}`
    try {
      await writeDurably(disk, disk.createFile(`${target}/${file}`, 0o600), body)
      return file
    } catch (error) {
      if (!isSystem(error, 'EEXIST')) throw diskError(error, 'write', `${target}/${file}`)
    }
  }
}
