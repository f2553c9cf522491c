/**
 * Which elements of a spool are meant: those named, or those that filters let pass; the same flags at every verb.
 */
import type { Command } from 'commander'
import { nearest } from '../config/finding.js'
import { BadValue, parseDuration, parseSize } from '../config/parsers.js'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { REASON_WORDS, reasonOf } from './reason-of.js'
import type { ElementView, SpoolView } from './spool-view.js'
import type { Ctl } from './ssmctl-process.js'
import { hasParts } from './wildcard.js'

/** As commander has them. */
export interface FilterFlags {
  readonly older?: string
  readonly newer?: string
  readonly signer?: string
  readonly reason?: string
  readonly larger?: string
  readonly smaller?: string
}

export interface Filter {
  /** Nothing was asked for: all pass. */
  readonly isEmpty: boolean
  passes(view: ElementView): boolean
}

export function withFilters(command: Command): Command {
  return command
    .option('--older <age>', 'added longer ago, as in 90 s, 30 min, 12 h, 7 d')
    .option('--newer <age>', 'added since')
    .option('--signer <dn>', 'of this signer, or said to be; * stands for anything; case does not matter')
    .option('--reason <code>', 'refused, held or set aside for it (ssmctl explain); several between commas')
    .option('--larger <size>', 'body of more bytes, as in 64 KiB, 10 MiB')
    .option('--smaller <size>', 'body of fewer bytes')
}

/** Throws SsmError `usage`. */
export function parseFilter(flags: FilterFlags, now: number): Filter {
  const { older, newer, signer, reason, larger, smaller } = flags
  const tests: ((view: ElementView) => boolean)[] = []
  const add = <V>(text: string | undefined, parse: (text: string) => V, make: (value: V) => (typeof tests)[0]) => {
    if (text !== undefined) tests.push(make(parse(text)))
  }
  add(older, quantity('--older', parseDuration), (age) => (view) => view.added < now - age)
  add(newer, quantity('--newer', parseDuration), (age) => (view) => view.added >= now - age)
  add(larger, quantity('--larger', parseSize), (size) => (view) => view.size > size)
  add(smaller, quantity('--smaller', parseSize), (size) => (view) => view.size < size)
  add(signer, patternOf, (matches) => (view) => matches(signerOf(view)?.name ?? ''))
  add(reason, reasonsOf, (words) => (view) => words.has(viewReason(view) ?? ''))
  return { isEmpty: tests.length === 0, passes: (view) => tests.every((test) => test(view)) }
}

function quantity(flag: string, parse: (text: string) => number): (text: string) => number {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof BadValue)) throw error
      throw new SsmError('usage', `${flag}: ${printable(error.message, 512)}`)
    }
  }
}

/** `*` stands for anything. */
function patternOf(text: string): (signer: string) => boolean {
  const parts = text.toLowerCase().split('*')
  return (signer) => hasParts(signer.toLowerCase(), parts)
}

function reasonsOf(text: string): ReadonlySet<string> {
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
  for (const word of words) {
    if (REASON_WORDS.includes(word)) continue
    const near = nearest(word, REASON_WORDS)
    const hint = near === undefined ? 'ssmctl explain lists them' : `did you mean ${near}?`
    throw new SsmError('usage', `--reason: there is no reason ${printable(word)}: ${hint}`)
  }
  if (words.length === 0) throw new SsmError('usage', '--reason names none: ssmctl explain lists them')
  return new Set(words)
}

/** What is stored when nobody's signature was verified. */
const NOBODY = /^(?:Not available\.)?$/u
/** Who is not listed is refused before anything is verified. */
const CLAIMED = /^Signer not in valid DNs list: (.+?) \(not verified\)/su

/** Whose message it is, or says it is. Outside text. */
export function signerOf({ fields }: ElementView): { readonly name: string; readonly verified: boolean } | undefined {
  const signer = fields.get('signer')?.toString('utf8')
  if (signer !== undefined && !NOBODY.test(signer)) return { name: signer, verified: true }
  const claimed = CLAIMED.exec(fields.get('error')?.toString('utf8') ?? '')?.[1]
  return claimed === undefined ? undefined : { name: claimed, verified: false }
}

/** Why it was refused, held or set aside, when it says so. */
export function viewReason({ fields }: ElementView): string | undefined {
  const error = fields.get('error')?.toString('utf8')
  return error === undefined ? undefined : reasonOf(error)
}

/** The elements named, in that order, or all, oldest first; those that pass. `onMissing` is told of names that are none. */
export async function* select(
  spool: SpoolView,
  ids: readonly string[],
  filter: Filter,
  onMissing: (id: string) => Promise<void>,
): AsyncGenerator<ElementView> {
  if (ids.length === 0) {
    for await (const view of spool.elements()) if (filter.passes(view)) yield view
    return
  }
  for (const id of ids) {
    const view = await spool.element(id)
    if (view === undefined) await onMissing(id)
    else if (filter.passes(view)) yield view
  }
}

/** Says of ids that are not there, and makes the exit code of them. */
export function createMissing(
  verb: string,
  dir: string,
  ctl: Ctl,
): { readonly say: (id: string) => Promise<void>; exit(): number } {
  let isMissing = false
  return {
    async say(id) {
      isMissing = true
      await ctl.err.write(`ssmctl spool ${verb}: there is no ${printable(id, 1024)} in ${printable(dir, 1024)}\n`)
    },
    exit: () => (isMissing ? 1 : 0),
  }
}
