/**
 * `ssmctl`: the tool beside the two programs. Each group of verbs is a file that adds itself to the command; here are
 * only the frame, and what becomes of errors.
 *
 * The voice: results go to standard output and nothing else does; what went wrong goes to standard error, one line,
 * beginning with the verb. Exit codes: 0 done; 1 looked and the answer is no; 64 usage; others as `errors.ts` has them.
 */
import { Command, CommanderError } from 'commander'
import { ERROR_KINDS, isSsmError, messageOf } from '../errors.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { addAmsVerbs } from './ssmctl-ams.js'
import { addCertificateVerbs } from './ssmctl-certificates.js'
import { addCheckVerb } from './ssmctl-check.js'
import { addConvertDnVerb } from './ssmctl-convert-dn.js'
import { addDemoVerb } from './ssmctl-demo.js'
import { addEnvelopeVerbs } from './ssmctl-envelope.js'
import { addLogLevelVerb } from './ssmctl-log-level.js'
import { addCompletionVerb } from './ssmctl-completion.js'
import { addExplainVerb } from './ssmctl-explain.js'
import { addPkiVerbs } from './ssmctl-pki.js'
import { type Ctl, type CtlProgram, OutputClosed, createOutput } from './ssmctl-process.js'
import { addSpoolVerbs } from './ssmctl-spool.js'
import { addStatusVerb } from './ssmctl-status.js'
import { addTraceVerb } from './ssmctl-trace.js'
import { VERSION } from './version.js'

const GROUPS: readonly ((command: Command, ctl: Ctl) => void)[] = [
  addCheckVerb,
  addStatusVerb,
  addTraceVerb,
  addLogLevelVerb,
  addEnvelopeVerbs,
  addCertificateVerbs,
  addConvertDnVerb,
  addExplainVerb,
  addSpoolVerbs,
  addAmsVerbs,
  addPkiVerbs,
  addDemoVerb,
  addCompletionVerb,
]

/** Runs one command line; resolves with the exit code and never rejects. */
export async function runCtl(program: CtlProgram): Promise<number> {
  let exit = 0
  const ctl: Ctl = {
    program,
    out: createOutput(program.stdout),
    err: createOutput(program.stderr),
    action:
      (run) =>
      async (...args) => {
        exit = await run(...args)
      },
  }
  const command = createCommand(ctl)
  try {
    await command.parseAsync([...program.argv])
    return exit
  } catch (error) {
    return await explained(error, ctl, verbOf(command, program.argv.slice(2)))
  }
}

/** All verbs as commander has them: for parsing, and for the manual page. */
export function createCommand(ctl: Ctl): Command {
  const command = new Command('ssmctl')
    .description(
      'Check a set-up, look into spools and the ARGO Messaging Service, sign, verify, encrypt and decrypt messages, make throw-away certificates, see a demonstration.',
    )
    .version(`SSM ${VERSION}`, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb]', 'print help for a verb')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => ctl.program.stdout.write(text),
      writeErr: (text) => ctl.program.stderr.write(text),
    })
  for (const add of GROUPS) add(command, ctl)
  inheritSettings(command)
  return command
}

/** Commander copies settings only to verbs made by `.command()` after they were set; groups may nest. */
function inheritSettings(command: Command): void {
  for (const verb of command.commands) {
    verb.copyInheritedSettings(command)
    inheritSettings(verb)
  }
}

/** The words of the command line that are verbs: `spool list`. */
function verbOf(command: Command, words: readonly string[]): string {
  const verb = command.commands.find((each) => each.name() === words[0])
  return verb === undefined ? '' : `${verb.name()} ${verbOf(verb, words.slice(1))}`.trimEnd()
}

async function explained(error: unknown, ctl: Ctl, verb: string): Promise<number> {
  // Commander has already said what is wrong, or printed what was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERROR_KINDS.usage.exit
  if (error instanceof OutputClosed) return OutputClosed.exit
  const ours = isSsmError(error)
  const text = ours
    ? error.message
    : `internal error: ${error instanceof Error ? (error.stack ?? '') : messageOf(error)}`
  const lines = text.split('\n').map((line) => printable(line, PRINTABLE_LIMITS.sentence))
  try {
    await ctl.err.write(`ssmctl ${printable(verb)}: ${lines.join('\n')}\n`)
    if (ours && ctl.program.stderr.isTTY) await ctl.err.write(`  more: ssmctl explain ${error.code}\n`)
  } catch (failure) {
    if (!(failure instanceof OutputClosed) && !isSsmError(failure)) throw failure
    // Nobody listens: the exit code says it.
  }
  return ours ? error.exit : ERROR_KINDS.internal.exit
}
