/** `ssmctl demo`: the whole way of a message on one machine, told to somebody who sees it for the first time. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, extname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { createDisk } from '../os/disk.js'
import { holder, sendBad, sendGood, setStage, startReceiver, type Cast, type DemoContext, type Stage } from './demo.js'
import { assertEmpty } from './pki.js'
import { viewSpool, type SpoolView } from './spool-view.js'
import type { Ctl } from './ssmctl-process.js'

const MAX_COUNT = 100_000
/** More arrivals of a kind than this are counted, not listed. */
const SHOWN = 5
/** As a shell reports a program that was interrupted. */
const EXIT_STOPPED = 130

interface DemoFlags {
  readonly keep?: string
  readonly count: string
}

export function addDemoVerb(command: Command, ctl: Ctl): void {
  command
    .command('demo')
    .description('Send a few records from a sender to a receiver on this machine, and see what arrives where and why.')
    .option('--keep <dir>', 'do it in this new or empty directory, and leave everything there')
    .option('--count <n>', 'how many ordinary records', '3')
    .action(ctl.action((flags: DemoFlags) => demo(flags, ctl)))
}

async function demo({ keep, count: text }: DemoFlags, ctl: Ctl): Promise<number> {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 0 || count > MAX_COUNT) {
    throw new SsmError('usage', `--count ${printable(text)}: write a whole number from 0 to ${MAX_COUNT}`)
  }
  const dir = keep === undefined ? mkdtempSync(join(tmpdir(), 'ssm-demo-')) : resolve(ctl.program.cwd(), keep)
  if (keep !== undefined) assertEmpty(dir)
  const stop = new AbortController()
  const onSignal = (): void => {
    stop.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) ctl.program.on(signal, onSignal)
  try {
    return await play(dir, keep !== undefined, count, ctl, stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw error
    await ctl.err.write('The demonstration was stopped.\n')
    return EXIT_STOPPED
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) ctl.program.off(signal, onSignal)
    if (keep === undefined) rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function play(dir: string, kept: boolean, count: number, ctl: Ctl, signal: AbortSignal): Promise<number> {
  const say = (paragraph: string): Promise<void> => ctl.out.write(`${paragraph}\n\n`)
  const context: DemoContext = { program: ctl.program, signal, say }
  await say(`A sender and a receiver on this machine, with nothing between them. Everything is in ${dir}`)
  const stage = await setStage(dir)
  await say(
    `Certificates of a throw-away CA for a sender, a receiver and a stranger. The receiver's list of signers (${dir}/dns) has one line:\n  ${holder(stage.pki, 'sender').dn}`,
  )
  const receiver = await startReceiver(stage, context)
  let cast: readonly Cast[]
  try {
    await say(`ssmreceive runs and listens at 127.0.0.1:${stage.port} (TLS): no broker is needed.`)
    cast = [...(await sendGood(stage, count, context)), ...(await sendBad(stage))]
    await say('Somebody in the middle delivered two more messages: one of a stranger, one changed on its way.')
  } finally {
    await receiver.end()
  }
  const wrong = await tell(cast, await viewSpool(createDisk(), stage.spool), say)
  if (kept) await say(whereToLook(stage, ctl.program.argv[1] ?? ''))
  if (wrong.length === 0) return 0
  await ctl.err.write(`${wrong.join('\n')}\n`)
  return 1
}

interface Arrival {
  readonly id: string
  readonly place: string
  readonly body: Buffer
  readonly signer: string
  readonly error: string
}

/** Says what arrived; returns a sentence for everything that is not as it should be. */
async function tell(cast: readonly Cast[], spool: SpoolView, say: DemoContext['say']): Promise<readonly string[]> {
  const arrivals = await readArrivals(spool)
  const { groups, wrong } = compare(cast, arrivals)
  await say('What arrived where, byte for byte as it was sent:')
  for (const [what, { why, found }] of groups) await say(story(what, why, found))
  if (wrong.length === 0) {
    const good = cast.filter(({ expected }) => expected === 'incoming').length
    await say(`${good} messages accepted, ${cast.length - good} refused with the reason, none lost, none twice.`)
  }
  return wrong
}

interface Comparison {
  readonly groups: ReadonlyMap<string, { readonly why: string; readonly found: readonly Arrival[] }>
  readonly wrong: readonly string[]
}

function compare(cast: readonly Cast[], arrivals: ReadonlyMap<string, readonly Arrival[]>): Comparison {
  const wrong: string[] = []
  const groups = new Map<string, { readonly why: string; readonly found: Arrival[] }>()
  for (const { what, body, expected, why } of cast) {
    const found = arrivals.get(body.toString('latin1')) ?? []
    const [arrival, second] = found
    if (arrival?.place !== expected || second !== undefined) {
      const places = found.map(({ place }) => place).join(', ')
      wrong.push(`${what}: expected once in ${expected}, found ${places === '' ? 'nowhere' : places}`)
      continue
    }
    const group = groups.get(what) ?? { why, found: [] }
    group.found.push(arrival)
    groups.set(what, group)
  }
  const total = [...arrivals.values()].reduce((sum, found) => sum + found.length, 0)
  if (total !== cast.length) wrong.push(`${cast.length} messages were sent, ${total} arrived`)
  return { groups, wrong }
}

function story(what: string, why: string, found: readonly Arrival[]): string {
  const [first] = found
  const refused = first?.place === 'reject'
  const about = refused ? `error   ${printable(first.error, 1024)}` : `signer  ${printable(first?.signer ?? '')}`
  const ids = found.slice(0, SHOWN).map(({ id }) => `    ${printable(id)}`)
  const more = found.length > SHOWN ? [`    … and ${found.length - SHOWN} more`] : []
  return [`  ${what}: ${why}.`, ...ids, ...more, `    ${about}`].join('\n')
}

/** By body. */
async function readArrivals(spool: SpoolView): Promise<ReadonlyMap<string, readonly Arrival[]>> {
  const arrivals = new Map<string, Arrival[]>()
  for await (const { id, fields } of spool.elements()) {
    const body = (await spool.body(id)) ?? Buffer.alloc(0)
    const field = (name: string): string => fields.get(name)?.toString() ?? '-'
    const arrival = { id, body, place: id.split('/', 1)[0] ?? '', signer: field('signer'), error: field('error') }
    const key = body.toString('latin1')
    arrivals.set(key, [...(arrivals.get(key) ?? []), arrival])
  }
  return arrivals
}

function whereToLook({ dir, spool, port }: Stage, script: string): string {
  // The programs stand beside this one, with or without an ending.
  const called = (name: string): string => join(dirname(script), `${name}${extname(script)}`)
  return [
    `Everything is still in ${dir}: configuration, certificates, spools and logs. To go on from here:`,
    '',
    `  ${called('ssmctl')} spool list ${spool}`,
    `  ${called('ssmctl')} spool add ${dir}/sender/outgoing FILE`,
    `  ${called('ssmreceive')} --foreground -c ${dir}/receiver.cfg -d ${dir}/dns   # listens at 127.0.0.1:${port}`,
    `  ${called('ssmsend')} -c ${dir}/sender.cfg`,
  ].join('\n')
}
