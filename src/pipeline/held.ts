/**
 * Messages whose judgement waits for fresh trust data: durable in `.ssm/held`, judged again after each reload, oldest
 * first; those held too long go to reject with the reason they were held for.
 */
import { isSsmError } from '../errors.js'
import type { Open } from '../message.js'
import type { Logger } from '../observe/log.js'
import type { Spool } from '../spool/port.js'
import type { HeldElement, Place } from './place.js'

export interface HeldDeps {
  readonly held: Spool<HeldElement>
  readonly open: Open
  readonly place: Place
  readonly log: Logger
  readonly now: () => number
  /** After so many ms a held message is rejected. */
  readonly keep: number
}

/** Judges all held messages once more. Returns how many left. Stops early at `stop`; throws our own trouble. */
export async function judgeHeld(deps: HeldDeps, stop: AbortSignal): Promise<number> {
  let left = 0
  for await (const name of deps.held.ids()) {
    if (stop.aborted) break
    if (await judgeOne(deps, name)) left += 1
  }
  return left
}

async function judgeOne(deps: HeldDeps, name: string): Promise<boolean> {
  await using claim = await deps.held.claim(name)
  if (claim === null) return false
  let element: HeldElement
  try {
    element = await claim.read()
  } catch (error) {
    if (!isSsmError(error, 'element-damaged')) throw error
    deps.log.error('Held message %s cannot be read: %s', name, error)
    return false
  }
  const opened = await deps.open(element.body)
  if (opened.verdict === 'hold') {
    if (deps.now() - Number(element.since) < deps.keep) return false
    await deps.place({ ...opened, verdict: 'no' }, element.body, element.empaid)
  } else {
    await deps.place(opened, element.body, element.empaid)
  }
  await claim.remove()
  return true
}
