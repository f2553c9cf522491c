/**
 * `ssmreceive`: a service that takes messages until it is told to stop. Exit codes: 0 stopped by a signal; 64 usage;
 * 75 another receiver works on this spool; 78 configuration. A broker that is down is waited for, for ever.
 */
import { ERROR_KINDS } from '../errors.js'
import type { ReceiverConfig } from '../config/config.js'
import { loadReceiverConfig } from '../config/load.js'
import { BREAK_LINE } from '../observe/create-log.js'
import type { Log } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import { receive } from '../pipeline/receive.js'
import { supervise } from '../pipeline/supervise.js'
import { begin, createLogAgain, exitOf, explained, sayBeginning, sayEnd } from './begin.js'
import { detach, isDetached, shouldDetach, tellParent } from './detach.js'
import { parseFlags, type Flags } from './flags.js'
import { openMonitoring } from './monitoring/monitoring.js'
import { createNotifier } from './notify.js'
import { createPidfile, livingHolder } from './pidfile.js'
import type { Program } from './program.js'
import { createRefreshing, type Refreshing } from './refreshing.js'
import { createStopping } from './stopping.js'
import { logLevelVerb } from './status/log-level.js'
import { openStatusSocket } from './status/socket.js'
import { receiverStatus, receiverVerbs } from './status/status.js'
import { socketPath } from './status/verbs.js'
import { wireReceiver, type Receiver } from './wire-receiver.js'

export async function ssmreceive(program: Program): Promise<number> {
  const flags = await parseFlags('ssmreceive', program)
  if (typeof flags === 'number') return flags
  if (flags.check) {
    const { runCheck } = await import('./check/run.js')
    return await runCheck('receiver', flags, program)
  }
  const begun = begin('ssmreceive', loadReceiverConfig, flags, program)
  if (typeof begun === 'number') return begun
  const { config, log, warnings } = begun
  const { pidfile, detach: mode } = config.daemon
  if (livingHolder(pidfile, program) !== null) {
    program.stdout.write(`Cannot start SSM.  Pidfile ${pidfile} already exists.\n`)
    return ERROR_KINDS.locked.exit
  }
  if (shouldDetach(mode, flags, program)) {
    log.close()
    return await detach(program)
  }
  sayBeginning('ssmreceive', log, warnings, config.protocol)
  if (isDetached(program)) log.named('ssmreceive').info('The SSM will run as a daemon.')
  const exit = await run(config, flags, log, program)
  log.named('ssmreceive').info(BREAK_LINE)
  log.close()
  return exit
}

async function run(config: ReceiverConfig, flags: Flags, log: Log, program: Program): Promise<number> {
  const top = log.named('ssmreceive')
  let receiver: Receiver
  try {
    receiver = await wireReceiver(config, flags.dnFile, log, program)
  } catch (error) {
    top.error('Failed to initialise SSM: %s', explained(error))
    sayEnd(error, config.logging, program)
    const exit = exitOf(error)
    tellParent(program, { ssm: 'failed', exit })
    return exit
  }
  await using wired = receiver
  using _pidfile = createPidfile(config.daemon.pidfile, program, top)
  try {
    const again = createLogAgain('ssmreceive', log, flags, program)
    await serve(wired, config, log, program, again)
    return 0
  } catch (error) {
    top.error('Unexpected exception in SSM: %s', explained(error))
    top.error('The SSM will exit.')
    sayEnd(error, config.logging, program)
    return exitOf(error)
  } finally {
    log.named('ssm.ssm2').info('SSM connection ended.')
    top.info('Receiving SSM has shut down.')
  }
}

/** Receives until a signal. The second signal, or 20 s, gives up what is in flight. */
async function serve(
  receiver: Receiver,
  config: ReceiverConfig,
  log: Log,
  program: Program,
  reopenLog: () => void,
): Promise<void> {
  const top = log.named('ssmreceive')
  using stopping = createStopping(program, (signal) => {
    top.info('Received the shutdown signal: %s', signal)
  })
  const status = receiverStatus(receiver, config, program)
  await using _socket = await openStatusSocket({
    path: socketPath(config.messaging.path, config.daemon),
    verbs: { ...receiverVerbs(status, receiver), 'log-level': logLevelVerb(log, 'ssmreceive') },
    program,
    log: top,
  })
  await using _monitoring = await openMonitoring(config.monitoring, status, top)
  await using refreshing = await createRefreshing(receiver, log, program, stopping.stop, reopenLog)
  using notifier = createNotifier(program, top)
  tellParent(program, { ssm: 'ready', exit: 0 })
  notifier.ready()
  stopping.stop.addEventListener('abort', () => void notifier.stopping(), { once: true })
  const done = supervise(
    {
      transport: receiver.transport,
      ready: () => ready(receiver, refreshing),
      receive: (subscriber, hooks) =>
        receive(subscriber, { open: receiver.open, place: receiver.place, log: log.named('ssm.ssm2'), ...hooks }),
      programLog: top,
      log: log.named('ssm.ssm2'),
      clock: systemClock,
      tell: receiver.tally.link,
    },
    stopping.stop,
  )
  const forced = new Promise<void>((resolve) => {
    stopping.force.addEventListener('abort', () => {
      resolve()
    })
  })
  await Promise.race([done, forced])
  await notifier.stopping()
}

async function ready(receiver: Receiver, refreshing: Refreshing): Promise<void> {
  const isFirst = !receiver.isRecovered()
  try {
    await receiver.ready()
  } finally {
    // What could be judged since the last run.
    if (isFirst && receiver.isRecovered()) refreshing.judgeHeld()
  }
}
