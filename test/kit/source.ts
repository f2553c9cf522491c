/**
 * The program's own source as data, for the tests that compare it with the map of rooms and with the documentation.
 * Reads files and parses TypeScript; judges nothing.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

/** The repository: the folder above that holds package.json, whether run from `test` or from `dist/test`. */
export const root = findRoot(import.meta.dirname)

function findRoot(folder: string): string {
  // dist holds no package.json, so the first one going up is the repository's.
  if (existsSync(join(folder, 'package.json'))) return folder
  return findRoot(dirname(folder))
}

export interface Import {
  /** `os/clock.ts` for our own files, else the package or `node:` name as written. */
  readonly target: string
  readonly own: boolean
  readonly typeOnly: boolean
  readonly line: number
}

export interface SourceFile {
  /** Relative to `src`, with `/`. */
  readonly path: string
  /** First folder, or the name of a file directly in `src` without its ending. */
  readonly room: string
  readonly text: string
  readonly lines: number
  readonly imports: readonly Import[]
  readonly ast: ts.SourceFile
}

/** Names of files below a folder of the repository, relative to it; without what tools make. */
export function filesBelow(folder: string): readonly string[] {
  const top = join(root, folder)
  if (!existsSync(top)) return []
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(top, join(entry.parentPath, entry.name)))
    .sort()
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export const roomOf = (path: string): string => path.split('/')[0]!.replace(/\.ts$/, '')

/** Every TypeScript file of `src`, parsed. */
export function loadSource(): readonly SourceFile[] {
  return filesBelow('src')
    .filter((path) => path.endsWith('.ts'))
    .map((path) => parseFile(path, readText(join('src', path))))
}

/** One file's text as data; `path` relative to `src`. */
export function parseFile(path: string, text: string): SourceFile {
  const ast = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true)
  return { path, room: roomOf(path), text, lines: text.split('\n').length - 1, imports: importsOf(path, ast), ast }
}

/** Calls `visit` for every node of a file, depth first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => {
    walk(child, visit)
  })
}

export function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
}

function importsOf(path: string, ast: ts.SourceFile): readonly Import[] {
  const found: Import[] = []
  walk(ast, (node) => {
    const specifier = specifierOf(node)
    if (specifier === undefined) return
    const own = specifier.text.startsWith('.')
    const target = own
      ? relative('/src', resolve('/src', dirname(path), specifier.text)).replace(/\.js$/, '.ts')
      : specifier.text
    found.push({ target, own, typeOnly: isTypeOnly(node), line: lineOf(ast, node) })
  })
  return found
}

/** The module a node names: import and export declarations, `import()`, and types written `import('…').X`. */
function specifierOf(node: ts.Node): ts.StringLiteralLike | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return node.moduleSpecifier !== undefined && ts.isStringLiteralLike(node.moduleSpecifier)
      ? node.moduleSpecifier
      : undefined
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const first = node.arguments[0]
    return first !== undefined && ts.isStringLiteralLike(first) ? first : undefined
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return ts.isStringLiteralLike(node.argument.literal) ? node.argument.literal : undefined
  }
  return undefined
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true
  if (ts.isExportDeclaration(node)) {
    const clause = node.exportClause
    const allTypes =
      clause !== undefined && ts.isNamedExports(clause) && clause.elements.every((each) => each.isTypeOnly)
    return node.isTypeOnly || allTypes
  }
  if (!ts.isImportDeclaration(node)) return false
  const clause = node.importClause
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const names = clause.namedBindings
  if (clause.name !== undefined || names === undefined || !ts.isNamedImports(names)) return false
  return names.elements.length > 0 && names.elements.every((each) => each.isTypeOnly)
}
