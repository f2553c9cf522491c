/**
 * What the receiver stores into: incoming, reject and held, with the journal that makes it once, and limits of room.
 */
import type { ReceiverConfig } from '../config/config.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../observe/log.js'
import { printable } from '../observe/printable.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { createDirectorySync, type DirectorySync } from '../os/durable.js'
import { NO_SIGNER, createPlace, type Elements, type HeldElement, type Place } from '../pipeline/place.js'
import { createHeldQuota, type HeldQuota } from '../spool/held-quota.js'
import { createExactlyOnce, type ExactlyOnce } from '../spool/journal/exactly-once.js'
import { identify } from '../spool/journal/identity.js'
import { createJournal } from '../spool/journal/journal.js'
import { openOwnDirectory } from '../spool/own-directory.js'
import { INCOMING, REJECT } from '../spool/received.js'
import { reasonOf } from './reason-of.js'
import { createRejectLimits, type Standing, type Sweep } from '../spool/reject-limits.js'
import { createRoom } from '../spool/room.js'
import { createSchemaQueue, type SchemaQueue } from '../spool/schema-queue.js'

const HELD = { body: 'binary', empaid: 'string', error: 'string', ca: 'string', since: 'string' } as const

export interface ReceiverSpools {
  /** Stores by verdict, once. Throws SsmError `disk` when there is no room. */
  readonly place: Place
  readonly held: SchemaQueue<typeof HELD>
  readonly reject: SchemaQueue<typeof REJECT>
  /** Keeps reject within its limits; says in the log what was removed, or why it could not be. */
  tidy(): Promise<void>
  /** A held message has found its place. */
  onLeft(element: HeldElement): void
  /** Has what a killed run left been dealt with? */
  isRecovered(): boolean
  /**
   * Before each connection: ends what was begun, tidies, and looks whether there is room. Throws SsmError `disk` while we
   * could not store.
   */
  ready(): Promise<void>
}

interface Queues {
  readonly incoming: SchemaQueue<typeof INCOMING>
  readonly reject: SchemaQueue<typeof REJECT>
  readonly held: SchemaQueue<typeof HELD>
}

/** What all of it works with. */
interface Tools {
  readonly disk: Disk
  readonly clock: Clock
  readonly sync: DirectorySync
  readonly log: Logger
}

/** Throws SsmError `configuration` when `.ssm` is not ours. */
export function createReceiverSpools(
  { messaging }: ReceiverConfig,
  disk: Disk,
  log: Logger,
  clock: Clock,
): ReceiverSpools {
  const { path, maxSpoolMessages: maxMessages, minFreeSpace: minFree } = messaging
  const tools = { disk, clock, sync: createDirectorySync(disk), log }
  const queues = openQueues(path, tools)
  const ledger = openLedger(messaging, queues, tools)
  const quota = createHeldQuota()
  const store = createStore(messaging.replay, counting(ledger, quota), quota, tools)
  const count = async (): Promise<number> => (await queues.incoming.count()) + (await queues.reject.count())
  const limits = openLimits(messaging, queues, tools)
  const room = createRoom({ disk, clock, path, minFree, maxMessages, count })
  let isRecovered = false
  return {
    held: queues.held,
    reject: queues.reject,
    async place(opened, wire, id) {
      using _room = await room.enter(wire.length)
      if (opened.verdict === 'no') await limits.makeRoom(wire.length)
      return await store(opened, wire, id)
    },
    tidy: () => limits.sweep(),
    onLeft: ({ ca, body }) => {
      quota.left(ca, body.length)
    },
    isRecovered: () => isRecovered,
    async ready() {
      if (!isRecovered) {
        await recover(ledger, log)
        await quota.count(disk, queues.held.path, queues.held.ids())
        isRecovered = true
        await purge(queues, ledger, log)
      }
      await ledger.settle()
      await room.assertAny()
    },
  }
}

function openQueues(path: string, shared: Tools): Queues {
  return {
    incoming: createSchemaQueue({ ...shared, path: `${path}/incoming`, schema: INCOMING }),
    reject: createSchemaQueue({ ...shared, path: `${path}/reject`, schema: REJECT }),
    held: createSchemaQueue({ ...shared, path: openOwnDirectory(shared.disk, path, 'held'), schema: HELD }),
  }
}

