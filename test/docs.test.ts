/**
 * Documentation is tested like code: every log line, reason, error code and option is explained, nothing that is
 * explained is missing from the program, links lead somewhere, and commands that a reader copies exist.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROWS } from '../src/cli/explain/rows.js'
import { OPTIONS } from '../src/config/options.js'
import { ERROR_KINDS } from '../src/errors.js'
import { REASONS } from '../src/message.js'
import { codeOf, commandsOf, linksOf, logFormats, rowsOf, sectionOf } from './kit/documents.js'
import { need } from './kit/need.js'
import { filesBelow, loadSource, parseFile, readText, root } from './kit/source.js'

const operations = readText('docs/operations.md')

/** Documents for readers, relative to the repository. */
const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'src/README.md'],
  ...filesBelow('docs').map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'))

/** First cells that are code, of all tables below a heading. */
function codesBelow(heading: string): readonly string[] {
  return rowsOf(sectionOf(operations, heading)).flatMap((row) => codeOf(row[0]) ?? [])
}

/** Equal as sets, with both differences in the failure. */
function assertSame(actual: Iterable<string>, expected: Iterable<string>, words: string): void {
  const [are, should] = [new Set(actual), new Set(expected)]
  const missing = [...should].filter((each) => !are.has(each)).sort()
  const surplus = [...are].filter((each) => !should.has(each)).sort()
  assert.deepEqual({ missing, surplus }, { missing: [], surplus: [] }, words)
}

test('every log line is explained in docs/operations.md, and every explained line exists', () => {
  const { formats, problems } = logFormats(loadSource())
  assert.deepEqual(problems, [])
  const explained = rowsOf(sectionOf(operations, 'Log lines')).map((row) => `${row[0] ?? ''} ${codeOf(row[1]) ?? '?'}`)
  assertSame(
    explained,
    formats.map((each) => each.line),
    `log lines (LEVEL and format) in docs/operations.md against the source`,
  )
  assert.equal(new Set(explained).size, explained.length, 'a line is explained twice')
})

test('the log scan sees formats and refuses computed ones', () => {
  const text = `log.info('a %s', x)\nthis.#log.error(cond ? 'b' : 'c')\nl.named('ssmsend').critical('d')\nlog.warning(e)`
  const { formats, problems } = logFormats([parseFile('os/x.ts', text)])
  assert.deepEqual(
    formats.map((each) => each.line),
    ['INFO a %s', 'ERROR b', 'ERROR c', 'CRITICAL d'],
  )
  assert.equal(problems.length, 1)
})

test('every log line, reason and error code has a remedy', () => {
  const rows = ['Log lines', 'Reasons', 'Error codes'].flatMap((name) => rowsOf(sectionOf(operations, name)))
  const empty = rows.filter((row) => (row.at(-1) ?? '').length < 3)
  assert.deepEqual(empty, [])
})

test('every reason is listed with its words', () => {
  assertSame(codesBelow('Reasons'), Object.keys(REASONS), 'reasons')
  for (const [name, { words }] of Object.entries(REASONS)) {
    const row = rowsOf(sectionOf(operations, 'Reasons')).find((each) => codeOf(each[0]) === name)
    assert.equal(row?.[1], words, `the words of ${name}`)
  }
})

test('every error code is listed with its exit code', () => {
  assertSame(codesBelow('Error codes'), Object.keys(ERROR_KINDS), 'error codes')
  for (const [name, { exit }] of Object.entries(ERROR_KINDS)) {
    const row = rowsOf(sectionOf(operations, 'Error codes')).find((each) => codeOf(each[0]) === name)
    assert.equal(row?.[1], String(exit), `the exit code of ${name}`)
  }
})

