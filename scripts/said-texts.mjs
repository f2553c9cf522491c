// Reads from the syntax of the source what it says of trouble: the texts that stand together with an error code (errors.ts)
// or a reason (message.ts), with … for their values. `ssmctl explain` recognises them inside lines of a log.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** A text shorter than this is in many sentences. */
const LEAST = 10

/** Of a check: what they name first is a concern. */
const FINDINGS = new Set(['ok', 'warning', 'failed', 'unchecked'])

const TABLES = [
  ['reason', 'message.ts', 'REASONS'],
  ['code', 'errors.ts', 'ERROR_KINDS'],
]
/** What is wrong with flags is no line of a log, and what was asked for no trouble. */
const QUIET = new Set(['usage', 'aborted'])

/** Of a repository: `[kind, word, texts]`. */
export function saidInSource(root) {
  const parse = (name) => {
    return ts.createSourceFile(name, readFileSync(join(root, 'src', name), 'utf8'), ts.ScriptTarget.ES2022, true)
  }
  const words = new Map()
  for (const [kind, name, table] of TABLES) {
    for (const word of keysOf(parse(name), table)) {
      if (!QUIET.has(word)) words.set(word, [...(words.get(word) ?? []), kind])
    }
  }
  const names = readdirSync(join(root, 'src'), { recursive: true })
  const files = names.filter((name) => name.endsWith('.ts') && !/^cli\/(?:explain|demo)/u.test(name))
  return saidTexts(files.sort().map(parse), words)
}

/** The keys of an object of constants. */
function keysOf(ast, name) {
  const keys = []
  walk(ast, (node) => {
    if (!ts.isVariableDeclaration(node) || node.name.getText(ast) !== name) return
    for (const each of bare(node.initializer).properties) keys.push(each.name.text)
  })
  return keys
}

/** `words`: each code and reason, with the kinds it is of. Answers the texts of each, as `kind word`, in order. */
function saidTexts(files, words) {
  const found = new Map()
  const add = ({ kind, word }, expression) => {
    for (const text of textsOf(expression)) {
      const short = text.replace(/…(?:\s*…)+/gu, '…').split('\n', 1)[0]
      // A single word is a code that is named beside another one.
      if (!short.includes(' ')) continue
      if (Math.max(...short.split('…').map((part) => part.trim().length)) < LEAST) continue
      const key = `${kind} ${word}`
      found.set(key, (found.get(key) ?? new Set()).add(short))
    }
  }
  for (const ast of files) {
    const makers = makersOf(ast, words)
    walk(ast, (node) => {
      for (const said of saidBy(node, words)) add(said, said.text)
      if (!ts.isCallExpression(node)) return
      const maker = makers.get(node.expression.getText(ast))
      const argument = maker === undefined ? undefined : node.arguments[maker.at]
      if (argument !== undefined) add(maker.said, argument)
    })
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, texts]) => [...key.split(' '), [...texts].sort()])
}

/** `new SsmError('disk', text)`, `no('empty', text)`, `{ reason: 'expired', detail: text }`, `{ code: 'limit', words: text }`. */
function saidBy(node, words) {
  if (ts.isNewExpression(node) || ts.isCallExpression(node)) {
    if (FINDINGS.has(node.expression.getText())) return []
    const only = ts.isNewExpression(node) ? 'code' : undefined
    const given = [...(node.arguments ?? [])]
    return given.slice(1).flatMap((text, at) => wordsOf(given[at], words, only).map((each) => ({ ...each, text })))
  }
  if (!ts.isObjectLiteralExpression(node)) return []
  const named = (name) => node.properties.find((each) => each.name?.getText() === name)
  const reason = named('reason') ?? named('refused')
  const kind = reason === undefined ? 'code' : 'reason'
  const [text, word] = [named('detail') ?? named('words'), (reason ?? named('code'))?.initializer]
  if (text === undefined || word === undefined) return []
  return wordsOf(word, words, kind).map((each) => ({ ...each, text: text.initializer ?? text.name }))
}

function wordsOf(node, words, only) {
  if (node === undefined) return []
  if (ts.isConditionalExpression(node)) {
    return [node.whenTrue, node.whenFalse].flatMap((each) => wordsOf(each, words, only))
  }
  if (ts.isAsExpression(node)) return wordsOf(node.expression, words, only)
  if (!ts.isStringLiteralLike(node)) return []
  const kinds = (words.get(node.text) ?? []).filter((kind) => only === undefined || kind === only)
  return kinds.map((kind) => ({ kind, word: node.text }))
}

/** Functions of a file that put a text they are given together with a word. */
function makersOf(ast, words) {
  const makers = new Map()
  walk(ast, (node) => {
    for (const said of saidBy(node, words)) {
      const maker = ts.isIdentifier(said.text) ? parameterOf(said.text) : undefined
      if (maker !== undefined) makers.set(maker.name, { said, at: maker.at })
    }
  })
  return makers
}

function parameterOf(identifier) {
  for (let node = identifier.parent; node !== undefined; node = node.parent) {
    if (!ts.isFunctionLike(node)) continue
    const at = node.parameters.findIndex((each) => each.name.getText() === identifier.text)
    const name = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined)
    return at < 0 || name === undefined ? undefined : { name: name.getText(), at }
  }
  return undefined
}

/** What an expression can read, `…` for what is not known. */
function textsOf(node) {
  const inside = bare(node)
  if (ts.isStringLiteralLike(inside)) return [inside.text]
  if (ts.isTemplateExpression(inside)) {
    const rest = inside.templateSpans.map((span) => `…${span.literal.text}`)
    return [inside.head.text + rest.join('')]
  }
  if (ts.isConditionalExpression(inside)) return [...textsOf(inside.whenTrue), ...textsOf(inside.whenFalse)]
  if (ts.isBinaryExpression(inside) && inside.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return textsOf(inside.left).flatMap((left) => textsOf(inside.right).map((right) => left + right))
  }
  if (ts.isArrowFunction(inside)) return ts.isBlock(inside.body) ? [] : textsOf(inside.body)
  if (ts.isIdentifier(inside)) return constantOf(inside).flatMap(textsOf)
  return ['…']
}

/** What a `const` of the functions around a name, or of its file, is made with. */
function constantOf(identifier) {
  for (let node = identifier.parent; node !== undefined; node = node.parent) {
    if (ts.isFunctionLike(node) && node.parameters.some((each) => each.name.getText() === identifier.text)) return []
    if (!ts.isBlock(node) && !ts.isSourceFile(node)) continue
    for (const statement of node.statements) {
      if (!ts.isVariableStatement(statement)) continue
      const found = statement.declarationList.declarations.find((each) => each.name.getText() === identifier.text)
      if (found?.initializer !== undefined) return [found.initializer]
    }
  }
  return []
}

function bare(node) {
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) {
    return bare(node.expression)
  }
  return node
}

function walk(node, visit) {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}
