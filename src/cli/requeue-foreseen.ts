/**
 * `ssmctl spool requeue --dry-run`: what would become of them, judged with the files as they are now. Nothing is locked or
 * written, and a receiver that runs is not asked: it would have to read its trust again.
 */
import type { ReceiverConfig } from '../config/config.js'
import { isSsmError } from '../errors.js'
import type { Open, Opened, Reason } from '../message.js'
import { createLog } from '../observe/create-log.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { judgeAgain } from '../pipeline/requeue.js'
import { createHostPairOf } from './host-pair.js'
import { becomeOwner } from './owner.js'
import { createReceiverJudge } from './receiver-judge.js'
import { createReceiverTrust } from './receiver-trust.js'
import { viewSpool, type SpoolView } from './spool-view.js'
import type { Ctl } from './ssmctl-process.js'

/** `locked`, `foreign` and `damaged` would be skipped. */
interface Foreseen {
  readonly would: 'accept' | 'stay' | 'reject' | 'drop' | 'locked' | 'foreign' | 'damaged'
  readonly reason?: Reason
  /** Outside text. */
  readonly detail?: string
}

const WORDS: Readonly<Record<Foreseen['would'], string>> = {
  accept: 'would be accepted',
  stay: 'would stay',
  reject: 'would be refused',
  drop: 'would be dropped',
  locked: 'would be skipped: locked',
  foreign: 'would be skipped: not S/MIME',
  damaged: 'would be skipped: damaged',
}

/** Says it, and returns the exit code of the real run. Throws SsmError `configuration`, `no-trust`, `disk`. */
export async function sayForeseen(
  config: ReceiverConfig,
  dnFile: string,
  ids: readonly string[],
  json: boolean,
  ctl: Ctl,
): Promise<number> {
  const open = await createOpener(config, dnFile, ctl)
  const { path } = config.messaging
  const spool = await viewSpool(createDisk(), path)
  let exit = 0
  for (const id of ids) {
    const seen = await foresee(spool, id, open, config.certificates.holdKeep)
    if (seen.would !== 'accept') exit = 1
    const detail = printable(seen.detail ?? '', PRINTABLE_LIMITS.sentence)
    const words = seen.reason === undefined ? WORDS[seen.would] : `${WORDS[seen.would]}: ${seen.reason}`
    const object = { id, ...seen, ...(seen.detail === undefined ? {} : { detail }) }
    await ctl.out.write(json ? `${JSON.stringify(object)}\n` : `${[id, words, detail].join('\t')}\n`)
  }
  return exit
}

async function createOpener(config: ReceiverConfig, dnFile: string, { program }: Ctl): Promise<Open> {
  // What it has to say is said by the receiver, and by `ssmctl check`.
  const log = createLog({ level: 'CRITICAL', format: 'ssm', name: 'ssmctl', clock: systemClock })
  const pair = createHostPairOf(config, log.named('ssmctl'))
  const trust = await createReceiverTrust(config.certificates, dnFile, log, systemClock)
  becomeOwner(config.messaging.path, program)
  return createReceiverJudge(config, pair, trust, log.named('ssmctl'))
}

async function foresee(spool: SpoolView, id: string, open: Open, keep: number): Promise<Foreseen> {
  const view = await spool.element(id)
  if (view === undefined || view.locked !== undefined) return { would: 'locked' }
  const body = await bodyOf(spool, id)
  if (typeof body === 'string') return { would: 'damaged', detail: body }
  if (!id.startsWith('held/')) return await foreseeRejected(open, body)
  const isOld = systemClock.now() - view.added >= keep
  return foreseeHeld(await open(body), isOld)
}

async function foreseeRejected(open: Open, body: Uint8Array): Promise<Foreseen> {
  const judged = await judgeAgain(open, body)
  if (judged.outcome === 'good') return { would: 'accept', detail: judged.opened.signer.slash }
  return judged.outcome === 'foreign' ? { would: 'foreign' } : { would: 'stay', reason: judged.reason, detail: judged.detail } // prettier-ignore
}

function foreseeHeld(opened: Opened, isOld: boolean): Foreseen {
  if (opened.verdict === 'ok') return { would: 'accept', detail: opened.signer.slash }
  const { reason, detail } = opened
  if (opened.verdict === 'hold' && !isOld) return { would: 'stay', reason, detail }
  return { would: reason === 'banned' ? 'drop' : 'reject', reason, detail }
}

/** A sentence when there is none. */
async function bodyOf(spool: SpoolView, id: string): Promise<Uint8Array | string> {
  try {
    return (await spool.body(id)) ?? 'it has no body'
  } catch (error) {
    if (!isSsmError(error, 'element-damaged')) throw error
    return error.message
  }
}
