/**
 * The receiver, built by hand in the order of its life: identity, trust, spools, transport.
 */
import { existsSync } from 'node:fs'
import type { ReceiverConfig } from '../config/config.js'
import { SsmError } from '../errors.js'
import type { Open } from '../message.js'
import type { Log, Logger } from '../observe/log.js'
import { createTally, type Tally } from '../observe/tally.js'
import { systemClock } from '../os/clock.js'
import { createDisk, type Disk } from '../os/disk.js'
import { CA_DIRECTORY, watch } from '../os/watch.js'
import { makeSpool } from '../spool/foundation.js'
import { judgeHeld } from '../pipeline/held.js'
import type { Place } from '../pipeline/place.js'
import { createAmsTransport, createListenerTransport, createStompTransport } from '../transport/index.js'
import type { Transport, TransportDeps } from '../transport/port.js'
import { amsSettings, sayAms } from './ams-settings.js'
import { brokerSettings } from './broker-settings.js'
import { createTlsMaterial } from './broker-trust.js'
import { createHostPairOf, type HostPair } from './host-pair.js'
import { becomeOwner } from './owner.js'
import { warnOfPlace } from './place-warnings.js'
import { createReceiverSpools } from './receiver-spools.js'
import { createReceiverJudge } from './receiver-judge.js'
import { createRequeue, type RequeueAnswer } from './receiver-requeue.js'
import { createPeerJudge, createReceiverTrust, type ReceiverTrust, type TrustFigures } from './receiver-trust.js'
import type { Program } from './program.js'
import { lockSpool } from './single.js'
import { counted } from './status/counted.js'
import { createUnwrapThread } from './unwrap-thread.js'

/** Bytes of bodies in flight. */
const WINDOW_BYTES = 32 * 1024 * 1024

export interface Receiver extends AsyncDisposable {
  readonly transport: Transport
  readonly open: Open
  readonly place: Place
  /** What has been done since the start. */
  readonly tally: Tally
  trustFigures(): TrustFigures
  /** Before each connection: recovery, tidying, room. Throws SsmError `disk` while we could not store. */
  ready(): Promise<void>
  /** Keeps reject within its limits. Never throws. */
  tidy(): Promise<void>
  /** Has what a killed run left been dealt with? Nothing is judged before. */
  isRecovered(): boolean
  /** Reads DNs, CA directory and host certificate again. Never throws for what stays in use. */
  reload(): Promise<void>
  judgeHeld(stop: AbortSignal): Promise<number>
  /** Judges one of reject (`reject/ID`) or of the held ones (`held/ID`) again. Throws SsmError `locked` before recovery. */
  requeue(id: string): Promise<RequeueAnswer>
  /** Calls back when the CA directory changes. */
  watch(onChange: () => void): Promise<() => Promise<void>>
}

/** Throws SsmError `configuration` (a person must mend it) or `locked`. */
export async function wireReceiver(
  config: ReceiverConfig,
  dnFile: string,
  log: Log,
  program: Program,
): Promise<Receiver> {
  const top = log.named('ssmreceive')
  const { certificates, messaging } = config
  const pair = createHostPairOf(config, top)
  sayAms(config, top)
  top.info('Fetching valid DNs.')
  const trust = await createReceiverTrust(certificates, dnFile, log, systemClock)
  becomeOwner(messaging.path, program)
  warnOfPlace('receiver', messaging.path, program, top)
  const disk = createDisk()
  const unlock = await lockPath(config, disk, top)
  const spools = createReceiverSpools(config, disk, log.named('ssm.ssm2'), systemClock)
  const tally = createTally('ssmreceive', systemClock)
  const place = counted(spools.place, tally)
  const thread = createUnwrapThread({ log: top })
  const open = createReceiverJudge(config, pair, trust, log.named('ssm.crypto'), thread.unwrap)
  const { held } = spools
  const onLeft = spools.onLeft.bind(spools)
  const judging = { held, open, place, onLeft, log: top, now: () => systemClock.now(), keep: certificates.holdKeep }
  return {
    transport: createTransport(config, pair, trust, program, { log: log.named('ssm.ssm2'), clock: systemClock }),
    open,
    place,
    tally,
    trustFigures: () => trust.figures(),
    ready: () => spools.ready(),
    tidy: () => spools.tidy(),
    isRecovered: () => spools.isRecovered(),
    async reload() {
      await pair.reload()
      await trust.reload()
    },
    judgeHeld: async (stop) => (spools.isRecovered() ? await judgeHeld(judging, stop) : 0),
    requeue: createRequeue(spools, judging, disk),
    async watch(onChange) {
      const watcher = await watch(certificates.capath, onChange, CA_DIRECTORY)
      return () => watcher.close()
    },
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose]().finally(unlock),
  }
}

/** One receiver a path: exactly-once rests on it. Resolves with the release. */
async function lockPath(
  { messaging: { path, runLock } }: ReceiverConfig,
  disk: Disk,
  log: Logger,
): Promise<() => Promise<void>> {
  await makePath(disk, path)
  if (!runLock) return () => Promise.resolve()
  return await lockSpool(path, 'ssmreceive is storing into', disk, log)
}

async function makePath(disk: Disk, path: string): Promise<void> {
  try {
    await makeSpool(disk, path)
  } catch (cause) {
    if (existsSync(path)) throw cause
    throw new SsmError('configuration', `[messaging] path ${path} cannot be made: create it, owned by this user`, {
      cause,
    })
  }
}

function createTransport(
  config: ReceiverConfig,
  pair: HostPair,
  trust: ReceiverTrust,
  program: Program,
  deps: TransportDeps,
): Transport {
  const { broker, messaging, certificates } = config
  const common = {
    destination: messaging.destination,
    window: { messages: messaging.window, bytes: WINDOW_BYTES },
    maxMessageSize: messaging.maxMessageSize,
  }
  const { listen, maxConnections, heartBeat } = broker
  const ams = amsSettings(config, { window: common.window, pair, env: program.env })
  if (ams !== undefined) return createAmsTransport(ams, deps)
  if (listen === undefined) {
    const settings = brokerSettings(broker, certificates, pair, program.env)
    const { durable } = messaging
    return createStompTransport({ ...common, ...settings, ...(durable === undefined ? {} : { durable }) }, deps)
  }
  const authorizePeer = createPeerJudge(trust, certificates.checkCrls, deps.clock)
  // Clients are told the names of these CAs, to help them choose a certificate; the judge is ours.
  const named = { ...broker, ca: 'capath' } as const
  const tls = broker.useSsl ? createTlsMaterial(named, certificates, pair, program.env) : null
  return createListenerTransport({ ...common, heartBeat, tls, listen, maxConnections, authorizePeer }, deps)
}