test('ssmctl explain says what docs/operations.md says', () => {
  const headings = { check: 'Before you switch', log: 'Log lines', sentence: 'Sentences', inside: 'Inside lines', words: 'Words on standard output', reason: 'Reasons', code: 'Error codes' } as const // prettier-ignore
  for (const [kind, heading] of Object.entries(headings)) {
    const there = rowsOf(sectionOf(operations, heading)).map((row) => row.map((cell) => cell.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1'))) // prettier-ignore
    // The cast: the keys of the table above.
    assert.deepEqual(ROWS[kind as keyof typeof headings], there, 'run node scripts/make-explanations.mjs')
  }
})

test('docs/configuration.md is what the option table says', () => {
  const reference = readText('docs/configuration.md')
  for (const section of new Set(OPTIONS.map((option) => option.section))) {
    const rows = rowsOf(sectionOf(reference, `\`[${section}]\``)).map((row) => row.join(' ~ '))
    const options = OPTIONS.filter((option) => option.section === section)
    assert.equal(rows.length, options.length, `[${section}]: run node scripts/make-reference.mjs`)
    for (const [at, option] of options.entries()) {
      const row = rows[at] ?? ''
      const expected = [`\`${option.key}\` ~ ${option.who} ~`, option.meaning, option.default ?? '']
      for (const part of expected) {
        assert.ok(row.includes(part), `[${section}] ${option.key}: run node scripts/make-reference.mjs\n${row}`)
      }
    }
  }
})

test('links lead to files that exist', () => {
  const broken = documents.flatMap((name) =>
    linksOf(readText(name))
      .filter((target) => !existsSync(join(root, dirname(name), target)))
      .map((target) => `${name}: ${target}`),
  )
  assert.deepEqual(broken, [])
})

/** What a reader may copy: scripts of ours must exist; flags and verbs of our programs must be in their help. */
const PROGRAMS = ['ssmsend', 'ssmreceive', 'ssmctl']

function helpOf(program: string, verbs: readonly string[]): string {
  const file = join(root, 'dist', 'src', 'bin', `${program}.js`)
  const result = spawnSync(process.execPath, [file, ...verbs, '--help'], { encoding: 'utf8', timeout: 30_000 })
  return result.stdout + result.stderr
}

/** `ssmctl spool list DIR --type x` → program, leading words that are verbs, flags. */
function partsOf(command: string): { program: string; verbs: readonly string[]; flags: readonly string[] } | undefined {
  const words = command.split(/\s+/)
  const at = words.findIndex((word) => PROGRAMS.includes(word))
  if (at < 0) return undefined
  const rest = words.slice(at + 1)
  const end = rest.findIndex((word) => /^[|<>&;]/.test(word))
  const own = end < 0 ? rest : rest.slice(0, end)
  const limit = words[at] !== 'ssmctl' ? 0 : ['spool', 'pki', 'ams'].includes(own[0] ?? '') ? 2 : 1
  return {
    program: words[at]!,
    verbs: own.slice(0, limit),
    flags: own.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.replace(/=.*$/, '')),
  }
}

test('commands in the documents exist', () => {
  const scripts = (JSON.parse(readText('package.json')) as { scripts: Record<string, string> }).scripts
  const helps = new Map<string, string>()
  const wrong: string[] = []
  for (const name of documents) {
    for (const command of commandsOf(readText(name))) {
      const file = /^(?:sh|bash|node) ((?:scripts|\.ci|dist)\/\S+)/.exec(command)?.[1]
      if (file !== undefined && !existsSync(join(root, file))) wrong.push(`${name}: ${command}: no such file`)
      const script = /^npm run (\S+)/.exec(command)?.[1]
      if (script !== undefined && !(script in scripts)) wrong.push(`${name}: ${command}: no such script`)
      const parts = partsOf(command)
      if (parts === undefined) continue
      const key = [parts.program, ...parts.verbs].join(' ')
      const help = helps.get(key) ?? helpOf(parts.program, parts.verbs)
      helps.set(key, help)
      if (!help.includes(parts.verbs.at(-1) ?? parts.program)) wrong.push(`${name}: ${command}: no such verb`)
      for (const flag of parts.flags) {
        if (!new RegExp(`(^|[\\s,])${flag}\\b`, 'm').test(help)) wrong.push(`${name}: ${command}: no flag ${flag}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
})

// In pieces, so that this file does not contain what it looks for.
const MACHINE_WORDS = [
  '/wo' + 'rk/',
  '/tmp/' + 'wt/',
  '/tmp/' + 'peer',
  'ssm-' + 'issue',
  'npm' + 'js.org',
  'py' + 'pi.org',
]
const READER_WORDS = /\b(ses{2}ions?|subagents?|AI model)\b/i

test('files speak of the project alone', () => {
  const folders = ['src', 'test', 'docs', 'conf', 'scripts', 'rpm', 'packaging', '.ci', '.github']
  const inFolders = folders.flatMap((folder) => filesBelow(folder).map((name) => `${folder}/${name}`))
  const topFiles = [
    'package.json',
    'package-lock.json',
    'eslint.config.js',
    'Dockerfile',
    'compose.yaml',
    '.dockerignore',
    '.npmrc',
  ]
  const names = [...inFolders, ...documents, ...topFiles].filter((name) => existsSync(join(root, name)))
  const machine = names.filter((name) => MACHINE_WORDS.some((word) => readText(name).includes(word)))
  assert.deepEqual(machine, [])
  assert.deepEqual(
    documents.filter((name) => READER_WORDS.test(readText(name))),
    [],
  )
})

test('shell scripts are clean', { skip: need('shellcheck') }, () => {
  const names = filesBelow('scripts').filter((name) => name.endsWith('.sh'))
  const files = [...names.map((name) => join('scripts', name)), '.ci/run', 'packaging/launcher.sh']
  const result = spawnSync('shellcheck', ['-x', ...files], { cwd: root, encoding: 'utf8' })
  assert.equal(result.status, 0, result.stdout + result.stderr)
})

test('the package description of the RPM parses', { skip: need('rpmspec') }, () => {
  const result = spawnSync('rpmspec', ['-P', 'rpm/apelssm.spec'], { cwd: root, encoding: 'utf8' })
  assert.equal(result.status, 0, result.stdout + result.stderr)
  const { version } = JSON.parse(readText('package.json')) as { version: string }
  assert.match(result.stdout, new RegExp(`^Version:\\s*${version.replace('-', '~').replaceAll('.', '\\.')}$`, 'm'))
})
