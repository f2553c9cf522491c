/**
 * `%(name)s` and `%%` in values, as Python's `BasicInterpolation`: names are looked up in the same section, then in
 * `[DEFAULT]`. One difference, on purpose: a lone `%` is itself, with a warning (tokens hold them); Python refuses.
 */
import type { Finding, Findings } from './finding.js'
import { nearest, quoted } from './finding.js'
import { DEFAULT_SECTION, type IniDocument } from './ini.js'

/** Depth as Python's; length and steps stop values that multiply with every level. */
export const INTERPOLATION_LIMITS = { depth: 10, length: 65_536, steps: 10_000 } as const

export interface IniValue {
  readonly text: string
  readonly line: number
}

/** Values of a document by section and key. */
export interface IniValues {
  /** undefined: the file does not say. Complaints about the value go to the findings, once. */
  get(section: string, key: string): IniValue | undefined
  /** Was this key of this section (or of `[DEFAULT]`) used by another value? */
  isReferenced(section: string, key: string): boolean
}

interface State {
  /** A `%` that begins nothing was met. */
  lone: boolean
  steps: number
}

/** A value that cannot be made. */
class Unresolved extends Error {}

export function createIniValues(document: IniDocument, findings: Findings): IniValues {
  const cache = new Map<string, IniValue | undefined>()
  const referenced = new Set<string>()

  const find = (section: string, key: string) =>
    document.sections.get(section)?.entries.get(key) ?? document.defaults.get(key)

  const resolve = (section: string, key: string): IniValue | undefined => {
    const entry = find(section, key)
    if (entry === undefined) return undefined
    const place: Finding = { line: entry.line, section, key, text: '' }
    const lookup = (name: string): string => {
      referenced.add(`${section}\n${name}`).add(`${DEFAULT_SECTION}\n${name}`)
      const found = find(section, name)
      if (found !== undefined) return found.raw
      const names = [...(document.sections.get(section)?.entries.keys() ?? []), ...document.defaults.keys()]
      const hint = nearest(name, names)
      throw new Unresolved(
        `%(${name})s names a key that neither [${section}] nor [DEFAULT] has` +
          `${hint === undefined ? '' : ` (did you mean ${quoted(hint)}?)`}; a plain % is written %%.`,
      )
    }
    const state = { lone: false, steps: 0 }
    try {
      const text = interpolated(entry.raw, lookup, state, 1)
      if (state.lone) findings.warnings.push({ ...place, text: 'a single % is taken as it stands; better write %%.' })
      return { text, line: entry.line }
    } catch (error) {
      if (!(error instanceof Unresolved)) throw error
      findings.problems.push({ ...place, text: error.message })
      return { text: entry.raw, line: entry.line }
    }
  }

  return {
    get(section, key) {
      const name = `${section}\n${key}`
      if (!cache.has(name)) cache.set(name, resolve(section, key))
      return cache.get(name)
    },
    isReferenced: (section, key) => referenced.has(`${section}\n${key}`),
  }
}

function interpolated(raw: string, lookup: (name: string) => string, state: State, depth: number): string {
  if (depth > INTERPOLATION_LIMITS.depth) {
    throw new Unresolved(`%(name)s goes more than ${INTERPOLATION_LIMITS.depth} levels deep: does a value use itself?`)
  }
  let text = ''
  let from = 0
  for (let at = raw.indexOf('%'); at !== -1; at = raw.indexOf('%', from)) {
    text += raw.slice(from, at)
    const reference = /^%\(([^)]+)\)s/u.exec(raw.slice(at, at + 260))
    if (reference !== null) {
      text += interpolated(lookup((reference[1] ?? '').toLowerCase()), lookup, state, depth + 1)
      from = at + reference[0].length
    } else {
      const doubled = raw[at + 1] === '%'
      state.lone ||= !doubled
      text += '%'
      from = at + (doubled ? 2 : 1)
    }
    state.steps++
    if (text.length > INTERPOLATION_LIMITS.length || state.steps > INTERPOLATION_LIMITS.steps) {
      throw new Unresolved(`longer than ${INTERPOLATION_LIMITS.length} characters after %(name)s was filled in.`)
    }
  }
  return text + raw.slice(from)
}
