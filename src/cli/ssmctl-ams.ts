/**
 * `ssmctl ams`: what operators ask the ARGO Messaging Service, with the configuration of a sender or a receiver. What
 * changes something for others says what it would do, and does it only with `--yes`.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SsmError } from '../errors.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import type { Answer, Offsets } from '../transport/ams/index.js'
import { drain, peek } from './ams-messages.js'
import { openAms, type Ams } from './ams-open.js'
import type { Ctl } from './ssmctl-process.js'

export interface AmsFlags {
  readonly config: string
  readonly subscription?: string
  readonly json?: true
  readonly yes?: true
}

export interface PeekFlags extends AmsFlags {
  readonly count: string
  readonly body?: true
}

export interface DrainFlags extends AmsFlags {
  readonly to?: string
  readonly discard?: true
  readonly count?: string
}

export function addAmsVerbs(command: Command, ctl: Ctl): void {
  const ams = command.command('ams').description('Ask the ARGO Messaging Service, and move subscriptions.')
  const verb = (name: string, description: string): Command =>
    ams
      .command(name)
      .requiredOption('-c, --config <file>', 'configuration of a sender or a receiver')
      .option('--json', 'a JSON object')
      .description(description)
  const about = (made: Command): Command =>
    made.option('-s, --subscription <name>', 'another subscription than that of the configuration')

  verb('status', 'Is it there, and who are we.').action(ctl.action((flags: AmsFlags) => run(flags, ctl, status)))
  verb('topics', 'The topics of the project that the token may see.').action(
    ctl.action((flags: AmsFlags) => run(flags, ctl, topics)),
  )
  verb('subscriptions', 'The subscriptions that the token may see: topic, deadline, backlog.').action(
    ctl.action((flags: AmsFlags) => run(flags, ctl, subscriptions)),
  )
  about(verb('offsets', 'Where a subscription stands, and how many messages wait.')).action(
    ctl.action((flags: AmsFlags) => run(flags, ctl, offsets)),
  )
  about(verb('seek', 'Move the offset of a subscription, for all who use it.'))
    .argument('<where>', 'a number, begin, end, +N or -N from here, or a time as 2026-11-20T14:00:00Z')
    .option('--yes', 'do it; without it, what would be done is said')
    .action(ctl.action((where: string, flags: AmsFlags) => run(flags, ctl, (each, to) => seek(each, to, where))))
  about(
    verb(
      'peek',
      'Show the next messages and leave them there. A receiver that is at work has one acknowledge refused.',
    ),
  )
    .option('-n, --count <n>', 'at most so many', '10')
    .option('--body', 'the bodies too, made safe to print')
    .action(ctl.action((flags: PeekFlags) => run(flags, ctl, peek)))
  about(verb('drain', 'Take all messages that wait now, into files or away.'))
    .option('--to <dir>', 'a file OFFSET.msg each, as it was published; the directory must be there')
    .option('--discard', 'throw them away')
    .option('-n, --count <n>', 'at most so many')
    .option('--yes', 'do it; without it, what would be done is said')
    .action(ctl.action((flags: DrainFlags) => run(flags, ctl, drain)))
}

/** What a verb is given besides the service. */
export interface Told<F extends AmsFlags = AmsFlags> {
  readonly flags: F
  readonly ctl: Ctl
  /** Ends when the user presses Ctrl-C: no step is done by halves. */
  readonly signal: AbortSignal
}

async function run<F extends AmsFlags>(
  flags: F,
  ctl: Ctl,
  verb: (ams: Ams, told: Told<F>) => Promise<number>,
): Promise<number> {
  const file = resolve(ctl.program.cwd(), flags.config)
  const stop = new AbortController()
  const end = () => {
    stop.abort()
  }
  ctl.program.on('SIGINT', end)
  try {
    await using ams = await openAms(file, flags.subscription, ctl)
    return await verb(ams, { flags, ctl, signal: stop.signal })
  } finally {
    ctl.program.off('SIGINT', end)
  }
}

/** A table with a head at a terminal, or a JSON object. */
async function show(
  { flags, ctl }: Told,
  head: string,
  rows: readonly (readonly (string | number)[])[],
  object: unknown,
): Promise<number> {
  if (flags.json === true) {
    await ctl.out.write(`${JSON.stringify(object)}\n`)
    return 0
  }
  const lines = rows.map((row) => row.map((cell) => printable(String(cell), PRINTABLE_LIMITS.sentence)).join('\t'))
  if (ctl.program.stdout.isTTY && head !== '') lines.unshift(head)
  if (lines.length > 0) await ctl.out.write(`${lines.join('\n')}\n`)
  return 0
}

