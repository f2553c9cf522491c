/**
 * `ssmsend`: one pass over the outgoing spool, from cron, or a sender that stays (`--watch`). Exit codes: 0 done, nothing
 * to do, or another run is at it; 1 something was set aside; 64 usage; 75 try later; 78 configuration.
 */
import { isSsmError } from '../errors.js'
import type { SenderConfig } from '../config/config.js'
import { loadSenderConfig } from '../config/load.js'
import { BREAK_LINE } from '../observe/create-log.js'
import type { Log, Logger } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { sendAll, type SendReport } from '../pipeline/send.js'
import { senderFigures } from '../spool/figures.js'
import { begin, createLogAgain, exitOf, explained, sayBeginning } from './begin.js'
import { parseFlags } from './flags.js'
import type { Program } from './program.js'
import { createProgress } from './progress.js'
import { createStopping } from './stopping.js'
import { wireSender } from './wire-sender.js'

/** Something was set aside: the run is done, and a person should look. */
const EXIT_SET_ASIDE = 1
const EXIT_TRY_LATER = 75

export async function ssmsend(program: Program): Promise<number> {
  const flags = await parseFlags('ssmsend', program)
  if (typeof flags === 'number') return flags
  if (flags.check) {
    const { runCheck } = await import('./check/run.js')
    return await runCheck('sender', flags, program)
  }
  const begun = begin('ssmsend', loadSenderConfig, flags, program)
  if (typeof begun === 'number') return begun
  const { config, log, warnings } = begun
  sayBeginning('ssmsend', log, warnings, config.protocol)
  const top = log.named('ssmsend')
  const since = systemClock.now()
  const made: Made = { report: { sent: 0, setAside: 0, locked: 0, left: 0 }, isOurs: !flags.watch }
  let exit: number
  try {
    exit = flags.watch
      ? await watch(config, log, program, createLogAgain('ssmsend', log, flags, program))
      : await run(config, log, program, made)
  } catch (error) {
    exit = exitOf(error)
    program.stdout.write('SSM failed to complete successfully.  See log file for details.\n')
    top.error('SSM failed to complete successfully: %s', explained(error))
  }
  await tellCollector(config, made, { since, exit }, top)
  top.info('SSM has shut down.')
  top.info(BREAK_LINE)
  log.close()
  return exit
}

/** With all that is loaded later loaded now, as bundled: an upgrade must not put another version under one that stays. */
async function watch(config: SenderConfig, log: Log, program: Program, again: () => void): Promise<number> {
  const { watchSpool } = await import('./ssmsend-watch.js')
  return await watchSpool(config, log, program, again)
}

/** What a run came to. */
interface Made {
  report: Readonly<SendReport>
  /** false: it was another one's turn. */
  isOurs: boolean
}

async function run(config: SenderConfig, log: Log, program: Program, made: Made): Promise<number> {
  const top = log.named('ssmsend')
  const queues = log.named('ssm.ssm2')
  using stopping = createStopping(program, (signal) => {
    top.info('Received the shutdown signal: %s', signal)
  })
  try {
    await using sender = await wireSender(config, log, program)
    const waiting = await sender.outgoing.count()
    if (waiting === 0) {
      await sender.dropOld()
      top.info('No messages found to send.')
      return 0
    }
    await sender.begin()
    using progress = await createProgress(waiting, config.logging.console, program.stderr)
    const onProgress = (soFar: Readonly<SendReport>): void => {
      made.report = soFar
      progress.at(soFar)
    }
    const report = await sendAll({ ...sender, onProgress }, stopping)
    queues.info('Tidying message directory.')
    await sender.purge()
    sayReport(report, log)
    top.info('SSM run has finished.')
    queues.info('SSM connection ended.')
    return report.setAside > 0 ? EXIT_SET_ASIDE : report.left > 0 ? EXIT_TRY_LATER : 0
  } catch (error) {
    if (!isSsmError(error, 'locked')) throw error
    top.info('%s', error)
    made.isOurs = false
    return 0
  }
}

/** For the textfile collector of node_exporter, when `[monitoring] textfile` asks for it. Never throws. */
async function tellCollector(
  { messaging, monitoring: { textfile } }: SenderConfig,
  { report, isOurs }: Made,
  { since, exit }: { readonly since: number; readonly exit: number },
  log: Logger,
): Promise<void> {
  if (textfile === undefined || !isOurs) return
  const { writeTextfile } = await import('./monitoring/monitoring.js')
  const make = async (): Promise<string> => {
    const { metricsOfRun } = await import('./monitoring/metrics.js')
    const spools = await senderFigures(createDisk(), messaging.path, messaging.pathType)
    const at = systemClock.now()
    return await metricsOfRun({ at, exit, seconds: Math.max(0, at - since) / 1000, report, spools })
  }
  await writeTextfile(textfile, make, log)
}

function sayReport({ sent, setAside, locked, left }: SendReport, log: Log): void {
  const queues = log.named('ssm.ssm2')
  queues.debug('Sent %s, set aside %s, locked by others %s, left in the spool %s.', sent, setAside, locked, left)
  if (setAside > 0) queues.error('%s messages were set aside: see ssmctl spool list PATH/.ssm/failed', setAside)
}
