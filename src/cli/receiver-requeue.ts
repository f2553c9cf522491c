/**
 * Judging what lies in reject or held again, at an operator's word: by the receiver that runs, or by `ssmctl` that has its
 * lock. Names are those that `ssmctl spool list` prints for the receiver's path.
 */
import { SsmError, isSsmError, messageOf } from '../errors.js'
import type { Disk } from '../os/disk.js'
import { readRegularFile } from '../os/safe-open.js'
import { judgeHeldOne, type HeldDeps } from '../pipeline/held.js'
import type { Placed } from '../pipeline/place.js'
import { requeue, type Requeued } from '../pipeline/requeue.js'
import { parseElementPath } from '../spool/names.js'
import type { ReceiverSpools } from './receiver-spools.js'
import type { Verb } from './status/verbs.js'

/** What became of one. Of the held ones: `accepted`, `rejected`, `dropped` (banned), or `held` still. */
export type RequeueAnswer =
  | Requeued
  | { readonly outcome: 'accepted' | 'rejected'; readonly name: string }
  | { readonly outcome: 'dropped' | 'held' }
  /** Trouble of ours: it stays, and so will the others. */
  | { readonly outcome: 'failed'; readonly detail: string }

/** So many are judged at a time: they share their fsyncs. */
export const REQUEUED_TOGETHER = 16

/** As for the incoming message. */
const BODY_LIMIT = 256 * 1024 * 1024

/** Throws SsmError `usage` for what is no name, `locked` before recovery, `disk`, `no-trust`, `lock-lost`. */
export function createRequeue(
  spools: ReceiverSpools,
  held: HeldDeps,
  disk: Disk,
): (id: string) => Promise<RequeueAnswer> {
  const { reject } = spools
  const bodyOf = (name: string): Promise<Uint8Array | undefined> =>
    parseElementPath(name) === undefined ? Promise.resolve(undefined) : readBody(disk, `${reject.path}/${name}/body`)
  return async (id) => {
    const [folder, name] = partsOf(id)
    if (!spools.isRecovered()) {
      throw new SsmError('locked', 'the receiver has not yet dealt with what the run before it left: try again')
    }
    held.log.info('Judging message %s again.', id)
    if (folder === 'held') return ofHeld(await judgeHeldOne(held, name))
    const answer = await requeue({ reject, bodyOf, open: held.open, place: held.place }, name)
    if (answer.outcome === 'stored') {
      held.log.info('Message %s of reject, which came as %s, is accepted: it is stored as %s.', name, answer.empaid, answer.name) // prettier-ignore
    }
    return answer
  }
}

function partsOf(id: string): readonly ['reject' | 'held', string] {
  const [folder, name] = [id.slice(0, -24), id.slice(-23)]
  if (parseElementPath(name) !== undefined && id.at(-24) === '/' && (folder === 'reject' || folder === 'held')) {
    return [folder, name]
  }
  throw new SsmError('usage', `${JSON.stringify(id.slice(0, 64))} is no reject/ID or held/ID`)
}

function ofHeld(placed: Placed | undefined): RequeueAnswer {
  if (placed === undefined) return { outcome: 'held' }
  const { queue, name } = placed
  if (queue === 'incoming') return { outcome: 'accepted', name }
  return queue === 'dropped' ? { outcome: 'dropped' } : { outcome: 'rejected', name }
}

async function readBody(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  try {
    return (await readRegularFile(disk, path, BODY_LIMIT))?.bytes
  } catch (error) {
    // Then it is no copy that could be relied on.
    if (isSsmError(error, 'element-damaged')) return undefined
    throw error
  }
}

/** Each one's answer, in order. Never throws: what is trouble of ours is said of the one it came with. */
export function requeueAll(
  one: (id: string) => Promise<RequeueAnswer>,
  ids: readonly string[],
): Promise<RequeueAnswer[]> {
  const failed = (error: unknown): RequeueAnswer => ({ outcome: 'failed', detail: messageOf(error) })
  return Promise.all(ids.map((id) => one(id).catch(failed)))
}

/** The verb of the status socket: `{"ids":[…],"reload":true}`, answered with a list of answers. */
export function requeueVerb(receiver: { requeue(id: string): Promise<RequeueAnswer>; reload(): Promise<void> }): Verb {
  return async ({ ids, reload }) => {
    if (!isIds(ids)) throw new SsmError('usage', `"ids" is a list of at most ${REQUEUED_TOGETHER} names`)
    // Whoever asks has just added a DN: it counts now.
    if (reload === true) await receiver.reload()
    return await requeueAll((id) => receiver.requeue(id), ids)
  }
}

function isIds(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= REQUEUED_TOGETHER && value.every((each) => typeof each === 'string')
}

const OUTCOMES: Readonly<Record<RequeueAnswer['outcome'], true>> = {
  ...{ stored: true, refused: true, foreign: true, damaged: true, locked: true },
  ...{ accepted: true, rejected: true, dropped: true, held: true, failed: true },
}

/** What came over the socket. Throws SsmError `unreachable`. */
export function parseAnswers(value: unknown, count: number): readonly RequeueAnswer[] {
  const isAnswer = (each: unknown): each is RequeueAnswer =>
    // The rest of its fields are those that the same program writes.
    typeof each === 'object' && each !== null && 'outcome' in each && Object.hasOwn(OUTCOMES, String(each.outcome))
  if (Array.isArray(value) && value.length === count && value.every(isAnswer)) return value
  throw new SsmError('unreachable', 'the receiver that runs answers otherwise than this version of ssmctl expects')
}
