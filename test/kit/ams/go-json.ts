/**
 * JSON as the server's language reads and writes it: names of fields in any case, null as absent, a number where a text
 * is declared refused; three blanks of indentation, and `<`, `>` and `&` escaped.
 */

/** The text is no JSON, or a value has another type than the server declares. */
export class WrongShape extends Error {}

/** A decoded object: fields are found whatever their case, the last of several counts. */
export interface Fields {
  text(name: string): string
  integer(name: string): number
  flag(name: string): boolean
  object(name: string): Fields
  /** undefined when absent or null. */
  list(name: string): readonly unknown[] | undefined
  /** A table of texts; empty when absent or null. */
  texts(name: string): ReadonlyMap<string, string>
  readonly size: number
}

/** Go puts U+FFFD for a lone surrogate. */
const wellFormed = (text: string): string => Buffer.from(text).toString()

function asText(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw new WrongShape('not a text')
  return wellFormed(value)
}

/** Decodes a whole body. Throws WrongShape. `null` is an object without fields. */
export function decodeObject(body: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new WrongShape('not JSON')
  }
  return fieldsOf(value)
}

/** Throws WrongShape when it is neither an object nor null. */
export function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || Array.isArray(value)) throw new WrongShape('not an object')
  const entries = value === null ? [] : Object.entries(value)
  const find = (name: string): unknown =>
    entries.findLast(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] as unknown
  return {
    size: entries.length,
    text: (name) => asText(find(name)),
    integer: (name) => {
      const found = find(name) ?? 0
      if (typeof found !== 'number' || !Number.isInteger(found)) throw new WrongShape('not a whole number')
      return found
    },
    flag: (name) => {
      const found = find(name) ?? false
      if (typeof found !== 'boolean') throw new WrongShape('not true or false')
      return found
    },
    object: (name) => fieldsOf(find(name) ?? null),
    list: (name) => {
      const found = find(name) ?? undefined
      if (found !== undefined && !Array.isArray(found)) throw new WrongShape('not a list')
      return found
    },
    texts: (name) => {
      const found = find(name) ?? {}
      if (typeof found !== 'object' || Array.isArray(found)) throw new WrongShape('not an object')
      return new Map(Object.entries(found).map(([key, each]) => [wellFormed(key), asText(each)]))
    },
  }
}

/** The list's members as texts. */
export const textsOf = (list: readonly unknown[]): string[] => list.map(asText)

const ESCAPED: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** What Go escapes beyond what JSON asks for. */
export function escapeMore(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (found) => ESCAPED[found] ?? found)
}

/** Indented as the server does. */
export function encode(value: unknown, blanks = 3): string {
  return escapeMore(JSON.stringify(value, null, blanks))
}
