// Writes what `ssmctl explain` knows: src/cli/explain/rows.ts from the tables of docs/operations.md, which people edit, and
// src/cli/explain/texts.ts from the source, which says the texts.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { saidInSource } from './said-texts.mjs'

const root = join(import.meta.dirname, '..')
const TABLES = {
  check: 'Before you switch: ssmctl check',
  log: 'Log lines',
  sentence: 'Sentences',
  inside: 'Inside lines',
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
export const ROWS: Readonly<Record<'check' | 'log' | 'sentence' | 'inside' | 'words' | 'reason' | 'code', readonly (readonly string[])[]>> = {
${tables.join('\n')}
}
`,
)

writeFileSync(
  join(root, 'src/cli/explain/texts.ts'),
  `/** What the source says together with a reason or a code, … for values: written by \`node scripts/make-explanations.mjs\`. */

// prettier-ignore
export const TEXTS: readonly (readonly ['reason' | 'code', string, readonly string[]])[] = [
${saidInSource(root)
  .map((row) => `  ${JSON.stringify(row)},`)
  .join('\n')}
]
`,
)
