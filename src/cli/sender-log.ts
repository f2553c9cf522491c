/**
 * The log of a sender, for what `ssmctl` puts into its spool: without a line there nobody could follow a message from its
 * old id to the new one. A log that cannot be written is said, and stops nothing.
 */
import { lstatSync, statSync } from 'node:fs'
import type { LoggingConfig } from '../config/config.js'
import { findLogging, loadPlace } from '../config/load.js'
import { isSsmError, messageOf } from '../errors.js'
import { createLog, silentLogger } from '../observe/create-log.js'
import type { Log, Logger } from '../observe/log.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { becomeOwner } from './owner.js'
import { assertPathOf, isSamePath } from './same-path.js'
import type { Ctl } from './ssmctl-process.js'
import { USUAL_CONFIG } from './usual-places.js'

const USUAL = USUAL_CONFIG.ssmsend

export const LOG_OPTION = [
  '-c, --config <file>',
  `configuration of its sender, whose log will tell of it (default: ${USUAL}, when this is its spool)`,
] as const

export interface SenderLog {
  readonly log: Logger
  /** Hands what was logged to the system: it is in the file when the process is killed afterwards. */
  readonly flush: () => void
  /** Why there is none. */
  readonly missing?: string
  close(): void
}

/**
 * Opens the log, and becomes the owner of the spool. Throws SsmError `usage` or `configuration` for a file that was named
 * and is not this spool's, and as `becomeOwner` does.
 */
export function becomeOwnerWithLog(dir: string, named: string | undefined, { program }: Ctl): SenderLog {
  const logging = named === undefined ? usual(dir, program.cwd()) : ofFile(dir, named, program.cwd())
  // As the programs do: one that is there may be root's. One that is not must not become so.
  const early = typeof logging === 'object' && isFile(logging.logfile) ? open(logging) : undefined
  becomeOwner(dir, program)
  const log = early ?? (typeof logging === 'object' ? open(logging) : logging)
  if (typeof log === 'string') return { log: silentLogger, missing: log, flush: nothing, close: nothing }
  return {
    log: log.named('ssmctl'),
    flush: () => {
      log.flush()
    },
    close: () => {
      log.close()
    },
  }
}

const nothing = (): void => undefined

/** Says on standard error that nothing was logged, when there was something to log. */
export async function sayUnlogged(verb: string, count: number, { missing }: SenderLog, ctl: Ctl): Promise<void> {
  if (count === 0 || missing === undefined) return
  const why = printable(missing, PRINTABLE_LIMITS.sentence)
  await ctl.err.write(`ssmctl spool ${verb}: done, but no log tells of it, for ssmctl trace to follow: ${why}\n`)
}

/** A sentence when there is none. */
function usual(dir: string, cwd: string): LoggingConfig | string {
  const hint = "name the configuration of this spool's sender with -c"
  try {
    if (isSamePath(loadPlace(USUAL, 'sender', cwd).path, dir)) return loggingOf(USUAL, cwd)
    return `${USUAL} is that of another spool: ${hint}`
  } catch (error) {
    if (!isSsmError(error)) throw error
    return `${error.message.split('\n')[0] ?? ''}: ${hint}`
  }
}

function ofFile(dir: string, file: string, cwd: string): LoggingConfig | string {
  assertPathOf(file, loadPlace(file, 'sender', cwd).path, dir)
  return loggingOf(file, cwd)
}

function loggingOf(file: string, cwd: string): LoggingConfig | string {
  return findLogging(file, 'sender', cwd) ?? `[logging] of ${file} cannot be read or is wrong: ssmctl check -c ${file}`
}

/** Not a link: that is followed with the rights of the spool's owner. */
function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/** A terminal or a pipe keeps nothing, and may be our own standard output. */
function open({ logfile, level, format }: LoggingConfig): Log | string {
  try {
    const isOther = statSync(logfile, { throwIfNoEntry: false })?.isFile() === false
    if (isOther) return `${logfile} is not a file in which lines stay`
    return createLog({ file: logfile, level, format, name: 'ssmctl', clock: systemClock })
  } catch (error) {
    return messageOf(error)
  }
}
