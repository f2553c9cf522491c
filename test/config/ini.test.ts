import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import type { Findings } from '../../src/config/finding.js'
import { parseIni } from '../../src/config/ini.js'
import { createIniValues } from '../../src/config/interpolate.js'
import { need } from '../kit/need.js'

interface Read {
  /** Section → key → value, DEFAULT keys in every section; null: refused. */
  readonly values: Record<string, Record<string, string>> | null
  readonly findings: Findings
}

function read(text: string | Uint8Array): Read {
  const findings: Findings = { warnings: [], problems: [] }
  const document = parseIni(Buffer.from(text as string), findings)
  const ini = createIniValues(document, findings)
  const values: Record<string, Record<string, string>> = {}
  for (const [section, { entries }] of document.sections) {
    const keys = new Set([...entries.keys(), ...document.defaults.keys()])
    values[section] = Object.fromEntries([...keys].map((key) => [key, ini.get(section, key)?.text ?? '']))
  }
  return { values: findings.problems.length > 0 ? null : values, findings }
}

/** Documents that Python accepts, and what is in them is compared with Python itself below. */
const GOOD = [
  '[a]\nk: v\n',
  '[a]\nk = v\n',
  '[a]\nk: v = w\nl = x : y\nurl: http://h:80/\n',
  '# c\n; c\n[a]\n# c\nk: v # not a comment\nl: ; neither\n',
  '[a]\nKey: v\nKEY2 = V\n',
  '[a]\nk: one\n  two\n\n  three\nl: x\n',
  '[a]\nk: one\n  # comment inside\n  two\n\n\nl: x\n',
  '[a]\nk:\n  one\n  two\n',
  '[a]\n  k: one\n  l: two\n    more\n m: three\n',
  '  [a]\n  k: one\n',
  '[a]\nk: one\n   [not a section]\n',
  '[a]\nk: one\n   l: two\n',
  '[a]\nk: 100%%\nl: %(k)s\nm: %(K)s/%(l)s\n',
  '[DEFAULT]\nbase: /var\n[a]\npath: %(base)s/x\n[b]\nbase: /srv\npath: %(base)s/x\n',
  '[a]\nk: v\n[A]\nk: w\n',
  '[a]\r\nk: v\r\n  w\r\nl: x\r\n',
  '[a]\rk: v\rl: x\r',
  '[a]\nk: v\t \n\tl: w\n',
  '[a]\nk:\nl =\n',
  '[a] trailing text\nk: v\n',
  '[a b]\nk with blanks: v\n',
  '[a]\nk: Grüße 東京\n',
  '[a]\nk: v',
  '',
]

test('what Python accepts is read as Python reads it', { skip: need('python3') }, () => {
  const fuzzed = Array.from({ length: 400 }, (_, seed) => randomDocument(seed))
  const documents = [...GOOD, ...fuzzed]
  const answers = askPython(documents)
  assert.ok(answers.filter((answer) => answer !== null).length > GOOD.length + 50, 'the random documents are too wild')
  for (const [index, document] of documents.entries()) {
    const python = answers[index]
    if (index < GOOD.length) assert.notEqual(python, null, `Python refuses ${JSON.stringify(document)}`)
    const ours = read(document).values
    // What Python refuses may be read (duplicates, a lone %), with a complaint.
    if (python !== null) assert.deepEqual(ours, python, JSON.stringify(document))
    else if (ours !== null) assert.notEqual(read(document).findings.warnings.length, 0, JSON.stringify(document))
  }
})

const PYTHON = `
import configparser, io, json, sys
out = []
for text in json.load(sys.stdin):
    try:
        cp = configparser.ConfigParser()
        cp.read_file(io.StringIO(text, newline=None))
        out.append({s: dict(cp.items(s)) for s in cp.sections()})
    except configparser.Error:
        out.append(None)
json.dump(out, sys.stdout)
`

function askPython(documents: readonly string[]): (Read['values'] | undefined)[] {
  const env = { ...process.env, PYTHONIOENCODING: 'utf-8' }
  const run = spawnSync('python3', ['-c', PYTHON], {
    input: JSON.stringify(documents),
    encoding: 'utf8',
    env,
    timeout: 20_000,
  })
  assert.equal(run.status, 0, run.stderr)
  return JSON.parse(run.stdout) as (Read['values'] | undefined)[]
}

/** Lines out of a small vocabulary, the same for the same seed. */
function randomDocument(seed: number): string {
  let state = seed * 2654435761 + 12345
  const pick = <T>(items: readonly T[]): T => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return items[(state >>> 8) % items.length]!
  }
  const LINES = [
    '[a]',
    '[b]',
    '[DEFAULT]',
    'k: v',
    'l = w',
    'm: %(k)s',
    'n: 1%%',
    'o:',
    'more',
    'x y',
    '# c',
    ';c',
    '',
    ' ',
  ]
  const INDENTS = ['', '', '', '', ' ', '   ', '\t']
  const lines = Array.from({ length: 3 + (seed % 6) }, () => pick(INDENTS) + pick(LINES))
  return `[s]\nk: 0\n${lines.join('\n')}\n`
}

test('a byte order mark, and a lone % with a warning', () => {
  assert.deepEqual(read('\ufeff[a]\nk: v\n').values, { a: { k: 'v' } })
  const { values, findings } = read('[a]\ntoken: ab%cd%(ef\n')
  assert.deepEqual(values, { a: { token: 'ab%cd%(ef' } })
  assert.match(findings.warnings[0]?.text ?? '', /single %/u)
})

test('limits are named, and hostile files cost little', () => {
  const cases: [string | Uint8Array, RegExp][] = [
    [Buffer.alloc(1024 * 1024 + 1, 0x61), /larger than 1048576 bytes/u],
    ['\n'.repeat(10_001), /more than 10000 lines/u],
    [`[a]\nk: ${'x'.repeat(70_000)}`, /longer than 65536 characters/u],
    [Buffer.from([0x5b, 0x61, 0x5d, 0x0a, 0x6b, 0x3a, 0xff]), /not UTF-8/u],
    // Each level takes the one below ten times: 10^10 without a limit.
    [
      `[a]\nk0: x\n${Array.from({ length: 9 }, (_, i) => `k${i + 1}: ${`%(k${i})s`.repeat(10)}`).join('\n')}`,
      /longer than/u,
    ],
    [
      `[a]\nk0:\n${Array.from({ length: 9 }, (_, i) => `k${i + 1}: ${`%(k${i})s`.repeat(10)}`).join('\n')}`,
      /longer than/u,
    ],
  ]
  for (const [text, words] of cases) {
    // Of the processor: other tests run beside this one.
    const start = process.cpuUsage()
    const { findings } = read(text)
    assert.match(findings.problems[0]?.text ?? '', words)
    assert.ok(process.cpuUsage(start).user < 1_000_000)
  }
  assert.equal(read(Buffer.from([0x5b, 0x61, 0x5d, 0x0a, 0x6b, 0x3a, 0xff])).findings.problems[0]?.line, 2)
})

test('random bytes never throw', () => {
  let state = 7
  for (let run = 0; run < 300; run++) {
    const bytes = Buffer.alloc(200)
    for (let i = 0; i < bytes.length; i++) {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
      const letters = '[]:=%()s#; \n\tabDEFAULT\r\x00'
      bytes[i] = run % 2 === 0 ? state >>> 16 : letters.charCodeAt((state >>> 8) % letters.length)
    }
    read(bytes)
  }
})
