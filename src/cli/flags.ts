/**
 * The flags of `ssmsend` and `ssmreceive`: the reference's, and ours beside them.
 */
import { existsSync } from 'node:fs'
import type { Program } from './program.js'
import { USUAL_CONFIG, USUAL_DNS } from './usual-places.js'

export interface Flags {
  readonly config: string
  /** A configuration of logging was named, as for versions of old. */
  readonly logConfig: boolean
  readonly dnFile: string
  readonly printConfig: boolean
  readonly check: boolean
  /** With `check`. */
  readonly tryDestination: boolean
  readonly json: boolean
  readonly watch: boolean
  readonly foreground: boolean
  readonly daemon: boolean
}

export type ProgramName = 'ssmsend' | 'ssmreceive'

/** The separate logging configuration of old: its presence is worth a warning. */
const OLD_LOG_CONFIG = '/etc/apel/logging.cfg'

/** Parses argv. A number is an exit code: help or version were printed, or the usage was wrong and said so. */
export async function parseFlags(name: ProgramName, program: Program): Promise<Flags | number> {
  const flags = usualFlags(name, program.argv.slice(2)) ?? (await unusualFlags(name, program))
  if (typeof flags === 'number') return flags
  if (flags.logConfig || existsSync(OLD_LOG_CONFIG)) {
    program.stderr.write('Separate logging config file option has been deprecated.\n')
  }
  return flags
}

async function unusualFlags(name: ProgramName, program: Program): Promise<Flags | number> {
  const { readFlags } = await import('./flag-command.js')
  return readFlags(name, program)
}

/**
 * The command lines of cron jobs and units, `ssmsend` and `ssmsend -c FILE`, are read without commander: it costs 7 of the
 * 64 ms of CPU that a run takes which finds nothing to send.
 */
function usualFlags(name: ProgramName, args: readonly string[]): Flags | undefined {
  const [flag, file = ''] = args
  const isUsual =
    args.length === 0 || (args.length === 2 && (flag === '-c' || flag === '--config') && /^[^-]/u.test(file))
  if (!isUsual) return undefined
  return {
    config: args.length === 0 ? USUAL_CONFIG[name] : file,
    dnFile: name === 'ssmreceive' ? USUAL_DNS : '',
    logConfig: false,
    printConfig: false,
    check: false,
    tryDestination: false,
    json: false,
    watch: false,
    foreground: false,
    daemon: false,
  }
}
