/** Letting others run in the middle of long synchronous work. */
import { setImmediate as turn } from 'node:timers/promises'

/** Resolves after pending input and timers have had their turn. */
export function nextTurn(): Promise<void> {
  return turn()
}
