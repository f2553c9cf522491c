/**
 * `ssmctl explain` against the source: whatever a line of ours can say at WARNING and above, it has an answer to what the
 * line is about, not only to how it begins.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { explainLine, explanations } from '../../src/cli/explain/explain.js'
import { TEXTS } from '../../src/cli/explain/texts.js'
import { lineOf, loadSource, root, walk, type SourceFile } from '../kit/source.js'

const sources = loadSource().filter(({ path }) => !/^cli\/(?:explain|demo)/u.test(path))

interface Sentence {
  readonly at: string
  readonly text: string
}

/** Its words, `7` for each value; undefined: all of it is a value. */
function textOf(node: ts.Expression): string | undefined {
  if (ts.isParenthesizedExpression(node)) return textOf(node.expression)
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => `7${literal.text}`).join('')
  }
  if (!ts.isBinaryExpression(node)) return undefined
  const sides = [textOf(node.left), textOf(node.right)]
  return sides.includes(undefined) ? undefined : sides.join('')
}

function sentencesOf(files: readonly SourceFile[], pick: (node: ts.Node) => ts.Expression | undefined): Sentence[] {
  const found: Sentence[] = []
  for (const { path, ast } of files) {
    walk(ast, (node) => {
      const expression = pick(node)
      const text = expression === undefined ? undefined : textOf(expression)
      if (text !== undefined && /[a-z]{3}/u.test(text)) found.push({ at: `src/${path}:${lineOf(ast, node)}`, text })
    })
  }
  return found
}

/** Flags at a terminal, and what was asked for, are no lines of a log. */
const QUIET = new Set(['usage', 'aborted'])

function errorText(node: ts.Node): ts.Expression | undefined {
  if (!ts.isNewExpression(node) || node.expression.getText() !== 'SsmError') return undefined
  const [code, text] = node.arguments ?? []
  return code !== undefined && ts.isStringLiteral(code) && QUIET.has(code.text) ? undefined : text
}

/** Rows of tables and verdicts: `words: …`, `detail: …`. */
function tableText(node: ts.Node): ts.Expression | undefined {
  const isText = ts.isPropertyAssignment(node) && /^(?:words|detail)$/u.test(node.name.getText())
  return isText ? node.initializer : undefined
}

const STRANGER = 'always behind “it looks like”'
const NOT_SMIME = 'always behind “not an S/MIME signed message”'

/** Not explained, and why. */
const WITHOUT: Readonly<Record<string, string>> = {
  'cannot 7 7: 7': 'what the system said follows, which has rows of its own or is said as it is',
  '7 7 at offset 7': 'the trouble is a value: damage to a structure that a text before it names',
  '7 has 7 fields 7': 'too few words; a damaged header of a message, which its line says',
  'Another 7 7 (7).': 'what is done is a value, and has a row',
  'a web server': STRANGER,
  'an AMQP port': STRANGER,
  'an SSH server': STRANGER,
  'a mail or FTP server': STRANGER,
  'a mail server': STRANGER,
  'it does not begin with a MIME header': NOT_SMIME,
  'its Content-Type is 7': NOT_SMIME,
  'it is signed with protocol 7': NOT_SMIME,
  'its smime-type is 7': NOT_SMIME,
  'it knows of nothing that was published at that time or later: end is behind the last message':
    'of ssmctl ams seek, which no log has',
}

const unanswered = (sentences: readonly Sentence[], isAnswered: (text: string) => boolean): string[] =>
  sentences.filter(({ text }) => !(text in WITHOUT) && !isAnswered(text)).map(({ at, text }) => `${at}: ${text}`)

const LINES = {
  text: (said: string) => `2026-11-20 14:18:06,423 - ssmsend - ERROR - ${said}`,
  journal: (said: string) => `Nov 20 14:18:06 host ssmsend[12]: 2026-11-20 14:18:06,423 - ssmsend - ERROR - ${said}`,
  syslog: (said: string) => `<11>1 2026-11-20T14:18:06Z host ssmsend 12 - - 2026-11-20 14:18:06,423 - ssmsend - ERROR - ${said}`, // prettier-ignore
  json: (said: string) => JSON.stringify({ time: '2026-11-20T14:18:06.423Z', level: 'ERROR', logger: 'ssmsend', message: said }), // prettier-ignore
  journalJson: (said: string) => JSON.stringify({ __CURSOR: 's=1', MESSAGE: LINES.json(said), PRIORITY: '3' }),
  behindPrefix: (said: string) => `Nov 20 14:18:06 host ssmsend[12]: ${LINES.json(said)}`,
}

