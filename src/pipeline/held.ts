/**
 * Messages whose judgement waits for fresh trust data: durable in `.ssm/held`, judged again after each reload, oldest
 * first; those held too long go to reject with the reason they were held for.
 *
 * Stored first, removed here then: what is killed in between is recognised as stored when it is judged the next time.
 */
import { isSsmError, messageOf, type SsmError } from '../errors.js'
import type { Open, Opened } from '../message.js'
import type { Logger } from '../observe/log.js'
import type { Spool } from '../spool/port.js'
import { isOurTrouble } from './judge.js'
import type { HeldElement, Place, Placed } from './place.js'
import { createFlowWindow } from './window.js'

export interface HeldDeps {
  readonly held: Spool<HeldElement>
  readonly open: Open
  readonly place: Place
  readonly log: Logger
  readonly now: () => number
  /** After so many ms a held message is rejected. */
  readonly keep: number
  /** Called for each that is gone from `held`. */
  readonly onLeft: (element: HeldElement) => void
}

/** Judged at a time: they share fsyncs. */
const WINDOW = { messages: 8, bytes: Number.POSITIVE_INFINITY }

/** Judges all held messages once more. Returns how many left. Stops early at `stop`, throws our own trouble; what is wrong with one stops none of the others. */
export async function judgeHeld(deps: HeldDeps, stop: AbortSignal): Promise<number> {
  const window = createFlowWindow(WINDOW)
  let left = 0
  let trouble: SsmError | undefined
  const judge = async (name: string): Promise<void> => {
    try {
      if ((await judgeHeldOne(deps, name)) !== undefined) left += 1
    } catch (error) {
      if (isOurTrouble(error)) trouble ??= error
      else deps.log.error('Held message %s stays held: %s', name, { message: messageOf(error) })
    } finally {
      window.leave(0)
    }
  }
  for await (const name of deps.held.ids()) {
    await window.enter(0)
    if (stop.aborted || trouble !== undefined) {
      window.leave(0)
      break
    }
    void judge(name)
  }
  await window.idle()
  if (trouble !== undefined) throw trouble
  return left
}

/** Where it is now; undefined: it stays held. */
export async function judgeHeldOne(deps: HeldDeps, name: string): Promise<Placed | undefined> {
  await using claim = await deps.held.claim(name)
  if (claim === null) return undefined
  let element: HeldElement
  try {
    element = await claim.read()
  } catch (error) {
    if (!isSsmError(error, 'element-damaged')) throw error
    deps.log.error('Held message %s cannot be read: %s', name, error)
    return undefined
  }
  const opened = await deps.open(element.body)
  if (opened.verdict === 'hold' && deps.now() - Number(element.since) < deps.keep) return undefined
  const judged: Opened = opened.verdict === 'hold' ? { ...opened, verdict: 'no' } : opened
  const placed = await deps.place(judged, element.body, element.empaid)
  await claim.remove()
  deps.onLeft(element)
  return placed
}
