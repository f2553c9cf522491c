/**
 * The log: `2026-11-20 14:18:06,423 - NAME - LEVEL - message` in local time, or one JSON object a line. It never throws
 * after it was opened, never waits, and prints no outside text that did not go through `printable`.
 */
import type { Clock } from '../os/clock.js'
import type { Level, Log, Logger, LoggerName, Printable } from './log.js'
import { PRIORITIES } from './journal.js'
import { PRINTABLE_LIMITS, printable } from './printable.js'
import { createSink } from './sink.js'

/** A run begins and ends with this line, logged at INFO. */
export const BREAK_LINE = '='.repeat(40)

/** Least first. The names as they are printed. */
export const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const satisfies readonly Level[]

export type LogFormat = 'ssm' | 'json'

export interface LogOptions {
  readonly file?: string
  /** The file is there already, and no link; else it is not opened. */
  readonly onlyThere?: boolean
  /** Receives whole lines, each with its line end; several at a time. Must not throw. */
  readonly console?: (text: string) => void
  /** The console is the journal of systemd: each line there begins with its priority. */
  readonly journal?: boolean
  /** Lines below it are not made. */
  readonly level: Level
  readonly format: LogFormat
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  /** Under which name the log speaks of itself (lost lines, a file that cannot be opened again). */
  readonly name: LoggerName
}

interface Entry {
  readonly at: number
  readonly name: LoggerName
  readonly level: Level
  readonly format: string
  readonly values: readonly Printable[]
}

type LineMaker = (entry: Entry) => string

/** Throws SsmError `configuration` when `file` cannot be opened. `close()` it at the end: what is pending is written then. */
export function createLog(options: LogOptions): Log {
  const { clock, name: own } = options
  const line = options.format === 'json' ? jsonLine : createTextLine()
  const sink = createSink({
    ...(options.file === undefined ? {} : { file: options.file }),
    onlyThere: options.onlyThere ?? false,
    ...(options.console === undefined ? {} : { console: options.console }),
    complain: (message) => line({ at: clock.now(), name: own, level: 'WARNING', format: '%s', values: [{ message }] }),
    monotonic: () => clock.monotonic(),
  })
  let { level: least } = options
  let leastRank = LEVELS.indexOf(least)
  return {
    named: (name) =>
      createLogger((level) => {
        const rank = LEVELS.indexOf(level)
        const urgent = rank >= LEVELS.indexOf('ERROR') // on disk before a program that is in trouble may end
        const mark = options.journal ? PRIORITIES[level] : ''
        return (format, ...values) => {
          if (rank < leastRank) return
          sink.write(line({ at: clock.now(), name, level, format, values }), mark)
          if (urgent) sink.flush()
        }
      }),
    level: () => least,
    setLevel: (level) => {
      least = level
      leastRank = LEVELS.indexOf(level)
    },
    flush: () => {
      sink.flush()
    },
    reopen: () => {
      sink.reopen()
    },
    close: () => {
      sink.close()
    },
  }
}

/** A log without a place, for libraries and tests. */
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warning: nothing,
  error: nothing,
  critical: nothing,
}

function nothing(): void {
  // a level that is off
}

function createLogger(at: (level: Level) => Logger['info']): Logger {
  return { debug: at('DEBUG'), info: at('INFO'), warning: at('WARNING'), error: at('ERROR'), critical: at('CRITICAL') }
}

/** `format` with each `%s` replaced by the next value. Values left over are appended: better seen than lost. */
export function filled(format: string, values: readonly Printable[]): string {
  let text = ''
  let from = 0
  for (const value of values) {
    const at = format.indexOf('%s', from)
    if (at === -1) {
      text += `${format.slice(from)} ${shown(value)}`
      from = format.length
    } else {
      text += format.slice(from, at) + shown(value)
      from = at + 2
    }
  }
  return text + format.slice(from)
}

function shown(value: Printable): string {
  if (typeof value === 'string') return printable(value)
  return typeof value === 'number' ? String(value) : printable(value.message, PRINTABLE_LIMITS.sentence)
}

/** Dates are costly and change once a second only. */
function createTextLine(): LineMaker {
  let second = NaN
  let stamp = ''
  return ({ at, name, level, format, values }) => {
    const now = Math.floor(at / 1000)
    if (now !== second) {
      second = now
      stamp = localStamp(new Date(at))
    }
    const ms = Math.floor(at) - now * 1000
    return `${stamp},${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms} - ${name} - ${level} - ${filled(format, values)}`
  }
}

function localStamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/**
 * For collectors: `format` is what docs/operations.md explains, and the same for all lines of a kind. The values are text
 * throughout: a store that once saw a number in their place would refuse the lines with text there.
 */
const jsonLine: LineMaker = ({ at, name, level, format, values }) =>
  JSON.stringify({
    time: new Date(at).toISOString(),
    level,
    logger: name,
    message: filled(format, values),
    fields: { format, values: values.map(shown) },
  })
