/** What can be typed, as the programs' own tables of verbs and flags have it: nothing is written down twice. */
import type { Command, Option } from 'commander'

export interface Word {
  readonly word: string
  readonly about: string
}

/** What may follow `ssmctl spool`, say. */
export interface Line {
  /** The words so far, one blank between two. */
  readonly path: string
  /** And values of arguments that have a closed list. */
  readonly verbs: readonly Word[]
  readonly flags: readonly Word[]
  /** Flags that a value follows: a file, mostly. */
  readonly valued: readonly string[]
  /** Values of flags that have a closed list. */
  readonly choices: Readonly<Record<string, readonly string[]>>
}

/** Every command of these programs, each before those below it. */
export function linesOf(programs: readonly Command[]): readonly Line[] {
  return programs.flatMap((program) => below(program, program.name()))
}

function below(command: Command, path: string): Line[] {
  const help = command.createHelp()
  const options = help.visibleOptions(command)
  const verbs = help.visibleCommands(command)
  const line: Line = {
    path,
    verbs: [
      ...verbs.map((verb) => ({ word: verb.name(), about: firstSentence(verb.description()) })),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) =>
        argChoices.map((word) => ({ word, about: word })),
      ),
    ],
    flags: options.flatMap((option) =>
      namesOf(option).map((word) => ({ word, about: firstSentence(option.description) })),
    ),
    valued: options.filter(({ required, optional }) => required || optional).flatMap(namesOf),
    choices: Object.fromEntries(
      options
        .flatMap((option) => namesOf(option).map((name) => [name, option.argChoices ?? []] as const))
        .filter(([, words]) => words.length > 0),
    ),
  }
  return [line, ...verbs.flatMap((verb) => below(verb, `${path} ${verb.name()}`))]
}

function namesOf({ short, long }: Option): string[] {
  return [short, long].filter((name) => name !== undefined)
}

/** One line, of characters that no shell takes for its own. */
function firstSentence(text: string): string {
  const [first = ''] = text.split(/[.:;(]\s|\n/u)
  return first.replace(/[^\p{L}\p{N} ,./=-]/gu, '').replace(/\.$/u, '')
}
