/**
 * Process 1, as in containers, does not end at a signal that it has no handler for: one that came while a program starts, or
 * to a program without handlers, would be lost, and `docker stop` wait in vain and kill.
 */
import { constants } from 'node:os'
import type { Program } from './program.js'

/** As process 1, SIGTERM and SIGINT do what they do to any other process, unless somebody else listens. */
export function endAtSignals(program: Program): void {
  if (program.pid !== 1) return
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    program.on(signal, () => {
      if (program.listenerCount(signal) === 1) program.exit(128 + constants.signals[signal])
    })
  }
}
