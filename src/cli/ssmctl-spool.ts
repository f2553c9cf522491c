/** `ssmctl spool`: add to spools, look into them without touching anything, and send again. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SsmError } from '../errors.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { createPaint, hasColour } from './colour.js'
import { elementJson, iso } from './element-text.js'
import { openOutgoing } from './outgoing-spool.js'
import { becomeOwner } from './owner.js'
import { addAgainVerbs } from './ssmctl-spool-again.js'
import { addChangeVerbs } from './ssmctl-spool-change.js'
import { addExportVerb } from './ssmctl-spool-export.js'
import { addRequeueVerb } from './ssmctl-spool-requeue.js'
import {
  createMissing,
  parseFilter,
  select,
  signerOf,
  viewReason,
  withFilters,
  type FilterFlags,
} from './spool-filter.js'
import { FIELDS, viewSpool, type ElementView, type SpoolView } from './spool-view.js'
import { type Ctl, INPUT_LIMIT, readAll, readNamed } from './ssmctl-process.js'
import { NO_REASON } from './status/refused.js'
import { span } from './status/words.js'

interface AddFlags {
  readonly type?: string
}

interface ListFlags extends FilterFlags {
  readonly json?: true
}

interface ShowFlags extends ListFlags {
  readonly body?: true
}

interface CountFlags extends ListFlags {
  readonly by?: string
}

export function addSpoolVerbs(command: Command, ctl: Ctl): void {
  const spool = command
    .command('spool')
    .description('Add to spools, look into them; send again, judge again, copy out, remove and unlock what lies there.')
  const at = (dir: string): string => resolve(ctl.program.cwd(), dir)
  spool
    .command('add')
    .argument('<dir>', 'an outgoing spool')
    .argument('[file...]', 'files, each a message; - or none: standard input')
    .option('--type <type>', 'dirq or directory (default: what is there, else dirq)')
    .description('Add messages; their ids go to standard output.')
    .action(ctl.action((dir: string, files: string[], flags: AddFlags) => add(at(dir), files, flags, ctl)))
  withFilters(spool.command('list'))
    .argument('<dir>', 'a spool of any kind, or the parent of incoming and reject')
    .argument('[id...]', 'these alone')
    .option('--json', 'an object a line')
    .description(
      'A line an element, oldest first: id, bytes, age, lock, and what the receiver wrote: empaid, signer, error.',
    )
    .action(ctl.action((dir: string, ids: string[], flags: ListFlags) => list(at(dir), ids, flags, ctl)))
  withFilters(spool.command('show'))
    .argument('<dir>')
    .argument('[id...]', 'as list prints them (default: all that pass the filters)')
    .option('--body', 'of one element: the body alone, byte for byte')
    .option('--json', 'an object a line, without the body')
    .description('What is known about an element, an empty line, and its body made safe to print.')
    .action(ctl.action((dir: string, ids: string[], flags: ShowFlags) => show(at(dir), ids, flags, ctl)))
  withFilters(spool.command('count'))
    .argument('<dir>')
    .option('--by <what>', 'reason or signer: a line each, the most first')
    .option('--json', 'an object')
    .description('How many elements there are.')
    .action(ctl.action((dir: string, flags: CountFlags) => count(at(dir), flags, ctl)))
  addAgainVerbs(spool, ctl)
  addRequeueVerb(spool, ctl)
  addChangeVerbs(spool, ctl)
  addExportVerb(spool, ctl)
}

async function add(dir: string, files: readonly string[], { type }: AddFlags, ctl: Ctl): Promise<number> {
  // Read before becoming the spool's owner: the files are those of whoever called.
  const bodies = await readBodies(files, ctl)
  becomeOwner(dir, ctl.program)
  const spool = await openOutgoing(createDisk(), dir, type)
  for (const body of bodies) await ctl.out.write(`${await spool.add(body)}\n`)
  return 0
}

async function readBodies(files: readonly string[], ctl: Ctl): Promise<readonly Buffer[]> {
  const bodies: Buffer[] = []
  let left = INPUT_LIMIT
  for (const file of files.length === 0 ? ['-'] : files) {
    const path = resolve(ctl.program.cwd(), file)
    const body = file === '-' ? await readAll(ctl.program.stdin, left) : readNamed(path, 'file', left)
    if (body.length === 0)
      throw new SsmError('cannot-seal', `${printable(file)} is empty: an empty message is never sent`)
    left -= body.length
    bodies.push(body)
  }
  return bodies
}

async function list(dir: string, ids: readonly string[], flags: ListFlags, ctl: Ctl): Promise<number> {
  const now = systemClock.now()
  const filter = parseFilter(flags, now)
  const spool = await viewSpool(createDisk(), dir)
  const missing = createMissing('list', dir, ctl)
  const row = createRow(spool, ctl)
  if (flags.json !== true && ctl.program.stdout.isTTY) await ctl.out.write(row(HEADING, 'bold'))
  for await (const view of select(spool, ids, filter, missing.say)) {
    await ctl.out.write(flags.json === true ? `${asJson(view)}\n` : row(cellsOf(view, now)))
  }
  return missing.exit()
}

const HEADING = ['ID', 'BYTES', 'AGE', 'LOCK', 'EMPAID', 'SIGNER', 'ERROR'] as const
/** Of all columns but the last two, which are as long as they are. */
const WIDTHS = [23, 8, 6, 14, 23] as const
/** What a receiver's parts put before an id. */
const PREFIX = 'incoming/'.length

