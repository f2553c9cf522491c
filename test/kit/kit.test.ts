import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { scratch } from './scratch.js'
import { root } from './source.js'

const script = (folder: string, body: string): string => {
  const file = join(folder, 'one.test.mjs')
  writeFileSync(
    file,
    `import { test } from 'node:test'
import { scratch } from '${new URL('./scratch.js', import.meta.url).href}'
import { need } from '${new URL('./need.js', import.meta.url).href}'
${body}`,
  )
  return file
}

function run(file: string, env: NodeJS.ProcessEnv, ...flags: readonly string[]) {
  // Set for every test file by the runner; a runner that inherits it believes to be one of those files.
  const outer = { ...process.env, ...env, NODE_TEST_CONTEXT: undefined }
  return spawnSync(process.execPath, ['--test', ...flags, file], { encoding: 'utf8', env: outer })
}

test('scratch folders go when the test passed and stay when it failed', (t) => {
  const folder = scratch(t)
  const temporary = join(folder, 'tmp')
  mkdirSync(temporary)
  const file = script(
    folder,
    `test('good', (t) => { scratch(t) })
test('bad', (t) => { scratch(t); throw new Error('deliberate') })`,
  )
  const result = run(file, { TMPDIR: temporary, KEEP_SCRATCH: '' })
  assert.notEqual(result.status, 0)
  assert.equal(readdirSync(temporary).length, 1, result.stdout)
  assert.ok(existsSync(folder))
})

test('a missing need is a reason to skip, and a failure with CI=true', (t) => {
  const folder = scratch(t)

  // With nothing on the path strace cannot run.
  const file = script(folder, `test('asks', { skip: need('strace') }, () => {})`)
  const bare = { PATH: folder, CI: '' }
  const loud = run(file, bare)
  assert.equal(loud.status, 0, loud.stdout)
  assert.match(loud.stdout, /needs .*strace/)
  const strict = run(file, { ...bare, CI: 'true' })
  assert.notEqual(strict.status, 0)
  assert.match(strict.stdout, /nothing is skipped/)
})

test('the reporter: the closing lines of the runner, skips with their reason, and a failure for them with CI=true', (t) => {
  const file = script(scratch(t), `test('good', () => {})\ntest('asks', { skip: 'needs a moon' }, () => {})`)
  const reporter = `--test-reporter=${pathToFileURL(join(root, 'scripts', 'report-tests.mjs')).href}`
  const loud = run(file, { CI: '' }, reporter)
  assert.equal(loud.status, 0, loud.stdout)
  assert.match(loud.stdout, /^ {2}1 skipped: needs a moon$/m)
  assert.match(loud.stdout, /^# tests 2\n# suites 0\n# pass 1\n# fail 0\n# cancelled 0\n# skipped 1\n/m)
  const strict = run(file, { CI: 'true' }, reporter)
  assert.equal(strict.status, 1)
  assert.match(strict.stdout, /nothing may be skipped/)
})
