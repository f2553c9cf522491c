/**
 * `ssmsend --watch`: a service that sends as messages arrive until it is told to stop. Exit codes: 0 stopped by a signal;
 * 75 another sender works on this spool; 78 configuration. A broker that is down is waited for, for ever.
 */
import type { SenderConfig } from '../config/config.js'
import { isSsmError, messageOf } from '../errors.js'
import type { Log } from '../observe/log.js'
import { createTally } from '../observe/tally.js'
import { systemClock } from '../os/clock.js'
import { createDoorbell } from '../pipeline/doorbell.js'
import { sendForever } from '../pipeline/watch.js'
import { keepTextfile, openMonitoring } from './monitoring/monitoring.js'
import { createNotifier } from './notify.js'
import type { Program } from './program.js'
import { countedSends } from './status/counted.js'
import { logLevelVerb } from './status/log-level.js'
import { openStatusSocket } from './status/socket.js'
import { senderStatus } from './status/status.js'
import { socketPath } from './status/verbs.js'
import { createStopping } from './stopping.js'
import { wireSender, type Sender } from './wire-sender.js'

/** The host pair is read again so often, and on SIGHUP, ms. */
const RELOAD_INTERVAL = 600_000

export async function watchSpool(
  config: SenderConfig,
  log: Log,
  program: Program,
  reopenLog: () => void,
): Promise<number> {
  const top = log.named('ssmsend')
  const queues = log.named('ssm.ssm2')
  using stopping = createStopping(program, (signal) => {
    top.info('Received the shutdown signal: %s', signal)
  })
  await using sender = await wireSender(config, log, program, true)
  await sender.begin()
  const tally = createTally('ssmsend', systemClock)
  const status = senderStatus(tally, config, program)
  await using _socket = await openStatusSocket({
    path: socketPath(config.messaging.path, config.daemon),
    verbs: { status, 'log-level': logLevelVerb(log, 'ssmsend') },
    program,
    log: top,
  })
  await using _monitoring = await openMonitoring(config.monitoring, status, top)
  await using _textfile = keepTextfile(config.monitoring.textfile, status, top)
  const doorbell = createDoorbell(systemClock)
  const watcher = sender.watch(doorbell.ring)
  try {
    using _reloading = createReloading(sender, log, program, reopenLog)
    using notifier = createNotifier(program, top)
    top.info('Watching %s for messages.', config.messaging.path)
    notifier.ready()
    stopping.stop.addEventListener('abort', () => void notifier.stopping(), { once: true })
    const told = { tell: tally.link, onProgress: countedSends(tally) }
    await sendForever({ ...sender, ...told, doorbell, tidy: () => tidy(sender, log) }, stopping)
    await notifier.stopping()
  } finally {
    await watcher.close()
  }
  queues.info('SSM connection ended.')
  return 0
}

/** Trouble with tidying is no reason not to send: the disk may be full of what a purge would remove. */
async function tidy(sender: Sender, log: Log): Promise<void> {
  const queues = log.named('ssm.ssm2')
  queues.info('Tidying message directory.')
  try {
    await sender.purge()
  } catch (error) {
    if (!isSsmError(error, 'disk', 'configuration')) throw error
    queues.warning('Tidying the spools failed: %s', { message: messageOf(error) })
  }
}

/** SIGHUP opens the log again and reads the host pair again; the latter now and then anyway. */
function createReloading(sender: Sender, log: Log, program: Program, reopenLog: () => void): Disposable {
  let running: Promise<void> = Promise.resolve()
  // One after the other: two signals in a row must not read half of each other's pair.
  const reload = (): void => {
    running = running.then(() => sender.reload())
  }
  const onHangup = (): void => {
    reopenLog()
    log.named('ssmsend').info('Reading the host certificate again.')
    reload()
  }
  const timer = setInterval(reload, RELOAD_INTERVAL)
  timer.unref()
  program.on('SIGHUP', onHangup)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      program.off('SIGHUP', onHangup)
    },
  }
}