/** Tabs between the columns for scripts; at a terminal, columns. */
function createRow({ kind }: SpoolView, ctl: Ctl): (cells: readonly string[], style?: 'bold') => string {
  if (!ctl.program.stdout.isTTY) return (cells) => `${cells.join('\t')}\n`
  const paint = createPaint(hasColour(ctl.program))
  const widths = WIDTHS.map((width, at) => (at === 0 && kind === 'receiver' ? width + PREFIX : width))
  return (cells, style) => {
    const line = cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')
    return `${style === undefined ? line.trimEnd() : paint(style, line.trimEnd())}\n`
  }
}

function cellsOf(view: ElementView, now: number): readonly string[] {
  const field = (name: string, limit?: number): string => printable(view.fields.get(name) ?? '-', limit)
  const lock = view.locked === undefined ? '-' : `locked ${span(now - view.locked)}`
  const empaid = field(view.fields.has('empaid') ? 'empaid' : 'id')
  // The error with its last word, which is the reason.
  const said = [empaid, field('signer'), field('error', SENTENCE)]
  return [printable(view.id, 1024), String(view.size), span(now - view.added), lock, ...said]
}

function asJson(view: ElementView): string {
  return JSON.stringify(elementJson(view))
}

const SENTENCE = PRINTABLE_LIMITS.sentence

/** Lines of a body that are shown; more is for `--body`. */
const SHOWN_LINES = 1000
const SHOWN_WIDTH = 4096

async function show(dir: string, ids: readonly string[], flags: ShowFlags, ctl: Ctl): Promise<number> {
  const filter = parseFilter(flags, systemClock.now())
  if (ids.length === 0 && filter.isEmpty) throw new SsmError('usage', 'name an id, as list prints it, or a filter')
  if (flags.body === true && ids.length !== 1) throw new SsmError('usage', '--body needs the id of one element')
  const spool = await viewSpool(createDisk(), dir)
  const missing = createMissing('show', dir, ctl)
  let shown = 0
  for await (const view of select(spool, ids, filter, missing.say)) {
    if (flags.body !== true && flags.json !== true && shown > 0) await ctl.out.write('\n')
    shown += 1
    await showOne(spool, view, flags, ctl)
  }
  return missing.exit()
}

