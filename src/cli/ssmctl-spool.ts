/** `ssmctl spool`: add to spools, look into them without touching anything, and send again. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SsmError } from '../errors.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { openOutgoing } from './outgoing-spool.js'
import { becomeOwner } from './owner.js'
import { addAgainVerbs } from './ssmctl-spool-again.js'
import { FIELDS, viewSpool, type ElementView } from './spool-view.js'
import { type Ctl, INPUT_LIMIT, readAll, readNamed } from './ssmctl-process.js'

interface AddFlags {
  readonly type?: string
}

interface ListFlags {
  readonly json?: true
}

interface ShowFlags {
  readonly body?: true
}

export function addSpoolVerbs(command: Command, ctl: Ctl): void {
  const spool = command
    .command('spool')
    .description('Add to spools, look into them, send again what was set aside or sent.')
  const at = (dir: string): string => resolve(ctl.program.cwd(), dir)
  spool
    .command('add')
    .argument('<dir>', 'an outgoing spool')
    .argument('[file...]', 'files, each a message; - or none: standard input')
    .option('--type <type>', 'dirq or directory (default: what is there, else dirq)')
    .description('Add messages; their ids go to standard output.')
    .action(ctl.action((dir: string, files: string[], flags: AddFlags) => add(at(dir), files, flags, ctl)))
  spool
    .command('list')
    .argument('<dir>', 'a spool of any kind, or the parent of incoming and reject')
    .option('--json', 'an object a line')
    .description(
      'A line an element, oldest first: id, bytes, age, lock, and what the receiver wrote: empaid, signer, error.',
    )
    .action(ctl.action((dir: string, flags: ListFlags) => list(at(dir), flags, ctl)))
  spool
    .command('show')
    .argument('<dir>')
    .argument('<id>', 'as list prints it')
    .option('--body', 'the body alone, byte for byte')
    .description('One element: what is known about it, an empty line, and its body made safe to print.')
    .action(ctl.action((dir: string, id: string, flags: ShowFlags) => show(at(dir), id, flags, ctl)))
  spool
    .command('count')
    .argument('<dir>')
    .description('How many elements there are.')
    .action(ctl.action((dir: string) => count(at(dir), ctl)))
  addAgainVerbs(spool, ctl)
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

async function list(dir: string, { json }: ListFlags, ctl: Ctl): Promise<number> {
  const spool = await viewSpool(createDisk(), dir)
  const now = systemClock.now()
  if (json !== true && ctl.program.stdout.isTTY) await ctl.out.write('ID\tBYTES\tAGE\tLOCK\tEMPAID\tSIGNER\tERROR\n')
  for await (const view of spool.elements()) {
    await ctl.out.write(`${json === true ? asJson(view) : asLine(view, now)}\n`)
  }
  return 0
}

function asLine(view: ElementView, now: number): string {
  const field = (name: string): string => printable(view.fields.get(name) ?? '-')
  const lock = view.locked === undefined ? '-' : `locked ${age(now - view.locked)}`
  const empaid = field(view.fields.has('empaid') ? 'empaid' : 'id')
  return [
    printable(view.id, 1024),
    view.size,
    age(now - view.changed),
    lock,
    empaid,
    field('signer'),
    field('error'),
  ].join('\t')
}

function asJson({ id, size, changed, locked, fields }: ElementView): string {
  const known = FIELDS.flatMap((name) => {
    const value = fields.get(name)
    return value === undefined ? [] : [[name, printable(value, PRINTABLE_LIMITS.sentence)] as const]
  })
  const about = { id, size, changed: iso(changed), ...(locked === undefined ? {} : { locked: iso(locked) }) }
  // The id of an element that was set aside names what it was before.
  return JSON.stringify({
    ...Object.fromEntries(known.map(([name, text]) => [name === 'id' ? 'was' : name, text])),
    ...about,
  })
}

const iso = (at: number): string => new Date(at).toISOString()

const AGES = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
] as const

function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  for (const [length, unit] of AGES) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`
  return `${seconds} s`
}

/** Lines of a body that are shown; more is for `--body`. */
const SHOWN_LINES = 1000
const SHOWN_WIDTH = 4096

async function show(dir: string, id: string, flags: ShowFlags, ctl: Ctl): Promise<number> {
  const spool = await viewSpool(createDisk(), dir)
  const view = await spool.element(id)
  if (view === undefined) {
    await ctl.err.write(`ssmctl spool show: there is no ${printable(id)} in ${printable(dir)}\n`)
    return 1
  }
  const body = await spool.body(id)
  if (flags.body === true) {
    if (body !== undefined) await ctl.out.write(body)
    return 0
  }
  await ctl.out.write(`${aboutElement(view)}\n\n`)
  for (const line of shownLines(body ?? Buffer.alloc(0))) await ctl.out.write(`${line}\n`)
  return 0
}

function aboutElement(view: ElementView): string {
  const now = systemClock.now()
  const since = (at: number): string => `${iso(at)} (${age(now - at)} ago)`
  return [
    `id:       ${printable(view.id, 1024)}`,
    `bytes:    ${view.size}`,
    `changed:  ${since(view.changed)}`,
    `lock:     ${view.locked === undefined ? 'none' : `since ${since(view.locked)}`}`,
    ...FIELDS.flatMap((name) => {
      const value = view.fields.get(name)
      const label = name === 'id' ? 'was:' : `${name}:`
      return value === undefined ? [] : [`${label.padEnd(10)}${printable(value, PRINTABLE_LIMITS.sentence)}`]
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

async function count(dir: string, ctl: Ctl): Promise<number> {
  await ctl.out.write(`${await (await viewSpool(createDisk(), dir)).count()}\n`)
  return 0
}