function openLedger(
  { path, journalKeep, duplicateWindow }: ReceiverConfig['messaging'],
  queues: Queues,
  tools: Tools,
): ExactlyOnce<Elements> {
  const onUnusable = (segment: string, error: { readonly message: string }): void => {
    tools.log.warning('The journal %s is passed by: %s', segment, error)
  }
  const journal = createJournal({ ...tools, path, keep: journalKeep, duplicateWindow, onUnusable })
  return createExactlyOnce<Elements>({ journal, queues, clock: tools.clock })
}

/** The limits of reject. Trouble with them is no reason not to receive: it is said, and tried again. */
function openLimits(
  { rejectKeep: keep, rejectMaxBytes: maxBytes }: ReceiverConfig['messaging'],
  { reject: queue }: Queues,
  { disk, clock, log }: Tools,
): { makeRoom(bytes: number): Promise<void>; sweep(): Promise<void> } {
  const limits = createRejectLimits({ queue, disk, clock, keep, maxBytes, standingOf })
  const said = async (sweeping: Promise<Sweep | undefined>): Promise<void> => {
    try {
      const { old, unverified, verified, bytes } = (await sweeping) ?? { old: 0, unverified: 0, verified: 0, bytes: 0 }
      if (old > 0) log.info('Removed %s rejected messages that are older than reject_keep.', old)
      if (unverified + verified === 0) return
      log.warning(
        'Removed the %s oldest rejected messages, %s of them with a verified signer, for reject_max_bytes: %s bytes are left.',
        unverified + verified,
        verified,
        bytes,
      )
    } catch (error) {
      log.warning('Tidying the spools failed: %s', { message: messageOf(error) })
    }
  }
  return { makeRoom: (bytes) => said(limits.makeRoom(bytes)), sweep: () => said(limits.sweep()) }
}

function standingOf(signer: string, error: string): Standing {
  if (signer !== NO_SIGNER && signer !== '') return 'verified'
  // Held too long, or too many of one CA.
  return ['crl-missing', 'crl-outdated'].includes(reasonOf(error) ?? '') ? 'unjudged' : 'unknown'
}

function createStore(
  replay: 'store' | 'reject',
  ledger: ExactlyOnce<Elements>,
  quota: HeldQuota,
  { log, clock }: Tools,
): Place {
  const isHoldFull = (ca: string, bytes: number): boolean => quota.isFull(ca, bytes)
  return createPlace({ ledger, identify, replay, log, printable, now: () => clock.now(), isHoldFull })
}

function counting(ledger: ExactlyOnce<Elements>, quota: HeldQuota): ExactlyOnce<Elements> {
  return {
    ...ledger,
    async store(queue, element, key) {
      const name = await ledger.store(queue, element, key)
      if ('ca' in element) quota.entered(element.ca, element.body.length)
      return name
    },
  }
}

async function recover(ledger: ExactlyOnce<Elements>, log: Logger): Promise<void> {
  const { finished, removed, remembered, damaged } = await ledger.recover()
  log.debug('%s stored messages are remembered.', remembered)
  if (finished > 0) log.info('Finished storing %s messages of a run that was killed.', finished)
  if (removed > 0) log.info('Removed %s messages half-written by a run that was killed: they come again.', removed)
  if (damaged > 0) log.warning('%s lines of the journal are damaged, and passed by.', damaged)
}

/** Trouble with purging is no reason not to receive: the disk may be full of what a purge would remove. */
async function purge(queues: Queues, ledger: ExactlyOnce<Elements>, log: Logger): Promise<void> {
  try {
    await queues.incoming.purge({ listed: ledger.listed('incoming') })
    await queues.reject.purge({ listed: ledger.listed('reject') })
    // Nobody but a receiver locks anything there, and the one that did is gone.
    await queues.held.purge({ listed: ledger.listed('held'), maxLock: 0.001 })
  } catch (error) {
    log.warning('Tidying the spools failed: %s', { message: messageOf(error) })
  }
}