async function showOne(spool: SpoolView, view: ElementView, flags: ShowFlags, ctl: Ctl): Promise<void> {
  if (flags.json === true) {
    await ctl.out.write(`${asJson(view)}\n`)
    return
  }
  const body = await spool.body(view.id)
  if (flags.body === true) {
    if (body !== undefined) await ctl.out.write(body)
    return
  }
  await ctl.out.write(`${[aboutElement(view), ...(await whatToTry(view))].join('\n')}\n\n`)
  for (const line of shownLines(body ?? Buffer.alloc(0))) await ctl.out.write(`${line}\n`)
}

/** What the reason means, and its remedy. */
async function whatToTry(view: ElementView): Promise<readonly string[]> {
  const reason = viewReason(view)
  if (reason === undefined) return []
  const { explainWord } = await import('./explain/explain.js')
  const [known] = explainWord(reason)
  return known === undefined ? [] : [`reason:   ${reason}: ${known.meaning}`, `try:      ${known.remedy}`]
}

function aboutElement(view: ElementView): string {
  const now = systemClock.now()
  const since = (at: number): string => `${iso(at)} (${span(now - at)} ago)`
  return [
    `id:       ${printable(view.id, 1024)}`,
    `bytes:    ${view.size}`,
    `added:    ${since(view.added)}`,
    `changed:  ${since(view.changed)}`,
    `lock:     ${view.locked === undefined ? 'none' : `since ${since(view.locked)}`}`,
    ...FIELDS.flatMap((name) => {
      const value = view.fields.get(name)
      const label = name === 'id' ? 'was:' : `${name}:`
      return value === undefined ? [] : [`${label.padEnd(10)}${printable(value, SENTENCE)}`]
    }),
  ].join('\n')
}

function* shownLines(body: Buffer): Iterable<string> {
  let from = 0
  for (let count = 0; from < body.length; count++) {
    if (count === SHOWN_LINES) {
      yield `… ${body.length - from} more bytes: see them with --body`
      return
    }
    const end = body.indexOf(0x0a, from)
    const stop = end === -1 ? body.length : end
    yield printable(body.subarray(from, stop), SHOWN_WIDTH)
    from = stop + 1
  }
}

async function count(dir: string, flags: CountFlags, ctl: Ctl): Promise<number> {
  const { by, json } = flags
  const filter = parseFilter(flags, systemClock.now())
  const group = by === undefined ? undefined : groupOf(by)
  const spool = await viewSpool(createDisk(), dir)
  let total = 0
  const groups = new Map<string, number>()
  if (filter.isEmpty && group === undefined) total = await spool.count()
  else {
    for await (const view of select(spool, [], filter, () => Promise.resolve())) {
      total += 1
      const name = group?.(view) ?? NO_REASON
      // Outside text: whoever fills a spool with names must not fill our memory.
      const key = groups.has(name) || groups.size < MAX_GROUPS ? name : OTHERS
      groups.set(key, (groups.get(key) ?? 0) + 1)
    }
  }
  const sorted = [...groups].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  if (json === true) {
    const known = by === undefined ? {} : { [by]: Object.fromEntries(sorted) }
    await ctl.out.write(`${JSON.stringify({ count: total, ...known })}\n`)
  } else if (by === undefined) await ctl.out.write(`${total}\n`)
  else for (const [name, number] of sorted) await ctl.out.write(`${number}\t${name}\n`)
  return 0
}

const MAX_GROUPS = 10_000
const OTHERS = '(others)'

function groupOf(by: string): (view: ElementView) => string | undefined {
  if (by === 'reason') return viewReason
  if (by !== 'signer') throw new SsmError('usage', `--by ${printable(by)}: reason or signer`)
  return (view) => {
    const signer = signerOf(view)
    if (signer === undefined) return undefined
    return `${printable(signer.name, SENTENCE)}${signer.verified ? '' : ' (not verified)'}`
  }
}
