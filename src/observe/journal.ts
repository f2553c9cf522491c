/** Output that is read by the journal of systemd. */
import { fstatSync } from 'node:fs'
import type { Level } from './log.js'

/** syslog(3): debug, info, warning, err, crit. Read by journald from each line (SyslogLevelPrefix= of systemd.exec(5)). */
export const PRIORITIES: Readonly<Record<Level, string>> = {
  DEBUG: '<7>',
  INFO: '<6>',
  WARNING: '<4>',
  ERROR: '<3>',
  CRITICAL: '<2>',
}

interface Outputs {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: { readonly fd: number }
  readonly stderr: { readonly fd: number }
}

/**
 * systemd.exec(5): `JOURNAL_STREAM` names device and inode of what it connected. A program that was started by another one
 * inherits the variable, and not always the stream: so both are compared. Never throws.
 */
export function isJournal(program: Outputs, output: 'stdout' | 'stderr'): boolean {
  const { JOURNAL_STREAM: stream } = program.env
  if (stream === undefined || stream === '') return false
  try {
    // Asked for only now: Node makes the stream when somebody does.
    const { dev, ino } = fstatSync(program[output].fd, { bigint: true })
    return stream === `${dev}:${ino}`
  } catch {
    return false // closed
  }
}
