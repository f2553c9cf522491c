/**
 * What the token may see. The roles of a service are its operator's data: each optional route may be forbidden, and then
 * we go on without it and say so, once.
 */
import type { Logger } from '../../observe/log.js'
import type { Clock } from '../../os/clock.js'
import type { Answer } from './refusals.js'

/** Routes that we can do without, and what is then not possible. */
export const OPTIONAL = {
  subscription: 'the acknowledgement deadline is assumed to be 10 s',
  offsets: 'a doubtful acknowledge counts as not done, and a second consumer is noticed by jumps only',
  'modify-deadline': 'the acknowledgement deadline stays as it is',
  'modify-offset': 'an unreadable record cannot be stepped over from here',
  topic: 'a wrong topic shows at the first message only',
} as const

export type OptionalRoute = keyof typeof OPTIONAL

export interface Sight {
  /** The value; undefined when it is forbidden (said once) or failed otherwise. */
  look<T>(route: OptionalRoute, answer: Answer<T>): T | undefined
  isBlind(route: OptionalRoute): boolean
}

export function createSight(log: Logger): Sight {
  const forbidden = new Set<OptionalRoute>()
  return {
    look(route, answer) {
      if (answer.ok) return answer.value
      if (answer.refusal.kind === 'forbidden' && !forbidden.has(route)) {
        forbidden.add(route)
        log.info('The token may not use %s at the service: %s.', route, { message: OPTIONAL[route] })
      }
      return undefined
    },
    isBlind: (route) => forbidden.has(route),
  }
}

/** The same complaint is repeated once in ten minutes, ms. */
const AGAIN_MS = 600_000

/** Is it time to say this thing (again)? True at most once in ten minutes each. */
export function createDue(clock: Clock): (thing: string) => boolean {
  const said = new Map<string, number>()
  return (thing) => {
    const last = said.get(thing)
    if (last !== undefined && clock.monotonic() - last < AGAIN_MS) return false
    said.set(thing, clock.monotonic())
    return true
  }
}
