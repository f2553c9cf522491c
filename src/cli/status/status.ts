/** How a running program is: what it counted, what lies in its spools, how fresh its trust is, and whether all is well. */
import { optional } from '../../config/optional.js'
import type { ReceiverConfig, SenderConfig } from '../../config/config.js'
import { messageOf } from '../../errors.js'
import { PRINTABLE_LIMITS, printable } from '../../observe/printable.js'
import type { Tally, TallyProgram, TallyView } from '../../observe/tally.js'
import { systemClock } from '../../os/clock.js'
import { createDisk } from '../../os/disk.js'
import { receiverFigures, senderFigures, type ReceiverFigures, type SenderFigures } from '../../spool/figures.js'
import type { Program } from '../program.js'
import { requeueVerb } from '../receiver-requeue.js'
import type { TrustFigures } from '../receiver-trust.js'
import { VERSION } from '../version.js'
import type { Receiver } from '../wire-receiver.js'
import { lookAtHeld, type HeldView } from './held.js'
import { remembered } from './remembered.js'
import type { Verbs } from './verbs.js'

export type SpoolFigures = ReceiverFigures | SenderFigures

/** All of it is safe to print. Times are ISO 8601, UTC. */
export interface Status extends TallyView {
  readonly program: TallyProgram
  readonly version: string
  readonly pid: number
  readonly path: string
  readonly now: string
  readonly health: Health
  /** undefined: they cannot be looked at, `spoolsFailed` says why. */
  readonly spools?: SpoolFigures
  readonly spoolsFailed?: string
  readonly trust?: TrustFigures
  /** Of a receiver. Absent: nothing is held. */
  readonly held?: HeldView
}

export interface Health {
  readonly ok: boolean
  readonly words: string
}

/** A count is believed so long, ms. */
const FRESH = 2000

export type GetStatus = () => Promise<Status>

/** The verbs of a receiver. */
export function receiverVerbs(status: GetStatus, receiver: Pick<Receiver, 'requeue' | 'reload'>): Verbs {
  return { status: () => status(), requeue: requeueVerb(receiver) }
}

export function receiverStatus(
  { tally, trustFigures }: Pick<Receiver, 'tally' | 'trustFigures'>,
  { messaging: { path }, certificates: { holdKeep } }: ReceiverConfig,
  { pid }: Program,
): GetStatus {
  const disk = createDisk()
  const look = async (): Promise<Pick<Status, 'spools' | 'held'>> => {
    const spools = await receiverFigures(disk, path)
    return { spools, ...optional('held', await lookAtHeld(disk, path, spools.held, holdKeep)) }
  }
  const figures = remembered(look, systemClock, FRESH)
  return async () => ({
    ...about('ssmreceive', tally, path, pid),
    ...(await orWhy(figures)),
    trust: trustFigures(),
  })
}

export function senderStatus(
  tally: Tally,
  { messaging: { path, pathType } }: SenderConfig,
  { pid }: Program,
): GetStatus {
  const look = async () => ({ spools: await senderFigures(createDisk(), path, pathType) })
  const figures = remembered(look, systemClock, FRESH)
  return async () => ({ ...about('ssmsend', tally, path, pid), ...(await orWhy(figures)) })
}

function about(program: TallyProgram, tally: Tally, path: string, pid: number): Status {
  const view = tally.view()
  const now = new Date(systemClock.now()).toISOString()
  return { program, version: VERSION, pid, path, now, health: healthOf(view), ...view }
}

function healthOf({ link }: TallyView): Health {
  if (link.state === 'connected') return { ok: true, words: 'connected' }
  if (link.state === 'connecting') return { ok: false, words: 'not connected yet' }
  return { ok: false, words: `${link.paused ? 'paused' : 'not connected'}: ${link.why}` }
}

type Figures = Pick<Status, 'spools' | 'spoolsFailed' | 'held'>

async function orWhy(figures: () => Promise<Figures>): Promise<Figures> {
  try {
    return await figures()
  } catch (error) {
    return { spoolsFailed: printable(messageOf(error), PRINTABLE_LIMITS.sentence) }
  }
}
