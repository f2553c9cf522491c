/**
 * Trouble that lasts is said at most once a minute; other trouble at once.
 */
import { messageOf } from '../errors.js'
import type { Clock } from '../os/clock.js'

/** The same complaint is repeated once a minute, ms. */
const COMPLAINT_INTERVAL = 60_000

/** Calls `say` with the words of an error, unless they were said less than a minute ago. */
export function createComplaint(clock: Clock): (error: unknown, say: (message: string) => void) => void {
  let last = ''
  let at = -Infinity
  return (error, say) => {
    const message = messageOf(error)
    if (message === last && clock.monotonic() - at < COMPLAINT_INTERVAL) return
    last = message
    at = clock.monotonic()
    say(message)
  }
}
