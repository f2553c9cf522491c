/**
 * `ssmctl spool requeue`: rejected messages judged again, with what is trusted today, after a DN or a CA was added.
 *
 * One process at a time stores into a receiver's path: the receiver that runs is asked over its status socket; with its
 * lock we are that one.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { ReceiverConfig } from '../config/config.js'
import { loadReceiverConfig } from '../config/load.js'
import { SsmError, isSsmError } from '../errors.js'
import { createLog } from '../observe/create-log.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { REQUEUED_TOGETHER, parseAnswers, requeueAll, type RequeueAnswer } from './receiver-requeue.js'
import { assertPathOf } from './same-path.js'
import { createMissing, parseFilter, select, withFilters, type FilterFlags } from './spool-filter.js'
import { viewSpool } from './spool-view.js'
import type { Ctl } from './ssmctl-process.js'
import { askRunning } from './status/ask.js'
import { socketPath } from './status/verbs.js'
import { USUAL_CONFIG, USUAL_DNS } from './usual-places.js'

interface RequeueFlags extends FilterFlags {
  readonly config: string
  readonly dn_file: string
  readonly dryRun?: true
  readonly held?: true
  readonly json?: true
}

export function addRequeueVerb(spool: Command, ctl: Ctl): void {
  withFilters(spool.command('requeue'))
    .argument('<dir>', 'the path of a receiver')
    .argument('[id...]', 'as list prints them: reject/…, held/… (default: all of reject that pass the filters)')
    .option('-c, --config <file>', 'configuration of that receiver', USUAL_CONFIG.ssmreceive)
    .option('-d, --dn_file <file>', 'list of the DNs that may send', USUAL_DNS)
    .option('--held', 'the held ones too')
    .option('--dry-run', 'judge them, say what would become of them, and do nothing')
    .option('--json', 'an object a line')
    .description(
      'Judge rejected messages again, with what is trusted today: what is accepted goes to incoming. A line each: its id, what became of it, where it is or why. Exit code 1: some stay.',
    )
    .action(ctl.action((dir: string, ids: string[], flags: RequeueFlags) => requeue(dir, ids, flags, ctl)))
}

async function requeue(dir: string, ids: readonly string[], flags: RequeueFlags, ctl: Ctl): Promise<number> {
  const cwd = ctl.program.cwd()
  const { config } = loadReceiverConfig(resolve(cwd, flags.config), cwd)
  // A wrong pair would judge the messages of one receiver by the trust of another.
  assertPathOf(flags.config, config.messaging.path, resolve(cwd, dir))
  const missing = createMissing('requeue', dir, ctl)
  const chosen = await choose(config.messaging.path, ids, flags, missing.say)
  let exit = missing.exit()
  if (chosen.length === 0) return exit
  if (flags.dryRun === true) {
    const { sayForeseen } = await import('./requeue-foreseen.js')
    return Math.max(exit, await sayForeseen(config, resolve(cwd, flags.dn_file), chosen, flags.json === true, ctl))
  }
  await withReceiver(config, resolve(cwd, flags.dn_file), ctl, async (ask) => {
    for (let from = 0; from < chosen.length; from += REQUEUED_TOGETHER) {
      const some = chosen.slice(from, from + REQUEUED_TOGETHER)
      const answers = await ask(some)
      for (const [at, answer] of answers.entries()) {
        if (answer.outcome !== 'stored' && answer.outcome !== 'accepted') exit = 1
        await ctl.out.write(`${flags.json === true ? asJson(some[at], answer) : asLine(some[at], answer)}\n`)
      }
      const failed = answers.find(({ outcome }) => outcome === 'failed')
      if (failed?.outcome === 'failed') throw new SsmError('disk', `not gone on with: ${failed.detail}`)
    }
  })
  return exit
}

async function choose(
  path: string,
  ids: readonly string[],
  flags: RequeueFlags,
  onMissing: (id: string) => Promise<void>,
): Promise<readonly string[]> {
  const filter = parseFilter(flags, systemClock.now())
  const isMeant = (id: string): boolean => id.startsWith('reject/') || id.startsWith('held/')
  const named = ids.map((id) => (/^[0-9a-f]{8}\//u.test(id) ? `reject/${id}` : id))
  const wrong = named.find((id) => !isMeant(id))
  if (wrong !== undefined) throw new SsmError('usage', `${printable(wrong)}: ids are reject/… or held/…`)
  const chosen: string[] = []
  for await (const { id } of select(await viewSpool(createDisk(), path), named, filter, onMissing)) {
    if (ids.length > 0 || id.startsWith('reject/') || (flags.held === true && id.startsWith('held/'))) chosen.push(id)
  }
  return chosen
}

type Ask = (ids: readonly string[]) => Promise<readonly RequeueAnswer[]>

/** Asks the receiver that runs; without one, works as the receiver of this path. Throws SsmError `locked`. */
async function withReceiver(
  config: ReceiverConfig,
  dnFile: string,
  ctl: Ctl,
  work: (ask: Ask) => Promise<void>,
): Promise<void> {
  const socket = socketPath(config.messaging.path, config.daemon)
  // The DN that was added counts from now on; and is there somebody to ask?
  const reloaded = await askRunning(socket, { verb: 'requeue', ids: [], reload: true })
  if (reloaded === undefined) {
    await asReceiver(config, dnFile, ctl, work)
    return
  }
  await work(async (ids) => {
    const answer = await askRunning(socket, { verb: 'requeue', ids })
    if (answer === undefined) throw new SsmError('unreachable', 'the receiver has ended: the same command goes on')
    return parseAnswers(answer, ids.length)
  })
}

