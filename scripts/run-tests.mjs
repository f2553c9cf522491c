// Runs compiled tests: `node scripts/run-tests.mjs [FOLDER|FILE …]` (below dist/test; default all but dist/test/bench).
// A file list, because directory arguments of `node --test` mean different things in Node 20 and 22. Files run in
// processes of their own, two at a time; a file that takes longer than TEST_TIMEOUT seconds (default 480) fails.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const scripts = dirname(fileURLToPath(import.meta.url))
const repository = dirname(scripts)

const scriptUrl = (name) => pathToFileURL(join(scripts, name)).href

function fail(words) {
  console.error(words)
  process.exit(1)
}

function testsBelow(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((name) => name.endsWith('.test.js'))
}

function chosenFiles(wanted) {
  const all = join(repository, 'dist', 'test')
  if (!existsSync(all)) fail('no compiled tests: run `npm run build` first')
  // Compiled files of deleted sources stay in dist; they are no tests any more.
  const hasSource = (file) => existsSync(file.replace(all, join(repository, 'test')).replace(/\.js$/, '.ts'))
  if (wanted.length === 0) {
    return testsBelow(all).filter((file) => hasSource(file) && !file.startsWith(join(all, 'bench')))
  }
  return wanted.flatMap((name) => {
    const path = resolve(name)
    if (!existsSync(path)) fail(`no such test: ${name}`)
    return statSync(path).isFile() ? [path] : testsBelow(path).filter(hasSource)
  })
}

const seconds = Number(process.env.TEST_TIMEOUT ?? 480)
if (!Number.isFinite(seconds) || seconds <= 0) fail('TEST_TIMEOUT must be a number of seconds')
const files = chosenFiles(process.argv.slice(2))
if (files.length === 0) fail('no tests found')

const result = spawnSync(
  process.execPath,
  [
    '--enable-source-maps',
    `--import=${scriptUrl('end-late-tests.mjs')}`,
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${seconds * 1000}`,
    `--test-reporter=${scriptUrl('report-tests.mjs')}`,
    '--test-reporter-destination=stdout',
    ...files.sort(),
  ],
  { stdio: 'inherit', cwd: repository, env: { ...process.env, TEST_TIMEOUT: String(seconds) } },
)
if (result.error !== undefined) fail(`the tests could not be run: ${result.error.message}`)
process.exit(result.status ?? 1)
