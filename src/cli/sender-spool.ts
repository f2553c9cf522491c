/**
 * The sender's spool with all that lies in its `.ssm`: run lock, claims, what was set aside, copies of what was sent. All
 * of it on one disk, so that fsyncs are shared.
 */
import type { SenderConfig } from '../config/config.js'
import type { SsmError } from '../errors.js'
import type { Log, Logger } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { createDirectorySync } from '../os/durable.js'
import type { SendDeps } from '../pipeline/send.js'
import { createFailed, type Failed } from '../spool/failed.js'
import { createMessageDirectory } from '../spool/message-directory.js'
import { createSent, type Sent } from '../spool/sent.js'
import { createSimpleQueue, type Outgoing, type OutgoingOptions } from '../spool/simple-queue.js'
import { lockSpool } from './single.js'

/** Claims are looked at this often, ms; those held for over 100 s are renewed. */
const REFRESH_CLAIMS = 30_000
/** A one-shot run waits so long for files that are being written by hand, ms. */
const SETTLE_WAIT = 5000

/** What a run of the sender does in its spool. */
export interface SenderSpool {
  readonly outgoing: Outgoing
  readonly setAside: SendDeps['setAside']
  readonly archive?: Pick<Sent, 'keep'>
  /** Before the first claim: the run lock, the locks of runs that were killed, what purging can do now. */
  readonly begin: () => Promise<void>
  /** Removes what crashed writers left, and old copies of what was sent. Throws SsmError `disk`. */
  readonly purge: () => Promise<void>
  /** Drops old copies of what was sent; nothing else. */
  readonly dropOld: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Nothing is touched before `begin`. */
export function openSenderSpool(config: SenderConfig, log: Log, stays: boolean): SenderSpool {
  const { messaging } = config
  const queues = log.named('ssm.ssm2')
  const disk = createDisk()
  const sync = createDirectorySync(disk)
  const options: OutgoingOptions = {
    path: messaging.path,
    disk,
    clock: systemClock,
    sync,
    // Who stays comes again: what is complete must not wait for what is not.
    settleWait: stays ? 0 : SETTLE_WAIT,
    onUnfinished: (id) => {
      queues.info('Message %s is still being written, and is left for the next run.', id)
    },
    ...(messaging.maxMessageSize === undefined ? {} : { maxSize: messaging.maxMessageSize }),
  }
  const outgoing = messaging.pathType === 'dirq' ? createSimpleQueue(options) : createMessageDirectory(options)
  let failed: Failed | undefined
  let archive: Sent | undefined
  // Made when it is first used: most runs find nothing to send.
  const sent = (): Sent => (archive ??= createSent({ path: messaging.path, disk, clock: systemClock, sync, onTrouble }))
  const onTrouble = (error: SsmError): void => {
    queues.warning('A copy of what was sent is confirmed by the next run only: %s', error)
  }
  const dropOld = async (): Promise<void> => {
    if (messaging.sentKeep !== undefined) await sent().purge(messaging.sentKeep)
  }
  const ending: (() => Promise<void>)[] = []
  return {
    outgoing,
    setAside: async (claim, error, attempts) => {
      failed ??= createFailed({ path: messaging.path, disk, clock: systemClock, sync })
      await failed.setAside(claim, error, attempts)
    },
    ...(messaging.sentKeep === undefined ? {} : { archive: { keep: (id, body) => sent().keep(id, body) } }),
    async begin() {
      if (messaging.runLock) ending.push(await lockSpool(messaging.path, 'ssmsend is sending from', disk, queues))
      const freed = await outgoing.recover()
      if (freed > 0) queues.info('Freed %s locks of a run that was killed.', freed)
      if (messaging.sentKeep !== undefined) await sent().recover(outgoing.has)
      await outgoing.purge()
      await dropOld()
      ending.push(keepClaimsFresh(outgoing, queues))
    },
    async purge() {
      await outgoing.purge()
      await dropOld()
    },
    dropOld,
    async close() {
      for (const end of ending.splice(0).reverse()) await end()
      await archive?.close()
      outgoing.close()
    },
  }
}

/** Renews claims that are held for long; resolves with the end of that. */
function keepClaimsFresh(outgoing: Outgoing, queues: Logger): () => Promise<void> {
  const timer = setInterval(() => {
    for (const id of outgoing.refresh()) queues.warning('The lock on %s was broken by another process.', id)
  }, REFRESH_CLAIMS)
  return () => {
    clearInterval(timer)
    return Promise.resolve()
  }
}