async function asReceiver(
  config: ReceiverConfig,
  dnFile: string,
  ctl: Ctl,
  work: (ask: Ask) => Promise<void>,
): Promise<void> {
  if (!config.messaging.runLock) {
    throw new SsmError(
      'configuration',
      'with run_lock = false nobody can tell whether a receiver is at work: set it to true, or remove it',
    )
  }
  const { wireReceiver } = await import('./wire-receiver.js')
  const { logfile, level, format } = config.logging
  const log = createLog({ file: logfile, level, format, name: 'ssmctl', clock: systemClock })
  try {
    await using receiver = await wireReceiver(config, dnFile, log, ctl.program)
    await receiver.ready()
    await work((ids) => requeueAll((id) => receiver.requeue(id), ids))
  } catch (error) {
    if (!isSsmError(error, 'locked')) throw error
    const words = `${error.message} It has no status socket to be asked at: stop it for this, and start it again then.`
    throw new SsmError('locked', words, { cause: error })
  } finally {
    log.close()
  }
}

interface Words {
  readonly said: string
  readonly more?: string
}

function wordsOf(answer: RequeueAnswer): Words {
  switch (answer.outcome) {
    case 'stored':
      return { said: answer.again ? 'was stored already, and is removed' : 'accepted', more: `incoming/${answer.name}` }
    case 'refused':
      return { said: `stays: ${answer.reason}`, more: answer.detail }
    case 'foreign':
      return { said: 'skipped: not S/MIME', more: 'no receiver stored this: a loader did, or somebody sent it so' }
    case 'damaged':
      return { said: 'skipped: damaged', more: answer.detail }
    case 'locked':
      return { said: 'skipped: locked', more: 'another process has it, or it is gone' }
    case 'accepted':
      return { said: 'accepted', more: `incoming/${answer.name}` }
    case 'rejected':
      return { said: 'refused', more: `reject/${answer.name}` }
    case 'dropped':
      return { said: 'dropped', more: 'its signer is banned' }
    case 'held':
      return { said: 'stays held' }
    case 'failed':
      return { said: 'failed', more: answer.detail }
  }
}

function asLine(id = '', answer: RequeueAnswer): string {
  const { said, more = '' } = wordsOf(answer)
  return [id, said, printable(more, PRINTABLE_LIMITS.sentence)].join('\t')
}

function asJson(id = '', answer: RequeueAnswer): string {
  const outside = (name: string, text: string) => ({ [name]: printable(text, PRINTABLE_LIMITS.sentence) })
  const detail = 'detail' in answer ? outside('detail', answer.detail) : {}
  const empaid = 'empaid' in answer ? outside('empaid', answer.empaid) : {}
  return JSON.stringify({ id, ...answer, ...detail, ...empaid })
}
