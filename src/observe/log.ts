/**
 * The log port. Formats are constant text with `%s`; every value goes through `printable`, the one function that makes
 * outside text safe. So the vocabulary of the log is the set of formats in the source, and a test reads it from there.
 */

export type Level = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'

/** Operators filter by these names: the program, connection and queues, cryptography. */
export type LoggerName = 'ssmsend' | 'ssmreceive' | 'ssmctl' | 'ssm.ssm2' | 'ssm.crypto'

/** A value for `%s`: outside text (cut at 256 characters), a number, or a sentence of ours such as an Error (cut at 2 048). */
export type Printable = string | number | { readonly message: string }

/** Writes lines under one name. A call never throws and never waits. */
export interface Logger {
  debug(format: string, ...values: readonly Printable[]): void
  info(format: string, ...values: readonly Printable[]): void
  warning(format: string, ...values: readonly Printable[]): void
  error(format: string, ...values: readonly Printable[]): void
  critical(format: string, ...values: readonly Printable[]): void
}

/** The whole log of a process. */
export interface Log {
  named(name: LoggerName): Logger
  /** The least level that is logged. */
  level(): Level
  /** From now on, for all names. */
  setLevel(level: Level): void
  /** What was logged is handed to the system before anything else happens. */
  flush(): void
  /** Close and open the file again (SIGHUP, logrotate). */
  reopen(): void
  /** Write what is pending and close. */
  close(): void
}