const FAILED = 'SSM failed to complete successfully: '

test('every sentence of an error is known inside a line', () => {
  const errors = sentencesOf(sources, errorText)
  assert.ok(errors.length > 150, 'the scan sees them')
  const isKnown = (text: string): boolean => {
    const [line, ...more] = explainLine(LINES.text(`${FAILED}${text}`))
    return line?.name === `${FAILED}%s` && more.length > 0
  }
  assert.deepEqual(unanswered(errors, isKnown), [])
  const said = new Set([...errors, ...sentencesOf(sources, tableText)].map(({ text }) => text))
  const gone = Object.keys(WITHOUT).filter((text) => !said.has(text))
  assert.deepEqual(gone, [], 'nobody says it any more')
})

test('so are the rows of tables of refusals, and the details of verdicts', () => {
  const rooms = new Set(['transport', 'trust', 'envelope', 'crypto'])
  const details = sentencesOf(sources.filter(({ room }) => rooms.has(room)), tableText) // prettier-ignore
  assert.ok(details.length > 80, 'the scan sees them')
  assert.deepEqual(
    unanswered(details, (text) => explainLine(LINES.text(`${FAILED}x: ${text}`)).length > 1),
    [],
  )
})

test('a line is known in every form it is copied in', () => {
  const said = `${FAILED}none of 2 brokers can be used: h:61613: nothing listens on this port: is it the right one?`
  for (const [form, line] of Object.entries(LINES)) {
    const names = explainLine(line(said)).map(({ name }) => name)
    assert.deepEqual(names, [`${FAILED}%s`, 'nothing listens on this port'], form)
  }
})

/** As the table has it. */
const concern = (about: string): string => ({ broker: 'broker HOST:PORT', AMS: 'AMS HOST' })[about] ?? about

test('findings of a check are known by their concern, in text and as JSON', () => {
  const checks = sources.filter(({ path }) => path.startsWith('cli/check/'))
  const calls = sentencesOf(checks, (node) => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === 'ABOUT') return node.initializer
    if (ts.isPropertyAssignment(node) && node.name.getText() === 'about') return node.initializer
    if (!ts.isCallExpression(node) || !/^(?:failed|warning)$/u.test(node.expression.getText())) return undefined
    return node.arguments[0]
  })
  assert.ok(calls.length > 25, 'the scan sees them')
  for (const { at, text } of calls) {
    for (const line of [`✗ ${text}: x`, JSON.stringify({ level: 'failed', about: text, text: 'x', remedy: 'y' })]) {
      assert.deepEqual(explainLine(line).map(({ kind, name }) => `${kind} ${name}`), [`check ${concern(text)}`], `${at} ${line}`) // prettier-ignore
    }
  }
  const broker = '✗ broker h.example.org:61614: tls: the certificate of h is not acceptable: it is self-signed; x'
  assert.deepEqual(explainLine(broker).map(({ name }) => name), ['broker HOST:PORT', 'it is self-signed']) // prettier-ignore
})

test('what is explained inside lines is said somewhere in the source', () => {
  const said: string[] = []
  for (const { ast } of sources) {
    walk(ast, (node) => {
      if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node)) said.push(node.text)
      else if (ts.isTemplateMiddle(node) || ts.isTemplateTail(node)) said.push(node.text)
    })
  }
  const rows = explanations('inside').flatMap(({ name }) =>
    [...name.matchAll(/`([^`]+)`/gu)].map(([, text = '']) => text),
  )
  const lost = rows.filter((row) => !row.split('…').every((part) => said.some((text) => text.includes(part))))
  assert.deepEqual(lost, [])
})

test('texts.ts is what the source says', async () => {
  // The cast: a script of ours, without types.
  const scripts = (await import(pathToFileURL(join(root, 'scripts/said-texts.mjs')).href)) as {
    saidInSource(root: string): unknown
  }
  assert.deepEqual(scripts.saidInSource(root), TEXTS, 'run node scripts/make-explanations.mjs')
})
