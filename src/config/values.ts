/**
 * A configuration file against the option table: every option the program reads gets its value or its default, every
 * complaint is collected. No meaning across options: that is in `load.ts`.
 */
import type { Findings } from './finding.js'
import { nearest } from './finding.js'
import type { IniDocument } from './ini.js'
import { DEFAULT_SECTION } from './ini.js'
import type { IniValues } from './interpolate.js'
import type { Option, OptionType, Program } from './option.js'
import { OPTIONS, RETIRED, optionsOf, sampleOf } from './options.js'
import { BadValue, PARSERS, type Parsed, type ParsedTypes } from './parsers.js'

/** What an option has after reading. */
export interface Effective {
  readonly option: Option
  /** As written or as the default is written; undefined: not set. */
  readonly text?: string
  /** The line it was written in; undefined: the default. */
  readonly line?: number
  readonly value?: Parsed
}

/** Typed access by section and key. */
export interface Values {
  readonly all: readonly Effective[]
  /** undefined: not set, or wrong (there is a problem then). Throws for a type that is not the option's. */
  find<T extends OptionType>(type: T, section: string, key: string): ParsedTypes[T] | undefined
  /** Throws when there is no value: ask only after the problems were thrown. */
  need<T extends OptionType>(type: T, section: string, key: string): ParsedTypes[T]
  /** The word of a `choice`. Throws when the table has a word that is not among `words`, or there is none. */
  word<W extends string>(section: string, key: string, words: readonly W[]): W
  /** The words of a `choices`; none when it is not set. */
  words<W extends string>(section: string, key: string, words: readonly W[]): readonly W[]
  /** Written in the file, and not empty? */
  isGiven(section: string, key: string): boolean
  lineOf(section: string, key: string): number | undefined
}

export function readValues(program: Program, ini: IniValues, findings: Findings, cwd: string): Values {
  const isAms = ini.get(program, 'protocol')?.text === 'AMS'
  const all = optionsOf(program)
    .map((option) => (isAms && option.amsDefault !== undefined ? { ...option, default: option.amsDefault } : option))
    .map((option) => readOption(option, program, ini, findings, cwd))
  const by = new Map(all.map((one) => [`${one.option.section}\n${one.option.key}`, one]))
  const effective = (section: string, key: string): Effective => {
    const found = by.get(`${section}\n${key}`)
    if (found === undefined) throw new Error(`internal error: no option [${section}] ${key}`)
    return found
  }
  const find = <T extends OptionType>(type: T, section: string, key: string): ParsedTypes[T] | undefined => {
    const { option, value } = effective(section, key)
    if (option.type !== type) throw new Error(`internal error: [${section}] ${key} is not a ${type}`)
    return value as ParsedTypes[T] | undefined // made by the parser of this very type
  }
  const need = <T extends OptionType>(type: T, section: string, key: string): ParsedTypes[T] => {
    const value = find(type, section, key)
    if (value === undefined) throw new Error(`internal error: [${section}] ${key} has no value`)
    return value
  }
  return {
    all,
    find,
    need,
    word: (section, key, words) => oneOf(need('choice', section, key), words),
    words: (section, key, words) => (find('choices', section, key) ?? []).map((word) => oneOf(word, words)),
    isGiven: (section, key) => effective(section, key).line !== undefined,
    lineOf: (section, key) => effective(section, key).line,
  }
}

function oneOf<W extends string>(text: string, words: readonly W[]): W {
  const found = words.find((word) => word === text)
  if (found === undefined) throw new Error(`internal error: the option table lets '${text}' through`)
  return found
}

function readOption(option: Option, program: Program, ini: IniValues, findings: Findings, cwd: string): Effective {
  const { section, key } = option
  const given = ini.get(section, key)
  // An empty value says nothing: files in the field have "token:" and "server_cert:" with nothing behind.
  const written = given !== undefined && given.text !== ''
  const text = written ? given.text : option.default
  const place = { section, key, ...(given === undefined ? {} : { line: given.line }) }
  if (text === undefined) {
    if (option.required === true) {
      findings.problems.push({ ...place, text: `${given === undefined ? 'missing' : 'empty'}. ${option.meaning}` })
    }
    return { option }
  }
  const line = written ? { line: given.line } : {}
  if (written && option.placeholder === true && text === sampleOf(option, program)) {
    const words = `still the placeholder of the shipped file. ${option.meaning}`
    findings.problems.push({ ...place, text: words })
  }
  try {
    return { option, text, ...line, value: PARSERS[option.type](text, option, cwd) }
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    findings.problems.push({ ...place, text: error.message })
    return { option, text, ...line }
  }
}

/** Warns about everything in the file that no option reads: retired, in the wrong section, unknown. */
export function findUnknown(document: IniDocument, ini: IniValues, findings: Findings): void {
  const sections = new Set(OPTIONS.map(({ section }) => section))
  for (const [section, { line, entries }] of document.sections) {
    if (!sections.has(section)) {
      const hint = [...sections].find((name) => name === section.toLowerCase()) ?? nearest(section, sections)
      findings.warnings.push({ line, section, text: `unknown section, ignored${meant(hint, (name) => `[${name}]`)}` })
      continue
    }
    for (const [key, entry] of entries) {
      if (isKnown(section, key) || ini.isReferenced(section, key)) continue
      findings.warnings.push({ line: entry.line, section, key, text: whyIgnored(section, key) })
    }
  }
  for (const [key, entry] of document.defaults) {
    if (ini.isReferenced(DEFAULT_SECTION, key) || OPTIONS.some((option) => option.key === key)) continue
    findings.warnings.push({ line: entry.line, section: DEFAULT_SECTION, key, text: 'unknown key, ignored.' })
  }
}

function isKnown(section: string, key: string): boolean {
  return OPTIONS.some((option) => option.section === section && option.key === key)
}

function whyIgnored(section: string, key: string): string {
  const retired = lookUp(lookUp(RETIRED, section), key)
  if (retired !== undefined) return `no longer used: ${retired}`
  const elsewhere = [...new Set(OPTIONS.filter((option) => option.key === key).map((option) => option.section))]
  if (elsewhere.length > 0) return `unknown key, ignored; it belongs into [${elsewhere.join('] or [')}].`
  const near = OPTIONS.filter((option) => option.section === section).map((option) => option.key)
  const hint = nearest(key, near)
  return `unknown key, ignored${meant(hint, (name) => `'${name}'`)}`
}

/** Section and key come from the file: never what an object inherits. */
function lookUp<T>(table: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined
}

function meant(hint: string | undefined, show: (hint: string) => string): string {
  return hint === undefined ? '.' : `; did you mean ${show(hint)}?`
}
