/** `ssmctl explain`: what a reason, an error code or a line of a log means, and what to try. */
import type { Command } from 'commander'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { createPaint, hasColour, type Paint } from './colour.js'
import type { ExplainedKind, Explanation } from './explain/explain.js'
import { readAll, type Ctl } from './ssmctl-process.js'

interface Flags {
  readonly json?: true
}

/** Of lines to be explained. */
const MOST_BYTES = 1024 * 1024
const MOST_LINES = 1000

export function addExplainVerb(command: Command, ctl: Ctl): void {
  command
    .command('explain')
    .argument(
      '[what...]',
      'a reason, an error code, or a line of a log; -: lines of standard input; none: list all words',
    )
    .option('--json', 'an object for each')
    .description('Say what it means, and what to try. Exit code 1: it is not known.')
    .action(ctl.action((what: string[], flags: Flags) => explain(what, flags, ctl)))
}

async function explain(what: readonly string[], flags: Flags, ctl: Ctl): Promise<number> {
  const { explainLine, explainWord, explanations, suggest } = await import('./explain/explain.js')
  const say = createSayer(flags, ctl)
  if (what.length === 0) {
    for (const kind of ['reason', 'code'] as const) await listAll(kind, explanations(kind), flags, ctl)
    return 0
  }
  const lines = what.length === 1 && what[0] === '-' ? await readLines(ctl) : linesIn(what.join(' '))
  let exit = 0
  for (const line of lines) {
    const word = explainWord(line.trim())
    const known = word.length > 0 ? word : explainLine(line)
    for (const each of known) await say(each)
    if (known.length > 0) continue
    exit = 1
    const near = suggest(line.trim())
    const hint = near === undefined ? 'docs/operations.md has all lines' : `did you mean ${near}?`
    await ctl.err.write(`ssmctl explain: nothing is known of ${printable(line)}: ${hint}\n`)
  }
  return exit
}

/** Between runs, for developers, and what a check says around its findings: nowhere explained. */
const UNLISTED = /={40}$| - DEBUG - |"level":"DEBUG"|^\s*→ |^✓ |^(?:sender|receiver) with |^\d+ good, /u

/** Several are pasted too. */
function linesIn(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.length === 1 ? lines : lines.filter((line) => !UNLISTED.test(line))
}

async function readLines(ctl: Ctl): Promise<readonly string[]> {
  const said = linesIn((await readAll(ctl.program.stdin, MOST_BYTES)).toString('utf8'))
  if (said.length > MOST_LINES) throw new SsmError('limit', `more than ${MOST_LINES} lines: explain some of them`)
  return said
}

async function listAll(kind: ExplainedKind, all: readonly Explanation[], flags: Flags, ctl: Ctl): Promise<void> {
  for (const each of all) {
    await ctl.out.write(flags.json === true ? `${JSON.stringify(each)}\n` : `${kind}\t${each.name}\t${each.meaning}\n`)
  }
}

/** The same line may be meant many times: it is explained once. */
function createSayer(flags: Flags, ctl: Ctl): (explanation: Explanation) => Promise<void> {
  const paint = createPaint(hasColour(ctl.program))
  const said = new Set<string>()
  return async (explanation) => {
    const key = `${explanation.kind} ${explanation.level ?? ''} ${explanation.name}`
    if (said.has(key)) return
    const gap = said.size === 0 ? '' : '\n'
    said.add(key)
    await ctl.out.write(
      flags.json === true ? `${JSON.stringify(explanation)}\n` : `${gap}${asText(explanation, paint)}`,
    )
  }
}

const KINDS: Readonly<Record<ExplainedKind, string>> = {
  reason: 'why a message is refused or held',
  code: 'how something of ours failed',
  log: 'a line of the log',
  sentence: 'a warning',
  inside: 'in a line',
  check: 'a concern of ssmctl check',
  words: 'words on standard output',
}

function asText({ kind, name, level, exit, meaning, remedy }: Explanation, paint: Paint): string {
  const about = [KINDS[kind], level, exit === undefined ? undefined : `exit code ${exit}`].filter(
    (each) => each !== undefined,
  )
  const lines = [`${paint('bold', name)} ${paint('dim', `(${about.join(', ')})`)}`, `  means: ${meaning}`]
  return `${[...lines, ...(remedy === '' ? [] : [`  try:   ${remedy}`])].join('\n')}\n`
}