async function status(ams: Ams, told: Told): Promise<number> {
  const { operator, project, valueOf } = ams
  const state = valueOf(await operator.status(told.signal))
  const profile = await operator.profile(told.signal)
  const known = profile.ok ? profile.value : undefined
  const who = profile.ok ? profile.value.name : `unknown: ${profile.refusal.words}`
  const roles = [...(known?.roles ?? []), ...(known?.serviceRoles ?? [])]
  const rows = [
    ['service', operator.where],
    ['status', state],
    ['project', project],
    ['user', who],
    ['roles', roles.join(', ') || '-'],
    ['topics', known?.topics.join(', ') ?? '-'],
    ['subscriptions', known?.subscriptions.join(', ') ?? '-'],
  ].filter(([, value]) => value !== '')
  const about = { roles, topics: known?.topics ?? [], subscriptions: known?.subscriptions ?? [] }
  return await show(told, '', rows, {
    service: operator.where,
    status: state,
    project,
    user: known?.name ?? null,
    ...about,
  })
}

async function topics({ operator, valueOf }: Ams, told: Told): Promise<number> {
  const list = valueOf(await operator.topics(told.signal))
  const rows = list.map(({ name, created }) => [name, created])
  return await show(told, 'TOPIC\tCREATED', rows, { topics: list })
}

async function subscriptions({ operator, valueOf, last }: Ams, told: Told): Promise<number> {
  const list = valueOf(await operator.subscriptions(told.signal))
  const seen = []
  for (const { name, topic, ackDeadline, pushEndpoint } of list) {
    const found: Answer<Offsets> = await operator.offsets(last(name), told.signal)
    const backlog = found.ok ? found.value.max - found.value.current : null
    const push = pushEndpoint === undefined ? {} : { push: pushEndpoint }
    seen.push({ name: last(name), topic: last(topic), ackDeadline, backlog, ...push })
  }
  const rows = seen.map((each) => [
    each.name,
    each.topic,
    `${each.ackDeadline} s`,
    each.backlog ?? '-',
    each.push ?? '-',
  ])
  return await show(told, 'SUBSCRIPTION\tTOPIC\tDEADLINE\tBACKLOG\tPUSH', rows, { subscriptions: seen })
}

async function offsets({ operator, valueOf, subscription }: Ams, told: Told): Promise<number> {
  const name = subscription()
  const { min, max, current } = valueOf(await operator.offsets(name, told.signal))
  const backlog = max - current
  const row = [name, min, current, max, backlog]
  return await show(told, 'SUBSCRIPTION\tMIN\tCURRENT\tMAX\tBACKLOG', [row], {
    subscription: name,
    min,
    current,
    max,
    backlog,
  })
}

async function seek(ams: Ams, told: Told, where: string): Promise<number> {
  const { operator, valueOf, subscription } = ams
  const name = subscription()
  const before = valueOf(await operator.offsets(name, told.signal))
  const to = await offsetOf(ams, name, where, before, told.signal)
  // Out of bounds, the server refuses and moves it nevertheless.
  if (to < before.min || to > before.max) {
    throw new SsmError('usage', `${to} is not within ${before.min} and ${before.max}`)
  }
  const effect = effectOf(before.current, to)
  const isDone = told.flags.yes === true
  if (isDone) valueOf(await operator.modifyOffset(name, to, told.signal))
  const object = { subscription: name, from: before.current, to, done: isDone }
  const words = isDone ? `${name} was moved` : `${name} would be moved (--yes does it)`
  return await show(told, '', [[`${words} from ${before.current} to ${to}: ${effect}`]], object)
}

function effectOf(from: number, to: number): string {
  if (to === from) return 'nothing changes'
  const count = Math.abs(to - from)
  if (count === 1) return to > from ? '1 message is never received' : '1 message comes again'
  return to > from ? `${count} messages are never received` : `${count} messages come again`
}

async function offsetOf(ams: Ams, name: string, where: string, offsets: Offsets, signal: AbortSignal): Promise<number> {
  const { min, max, current } = offsets
  if (where === 'begin') return min
  if (where === 'end') return max
  if (/^\d{1,15}$/u.test(where)) return Number(where)
  if (/^[+-]\d{1,15}$/u.test(where)) return current + Number(where)
  const time = Date.parse(where)
  if (!/^\d{4}-\d\d-\d\d/u.test(where) || Number.isNaN(time)) {
    throw new SsmError(
      'usage',
      `${printable(where)}: write an offset, begin, end, +N, -N, or a time as 2026-11-20T14:00:00Z`,
    )
  }
  return ams.valueOf(await ams.operator.offsetAt(name, time, signal))
}
