/**
 * How both programs begin: configuration, log, first lines. What is wrong with the configuration goes to stderr (cron
 * mails it) and, when its `[logging]` part is good, to the log, where operators look.
 */
import { ERROR_KINDS, SsmError, isSsmError, messageOf } from '../errors.js'
import type { LoggingConfig } from '../config/config.js'
import { findLogging, type Loaded } from '../config/load.js'
import { printConfig } from '../config/print.js'
import { BREAK_LINE, createLog } from '../observe/create-log.js'
import { PRIORITIES, isJournal } from '../observe/journal.js'
import type { Log } from '../observe/log.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import type { Flags, ProgramName } from './flags.js'
import { openAsOwner } from './owner.js'
import type { Program } from './program.js'
import { changeLevel } from './status/log-level.js'
import { VERSION } from './version.js'

export interface Begun<Config> {
  readonly config: Config
  readonly log: Log
  readonly warnings: readonly string[]
}

const ROLE = { ssmsend: 'sender', ssmreceive: 'receiver' } as const

/** Loads the configuration and opens the log. A number is the exit code: everything was said. */
export function begin<Config extends { readonly logging: LoggingConfig }>(
  name: ProgramName,
  load: (file: string, cwd: string) => Loaded<Config>,
  flags: Flags,
  program: Program,
): Begun<Config> | number {
  outliveReaders(program)
  try {
    const { config, warnings, effective } = load(flags.config, program.cwd())
    if (flags.printConfig) {
      program.stdout.write(printConfig(effective))
      return 0
    }
    return { config, warnings, log: openLog(name, config.logging, program) }
  } catch (error) {
    if (!isSsmError(error)) throw error
    sayProblem(name, error, flags, program)
    return error.exit
  }
}

/**
 * Whoever reads the console may go (`| head`, a terminal that is closed, a full disk): without a listener that would end the
 * run with a stack trace, in the midst of its messages. The log file has every line all the same.
 */
function outliveReaders({ stdout, stderr }: Program): void {
  for (const stream of [stdout, stderr]) stream.on('error', () => undefined)
}

/** The first lines of a run. */
export function sayBeginning(name: ProgramName, log: Log, warnings: readonly string[], protocol: string): void {
  const top = log.named(name)
  top.info(BREAK_LINE)
  if (name === 'ssmsend') top.info('Starting sending SSM version %s.', VERSION)
  else top.info('Starting receiving SSM version %s.', VERSION)
  for (const message of warnings) top.warning('%s', { message })
  top.info('Setting up SSM with protocol: %s', protocol)
}

/**
 * SIGHUP: the file is opened again, and the level is that of the configuration now. Nothing else of it is taken up: a
 * program that stays works with what it was started with.
 */
export function createLogAgain(name: ProgramName, log: Log, flags: Flags, program: Program): () => void {
  const top = log.named(name)
  return () => {
    log.reopen()
    const before = log.level()
    const level = findLogging(flags.config, ROLE[name], program.cwd())?.level
    if (level === undefined) {
      top.warning('The level of the log stays %s: [logging] of %s cannot be read or is wrong.', before, flags.config)
    } else {
      changeLevel(log, name, level)
    }
  }
}

/** What a run that failed means for the caller. Anything unforeseen is a fault of ours. */
export function exitOf(error: unknown): number {
  return isSsmError(error) ? error.exit : ERROR_KINDS.internal.exit
}

/** An error as a value for the log: a fault of ours shows where it happened. */
export function explained(error: unknown): { readonly message: string } {
  if (error instanceof SsmError) return error
  return { message: error instanceof Error ? (error.stack ?? error.message) : messageOf(error) }
}

function openLog(name: ProgramName, { logfile, level, console, format }: LoggingConfig, program: Program): Log {
  return openAsOwner(logfile, program, (opening) =>
    createLog({
      file: logfile,
      onlyThere: opening === 'there',
      level,
      format,
      name,
      clock: systemClock,
      ...(console ? { console: (text: string) => program.stdout.write(text) } : {}),
      journal: isJournal(program, 'stdout'),
    }),
  )
}

/** Why a program that stays ends, where a person looks first: its terminal, or `systemctl status`. */
export function sayEnd(error: unknown, { console }: LoggingConfig, program: Program): void {
  if (console) return // the line of the log is there
  const mark = isJournal(program, 'stderr') ? PRIORITIES.ERROR : ''
  program.stderr.write(`${mark}${printable(messageOf(error), PRINTABLE_LIMITS.sentence)}\n`)
}

function sayProblem(name: ProgramName, error: SsmError, flags: Flags, program: Program): void {
  const lines = error.message.split('\n').map((line) => printable(line, PRINTABLE_LIMITS.sentence))
  const logging = findLogging(flags.config, ROLE[name], program.cwd())
  if (logging === undefined) {
    for (const line of lines) program.stdout.write(`${line}\n`)
    return
  }
  const mark = isJournal(program, 'stderr') ? PRIORITIES.CRITICAL : ''
  for (const line of lines) program.stderr.write(`${mark}${line}\n`)
  try {
    const log = openLog(name, { ...logging, console: false }, program)
    const top = log.named(name)
    top.info(BREAK_LINE)
    for (const message of lines) top.critical('%s', { message })
    top.critical('SSM will exit.')
    log.close()
    program.stdout.write('SSM failed to start.  See log file for details.\n')
  } catch (cause) {
    // The log itself cannot be opened: that is one more problem to say, and stderr has the others.
    const said = printable(messageOf(cause), PRINTABLE_LIMITS.sentence)
    if (!lines.includes(said)) program.stderr.write(`${said}\n`)
  }
}
