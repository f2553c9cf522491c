/**
 * The documentation as data: tables, fenced commands, links. And the log formats of the source, read from its syntax.
 */
import ts from 'typescript'
import { lineOf, walk } from './source.js'
import type { SourceFile } from './source.js'

export interface LogFormat {
  /** `WARNING Connection lost.` */
  readonly line: string
  readonly at: string
}

const LEVELS: Readonly<Record<string, string>> = {
  info: 'INFO',
  warning: 'WARNING',
  error: 'ERROR',
  critical: 'CRITICAL',
}

/** Not formats: the line of 40 `=` around a run. */
const CONSTANTS = new Set(['BREAK_LINE'])

/**
 * First arguments of `.info(`, `.warning(`, `.error(`, `.critical(` on anything that ends in `log` or `Log`, on short
 * names for a named logger, and on `named(…)`. `problems` lists calls whose format is not a literal: the vocabulary of
 * the log must be readable from the source.
 */
export function logFormats(files: readonly SourceFile[]): {
  readonly formats: readonly LogFormat[]
  readonly problems: readonly string[]
} {
  const formats: LogFormat[] = []
  const problems: string[] = []
  for (const file of files) {
    walk(file.ast, (node) => {
      if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return
      const level = LEVELS[node.expression.name.text]
      const first = node.arguments[0]
      if (level === undefined || first === undefined || !isLogger(node.expression.expression, file.ast)) return
      const at = `src/${file.path}:${lineOf(file.ast, node)}`
      const literals = literalsOf(first)
      if (literals === undefined) problems.push(`${at}: the format is not a literal`)
      else formats.push(...literals.map((text) => ({ line: `${level} ${text}`, at })))
    })
  }
  return { formats, problems }
}

function isLogger(node: ts.Expression, ast: ts.SourceFile): boolean {
  const text = node.getText(ast)
  return /(log|logger)$/i.test(text) || /\bnamed\([^)]*\)$/.test(text) || /^(top|queues)$/.test(text)
}

/** The texts an argument can be; undefined when it is computed. */
function literalsOf(node: ts.Expression): readonly string[] | undefined {
  if (ts.isStringLiteralLike(node)) return [node.text]
  if (ts.isIdentifier(node) && CONSTANTS.has(node.text)) return []
  if (!ts.isConditionalExpression(node)) return undefined
  const branches = [literalsOf(node.whenTrue), literalsOf(node.whenFalse)]
  return branches.includes(undefined) ? undefined : branches.flatMap((each) => each ?? [])
}

/** The text between a heading that begins so and the next heading of the same or a higher level. */
export function sectionOf(text: string, heading: string): string {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith('#') && line.replace(/^#+ /, '').startsWith(heading))
  if (start < 0) throw new Error(`no heading "${heading}"`)
  const depth = /^#+/.exec(lines[start]!)![0].length
  const length = lines.slice(start + 1).findIndex((line) => {
    const hashes = /^(#+) /.exec(line)
    return hashes !== null && hashes[1]!.length <= depth
  })
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n')
}

/** Rows of all tables in a text, cells trimmed, heads left out. */
export function rowsOf(text: string): readonly (readonly string[])[] {
  const lines = text.split('\n')
  return lines
    .filter(
      (line, at) => line.startsWith('|') && !/^\|[-|: ]+\|$/.test(line) && !/^\|[-|: ]+\|$/.test(lines[at + 1] ?? ''),
    )
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    )
}

/** The content of a cell that is one code span, else undefined. */
export function codeOf(cell: string | undefined): string | undefined {
  return cell === undefined ? undefined : /^`([^`]+)`$/.exec(cell)?.[1]
}

/** Targets of Markdown links, without fragments and without other sites. */
export function linksOf(text: string): readonly string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!.replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
}

/** Lines of fenced blocks marked `sh`: comments taken off, continued lines joined. */
export function commandsOf(text: string): readonly string[] {
  let language: string | undefined
  const lines: string[] = []
  for (const line of text.split('\n')) {
    const fence = /^\s*```(\w*)/.exec(line)
    if (fence !== null) language = language === undefined ? fence[1]! : undefined
    else if (language === 'sh') lines.push(line)
  }
  return lines
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '')
}
