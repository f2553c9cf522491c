/**
 * Configuration files as Python's `configparser` reads them (Python 3.6 to 3.12, `ConfigParser` with its defaults):
 * files in the field were written for it. Differences, on purpose: a duplicate key or section is a warning and the last
 * one counts (Python refuses); a byte order mark is skipped; control characters are refused.
 *
 * Text to values only: no file, no meaning. Never throws; what is wrong is among the findings.
 */
import type { Findings } from './finding.js'

/** Named in the findings. A real file has some 2 KB. */
export const INI_LIMITS = { bytes: 1024 * 1024, lines: 10_000, lineLength: 65_536 } as const

export interface IniEntry {
  /** As written, continuation lines joined by line feeds, not interpolated. */
  readonly raw: string
  readonly line: number
}

export interface IniSection {
  readonly line: number
  /** Keys in lower case. */
  readonly entries: ReadonlyMap<string, IniEntry>
}

export interface IniDocument {
  /** By name, case-sensitive; without `[DEFAULT]`. */
  readonly sections: ReadonlyMap<string, IniSection>
  /** `[DEFAULT]`: what every section has unless it says otherwise. */
  readonly defaults: ReadonlyMap<string, IniEntry>
}

export const DEFAULT_SECTION = 'DEFAULT'

/** Reads `bytes`; complaints go to `findings`. */
export function parseIni(bytes: Uint8Array, findings: Findings): IniDocument {
  const reader = new Reader(findings)
  if (bytes.length > INI_LIMITS.bytes) {
    findings.problems.push({ text: `larger than ${INI_LIMITS.bytes} bytes: this is not a configuration file.` })
    return reader.document()
  }
  // As Python opens files: \n, \r\n and \r end a line.
  const lines = decoded(bytes, findings).split(/\r\n|\n|\r/u)
  if (lines.length > INI_LIMITS.lines) {
    findings.problems.push({ text: `more than ${INI_LIMITS.lines} lines: this is not a configuration file.` })
    return reader.document()
  }
  for (const [index, line] of lines.entries()) reader.take(line, index + 1)
  return reader.document()
}

function decoded(bytes: Uint8Array, findings: Findings): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // A fatal decoder throws for one reason only. Find the line so that a person can.
    const loose = new TextDecoder('utf-8').decode(bytes)
    const line = loose.slice(0, loose.indexOf('\ufffd')).split(/\r\n|\n|\r/u).length
    findings.problems.push({ line, text: 'not UTF-8: save the file as UTF-8.' })
    return ''
  }
}

interface OpenEntry {
  readonly lines: string[]
  readonly line: number
}

interface OpenSection {
  readonly name: string
  readonly line: number
  readonly entries: Map<string, OpenEntry>
}

/** One pass over the lines, with what Python's parser remembers: section, option, indentation. */
class Reader {
  private readonly sections = new Map<string, OpenSection>()
  private readonly findings: Findings
  private section: OpenSection | undefined
  private entry: OpenEntry | undefined
  private indent = 0

  constructor(findings: Findings) {
    this.findings = findings
  }

  take(line: string, number: number): void {
    if (line.length > INI_LIMITS.lineLength) {
      this.problem(number, `longer than ${INI_LIMITS.lineLength} characters.`)
      return
    }
    // eslint-disable-next-line no-control-regex -- control characters are what this is about
    if (/[\x00-\x08\x0b-\x1f\x7f]/u.test(line)) {
      this.problem(number, 'contains a control character: remove it.')
      return
    }
    const value = line.trim()
    if (value.startsWith('#') || value.startsWith(';')) return
    // A blank line belongs to the value above when more of the value follows; at the end it is trimmed away.
    if (value === '') this.entry?.lines.push('')
    else this.takeText(line, value, number)
  }

  private takeText(line: string, value: string, number: number): void {
    const indent = line.search(/\S/u)
    if (this.entry !== undefined && indent > this.indent) {
      this.entry.lines.push(value)
      return
    }
    this.indent = indent
    const header = /^\[(.+)\]/u.exec(value)?.[1]
    if (header !== undefined) this.openSection(header, number)
    else if (this.section === undefined) {
      this.problem(number, 'stands before the first section: write a line such as [broker] above it.')
    } else this.openEntry(this.section, value, number)
  }

  private openSection(name: string, line: number): void {
    this.entry = undefined
    const known = this.sections.get(name)
    if (known !== undefined) {
      const text = `the section begins a second time (first in line ${known.line}); both are read as one.`
      this.findings.warnings.push({ line, section: name, text })
    }
    this.section = known ?? { name, line, entries: new Map() }
    this.sections.set(name, this.section)
  }

  private openEntry(section: OpenSection, text: string, line: number): void {
    const at = text.search(/[:=]/u) // the first of the two splits
    const key = text.slice(0, Math.max(at, 0)).trim().toLowerCase()
    if (key === '') {
      // The text is not shown: it may be a part of a secret.
      this.problem(line, 'neither a section, nor a comment, nor "key: value".')
      return
    }
    const earlier = section.entries.get(key)
    if (earlier !== undefined) {
      const words = `set in line ${earlier.line} and again in line ${line}; the last one counts.`
      this.findings.warnings.push({ line, section: section.name, key, text: words })
    }
    this.entry = { lines: [text.slice(at + 1).trim()], line }
    section.entries.set(key, this.entry)
  }

  private problem(line: number, text: string): void {
    this.findings.problems.push({ line, text })
  }

  document(): IniDocument {
    const sections = new Map<string, IniSection>()
    for (const { name, line, entries } of this.sections.values()) {
      sections.set(name, { line, entries: new Map([...entries].map(([key, entry]) => [key, closed(entry)])) })
    }
    const defaults = sections.get(DEFAULT_SECTION)?.entries ?? new Map<string, IniEntry>()
    sections.delete(DEFAULT_SECTION)
    return { sections, defaults }
  }
}

function closed({ lines, line }: OpenEntry): IniEntry {
  return { raw: lines.join('\n').trimEnd(), line }
}
