/**
 * The flags as commander has them: for parsing, for the manual pages and for completion.
 */
import { Command, CommanderError } from 'commander'
import { ERROR_KINDS } from '../errors.js'
import type { Flags, ProgramName } from './flags.js'
import type { Program } from './program.js'
import { USUAL_CONFIG, USUAL_DNS } from './usual-places.js'
import { VERSION } from './version.js'

/** As commander gives them: named after the long flag. */
interface RawFlags {
  readonly config: string
  readonly log_config?: string
  readonly dn_file?: string
  readonly printConfig?: true
  readonly check?: true
  readonly tryDestination?: true
  readonly json?: true
  readonly watch?: true
  readonly foreground?: true
  readonly daemon?: true
}

/** Parses argv. A number is an exit code: help or version were printed, or the usage was wrong and said so. */
export function readFlags(name: ProgramName, program: Program): Flags | number {
  const command = createCommand(name)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => program.stdout.write(text),
      writeErr: (text) => program.stderr.write(text),
    })
  try {
    command.parse([...program.argv])
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? 0 : ERROR_KINDS.usage.exit
  }
  const raw = command.opts<RawFlags>()
  return {
    config: raw.config,
    logConfig: raw.log_config !== undefined,
    dnFile: raw.dn_file ?? '',
    printConfig: raw.printConfig === true,
    check: raw.check === true,
    tryDestination: raw.tryDestination === true,
    json: raw.json === true,
    watch: raw.watch === true,
    foreground: raw.foreground === true,
    daemon: raw.daemon === true,
  }
}

export function createCommand(name: ProgramName): Command {
  const command = new Command(name)
    .description(
      name === 'ssmsend'
        ? 'Send what waits in the outgoing spool, signed, and end (or stay: --watch).'
        : 'Receive messages, judge them, and store them in the incoming or the reject spool.',
    )
    .option('-c, --config <file>', 'configuration file', USUAL_CONFIG[name])
    .option('-l, --log_config <file>', 'accepted and ignored: logging is configured in the configuration file')
    .option('--print-config', 'print the configuration in effect, without secrets, and end')
    .option('--check', 'check configuration, keys, trust, spool and broker, change nothing, and end: 0 good, 1 not')
    .option('--try-destination', 'with --check: try the destination too, which may make an empty queue at the broker')
    .option('--json', 'with --check: a JSON object')
    .version(`SSM ${VERSION}`, '-v, --version', 'print the version and end')
    .helpOption('-h, --help', 'print this help and end')
    .allowExcessArguments(false)
  if (name === 'ssmsend') {
    command.option('--watch', 'stay, and send as messages arrive, until SIGTERM')
  } else {
    command
      .option('-d, --dn_file <file>', 'list of the DNs that may send', USUAL_DNS)
      .option('--foreground', 'do not detach (units, containers, tests)')
      .option('--daemon', 'detach, whatever [daemon] detach says')
  }
  return command
}
