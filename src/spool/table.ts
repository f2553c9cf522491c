/**
 * The table encoding of directory queues: `key TAB value LF`, sorted by key, with `\\`, `\t`, `\n` escaped as two characters.
 */
import { SsmError } from '../errors.js'

export type Table = Readonly<Record<string, string>>

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n' }
const UNESCAPES: Readonly<Record<string, string>> = { '\\\\': '\\', '\\t': '\t', '\\n': '\n' }
const LINE = /^[^\t\n]*\t[^\t\n]*$/

const escape = (text: string): string => text.replace(/[\\\t\n]/g, (c) => ESCAPES[c] ?? c)
const unescape = (text: string): string => text.replace(/\\[\\tn]/g, (c) => UNESCAPES[c] ?? c)

/** By code point, as the other implementations sort; JavaScript's own order is by UTF-16 unit. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

export function formatTable(table: Table): string {
  return Object.keys(table)
    .sort(byCodePoint)
    .map((key) => `${escape(key)}\t${escape(table[key] ?? '')}\n`)
    .join('')
}

/** The last of duplicate keys wins. Throws SsmError `element-damaged`. */
export function parseTable(text: string): Table {
  // Without a prototype: keys come from outside.
  const table = Object.create(null) as Record<string, string>
  const inner = text.replace(/^\n+|\n+$/g, '')
  if (inner === '') return table
  for (const [index, line] of inner.split('\n').entries()) {
    if (!LINE.test(line)) throw new SsmError('element-damaged', `line ${index + 1} of a table is not key, tab, value`)
    const tab = line.indexOf('\t')
    table[unescape(line.slice(0, tab))] = unescape(line.slice(tab + 1))
  }
  return table
}
