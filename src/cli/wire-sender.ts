/**
 * The sender, built by hand in the order of its life: identity, recipient, spool, transport.
 */
import type { SenderConfig } from '../config/config.js'
import type { Certificate } from '../crypto/certificate.js'
import { prepareEncryption } from '../crypto/cms-enveloped.js'
import { encryptionWarning, sealWarning } from '../envelope/seal.js'
import type { Log } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import type { Watcher } from '../os/watch.js'
import { watchSpoolDirectory } from '../os/watch-spool.js'
import type { SendDeps } from '../pipeline/send.js'
import { isIntermediateName } from '../spool/names.js'
import { OWN_DIRECTORY } from '../spool/own-directory.js'
import type { Outgoing } from '../spool/simple-queue.js'
import type { Transport, Window } from '../transport/port.js'
import { amsSettings, sayAms } from './ams-settings.js'
import { brokerSettings } from './broker-settings.js'
import { createHostPairOf, type HostPair } from './host-pair.js'
import { becomeOwner } from './owner.js'
import { warnOfPlace } from './place-warnings.js'
import type { Program } from './program.js'
import { loadServerCerts } from './recipient.js'
import { createSealing } from './sealing.js'
import { openSenderSpool, type SenderSpool } from './sender-spool.js'

/** Bytes of bodies in flight. */
export const WINDOW_BYTES = 32 * 1024 * 1024

export interface Sender extends SendDeps, Pick<SenderSpool, 'begin' | 'purge' | 'dropOld'>, AsyncDisposable {
  readonly outgoing: Outgoing
  /** Reads the host pair and `server_cert` again. Never throws: says why what was read before stays. */
  reload(): Promise<void>
  /** Calls back when something happens in the spool, for a sender that stays. A hint only. */
  watch(onHint: () => void): Watcher
}

/** Throws SsmError `configuration` for what a person must mend. Logs who signs and for whom. `stays`: with `--watch`. */
export async function wireSender(config: SenderConfig, log: Log, program: Program, stays = false): Promise<Sender> {
  const top = log.named('ssmsend')
  const { certificates, messaging } = config
  const recipients = await findRecipients(config, log)
  if (stays) await prepareEncryption(recipients, certificates.keyTransport)
  if (!messaging.pathTypeGiven) top.info('No path type defined, assuming dirq.')
  const pair = createHostPairOf(config, top)
  const { certificate, key } = pair.current()
  top.info('Messages will be signed using %s', certificate.subject.slash)
  const unreadable = sealWarning({ certificate, key })
  if (unreadable !== undefined) top.warning('%s', { message: unreadable })
  sayAms(config, top)
  becomeOwner(messaging.path, program)
  warnOfPlace('sender', messaging.path, program, top)
  const spool = openSenderSpool(config, log, stays)
  const sealing = createSealing(config, pair, recipients, log)
  return {
    ...spool,
    seal: sealing.seal,
    transport: lazyTransport(config, pair, log, program),
    window: preparingOf(config),
    log: log.named('ssm.ssm2'),
    clock: systemClock,
    async reload() {
      await pair.reload()
      await sealing.reload()
    },
    watch: (onHint) => watchSpool(config, onHint, log),
    [Symbol.asyncDispose]: spool.close,
  }
}

const windowOf = ({ messaging }: SenderConfig): Window => ({ messages: messaging.window, bytes: WINDOW_BYTES })

/** AMS keeps the window of requests itself: as many again are sealed, or removed after their receipts, meanwhile. */
function preparingOf(config: SenderConfig): Window {
  const { messages, bytes } = windowOf(config)
  return { messages: config.ams === undefined ? messages : 2 * messages * config.ams.batch, bytes }
}

/**
 * Made when it is first opened: most runs of a cron job find nothing to send, and the transport's libraries are half of
 * what a program loads (75 of 150 ms).
 */
function lazyTransport(config: SenderConfig, pair: HostPair, log: Log, program: Program): Transport {
  const { broker, certificates, messaging } = config
  let made: Promise<Transport> | undefined
  const make = async (): Promise<Transport> => {
    const { createAmsTransport, createStompTransport } = await import('../transport/index.js')
    const deps = { log: log.named('ssm.ssm2'), clock: systemClock }
    const ams = amsSettings(config, { window: windowOf(config), pair, env: program.env })
    if (ams !== undefined) return createAmsTransport(ams, deps)
    const settings = {
      ...brokerSettings(broker, certificates, pair, program.env),
      destination: messaging.destination,
      window: windowOf(config),
      maxMessageSize: 0,
    }
    return createStompTransport(settings, deps)
  }
  const transport = (): Promise<Transport> => (made ??= make())
  return {
    openPublisher: async (signal) => (await transport()).openPublisher(signal),
    openSubscriber: async (signal) => (await transport()).openSubscriber(signal),
  }
}

/** Hints about the spool; the caller looks into it now and then anyway. */
function watchSpool({ messaging }: SenderConfig, onHint: () => void, log: Log): Watcher {
  const queues = log.named('ssm.ssm2')
  const isQueue = messaging.pathType === 'dirq'
  let said = false
  return watchSpoolDirectory(messaging.path, onHint, {
    // Folders of a message directory are not looked into.
    ...(isQueue ? { isIntermediate: isIntermediateName } : {}),
    // Ours, and those that producers of other users make; in a queue what is not there yet, and locks: an element is complete
    // with its last name, and what came before it must not delay the hint.
    ignored: (name) => name.startsWith(OWN_DIRECTORY) || (isQueue && (name.endsWith('.tmp') || name.endsWith('.lck'))),
    onTrouble: (error) => {
      if (!said) queues.warning('The spool is looked into every 5 s only: %s', error)
      said = true
    },
  })
}

/** The certificates messages are encrypted for, checked; none: they are not encrypted. */
async function findRecipients({ certificates }: SenderConfig, log: Log): Promise<readonly Certificate[]> {
  const top = log.named('ssmsend')
  const recipients = (await loadServerCerts(certificates)).map(({ certificate }) => certificate)
  if (recipients.length === 0) top.info('No server certificate supplied.  Will not encrypt messages.')
  for (const { subject } of recipients) top.info('Messages will be encrypted using %s', subject.slash)
  const unreadable = encryptionWarning(recipients, certificates)
  if (unreadable !== undefined) top.warning('%s', { message: unreadable })
  return recipients
}
