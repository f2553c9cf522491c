// Writes src/cli/explain/rows.ts, what `ssmctl explain` knows, from the tables of docs/operations.md, which people edit.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const TABLES = {
  log: 'Log lines',
  sentence: 'Sentences',
  words: 'Words on standard output',
  reason: 'Reasons',
  code: 'Error codes',
}

/** From a heading of the second level to the next one. */
function section(text, heading) {
  const start = text.indexOf(`\n## ${heading}\n`)
  if (start < 0) throw new Error(`docs/operations.md has no heading ${heading}`)
  const end = text.indexOf('\n## ', start + 1)
  return text.slice(start, end < 0 ? undefined : end)
}

/** Rows without the heads of their tables; links as the words they are put on. */
function rows(text) {
  const lines = text.split('\n')
  const isRule = (line) => /^\|[-|: ]+\|$/.test(line ?? '')
  return lines
    .filter((line, at) => line.startsWith('|') && !isRule(line) && !isRule(lines[at + 1]))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) =>
          cell
            .trim()
            .replaceAll('\\|', '|')
            .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1'),
        ),
    )
}

const text = readFileSync(join(root, 'docs/operations.md'), 'utf8')
const tables = Object.entries(TABLES).map(
  ([kind, heading]) =>
    `  ${kind}: [\n${rows(section(text, heading))
      .map((row) => `    [${row.map((cell) => JSON.stringify(cell)).join(', ')}],`)
      .join('\n')}\n  ],`,
)
writeFileSync(
  join(root, 'src/cli/explain/rows.ts'),
  `/** The tables of docs/operations.md, cell by cell: written by \`node scripts/make-explanations.mjs\`, edited there. */

// prettier-ignore
export const ROWS: Readonly<Record<'log' | 'sentence' | 'words' | 'reason' | 'code', readonly (readonly string[])[]>> = {
${tables.join('\n')}
}
`,
)
