/** `ssmctl trace`: the life of one message, from everything on this machine that tells of it. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { PlaceConfig } from '../config/config.js'
import { findLogging, loadPlace } from '../config/load.js'
import { findRole } from '../config/role.js'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { createPaint, hasColour, type Paint } from './colour.js'
import type { Ctl } from './ssmctl-process.js'
import type { TraceEvent } from './trace/event.js'
import type { Looking } from './trace/places.js'
import { USUAL_CONFIG } from './usual-places.js'

interface Flags {
  readonly config?: readonly string[]
  readonly log?: readonly string[]
  readonly json?: true
}

/** Where they are looked for without `-c`. */
const USUAL = [USUAL_CONFIG.ssmsend, USUAL_CONFIG.ssmreceive]
/** Of one message; more is another thing than a message. */
const MOST_EVENTS = 10_000

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export function addTraceVerb(command: Command, ctl: Ctl): void {
  command
    .command('trace')
    .argument('<id>', 'the id of a message, or the name of its element: as logs, spools and empaid have it')
    .option(
      '-c, --config <file>',
      `configuration of a sender or a receiver; several times (default: ${USUAL.join(', ')}, those that are there)`,
      collect,
    )
    .option('--log <file>', 'one more log, with its rotated files; several times', collect)
    .option('--json', 'an object a line')
    .description(
      'The life of one message: what logs, spools, journal and the copies of sent messages tell of it, in the order of time. Exit code 1: nothing was found.',
    )
    .action(ctl.action((id: string, flags: Flags) => trace(id, flags, ctl)))
}

interface Source {
  readonly places: readonly PlaceConfig[]
  readonly logs: readonly string[]
}

async function trace(id: string, flags: Flags, ctl: Ctl): Promise<number> {
  const cwd = ctl.program.cwd()
  const source = sourcesOf(flags, cwd)
  const problems = new Set<string>()
  const events = await findEvents(id.replace(/^(?:incoming|reject|held)\//u, ''), source, (problem) =>
    problems.add(problem),
  )
  const paint = createPaint(hasColour(ctl.program))
  for (const event of events) await ctl.out.write(`${flags.json === true ? asJson(event) : asLine(event, paint)}\n`)
  for (const problem of problems) await ctl.err.write(`ssmctl trace: not looked at: ${printable(problem, 2048)}\n`)
  if (events.length > 0) return 0
  const looked = [...source.places.map(({ path }) => path), ...source.logs].map((each) => printable(each))
  await ctl.err.write(`ssmctl trace: nothing tells of ${printable(id, 1024)} in ${looked.join(', ')}\n`)
  return 1
}

/** Throws SsmError `usage`, `configuration`. */
function sourcesOf({ config, log = [] }: Flags, cwd: string): Source {
  const files = config?.map((file) => resolve(cwd, file)) ?? USUAL.filter((file) => existsSync(file))
  const own = log.map((file) => resolve(cwd, file))
  if (files.length === 0 && own.length === 0) {
    throw new SsmError(
      'usage',
      `there is no ${USUAL.join(' and no ')}: name a configuration with -c, or a log with --log`,
    )
  }
  const places = files.map((file) => loadPlace(file, findRole(file), cwd))
  const logs = files.flatMap((file) => findLogging(file, findRole(file), cwd)?.logfile ?? [])
  return { places, logs: [...new Set([...logs, ...own])] }
}

/** In the order of time; through the logs once more when they, or the spools, told of other names. */
async function findEvents(
  id: string,
  { places, logs }: Source,
  say: (problem: string) => void,
): Promise<readonly TraceEvent[]> {
  const [{ Names }, { lookIntoJournal, lookIntoPlaces }] = await Promise.all([
    import('./trace/event.js'),
    import('./trace/places.js'),
  ])
  const names = new Names(id)
  const events = new Map<string, TraceEvent>()
  const found = (event: TraceEvent): void => {
    if (events.size < MOST_EVENTS) events.set(`${event.at} ${event.where} ${event.text}`, event)
    else say(`more than ${MOST_EVENTS} lines`)
  }
  const looking = { names, found, say }
  let known = 0
  for (let round = 0; round < ROUNDS && known < names.all.length; round += 1) {
    known = names.all.length
    for (const place of places) await lookIntoPlaces(place, looking)
    for (const log of logs) await lookIntoLog(log, looking)
  }
  if (known < names.all.length) say('all of its names: it has been put back too often')
  for (const place of places) await lookIntoJournal(place, looking)
  return [...events.values()].sort((a, b) => Number(a.lasts ?? false) - Number(b.lasts ?? false) || a.at - b.at)
}

/** The id names an element, which names an id, which other logs have; and a round for each time that it was put back. */
const ROUNDS = 16

async function lookIntoLog(log: string, looking: Looking): Promise<void> {
  const { findLogFiles, readLog } = await import('./trace/log-files.js')
  const { createLogLook } = await import('./trace/log-lines.js')
  const { names, found, say } = looking
  for (const file of findLogFiles(log, say)) {
    const look = createLogLook(file.path, names, found)
    await readLog(
      file,
      (line) => {
        look.visit(line)
      },
      say,
    )
  }
}

function asJson({ at, lasts, where, text, path }: TraceEvent): string {
  return JSON.stringify({ time: new Date(at).toISOString(), where, ...(lasts ? { lasts } : {}), text, path })
}

function asLine(event: TraceEvent, paint: Paint): string {
  const style = /^(?:ERROR|CRITICAL) /u.test(event.text)
    ? 'wrong'
    : event.text.startsWith('WARNING ')
      ? 'warning'
      : undefined
  const text = style === undefined ? event.text : paint(style, event.text)
  return [paint('dim', new Date(event.at).toISOString()), event.where, text].join('\t')
}
