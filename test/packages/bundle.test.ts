/**
 * Two files a program and one a library, as packages ship them: they run away from this repository, do the whole job, read
 * only what is needed, and the same sources give the same bytes.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, renameSync } from 'node:fs'
import { join, relative } from 'node:path'
import { INSTALLED } from '../../src/cli/installed.js'
import { buildBundle } from '../kit/bundle.js'
import { isHeavy, runIdle } from '../kit/idle.js'
import { scratch } from '../kit/scratch.js'
import { readText, root } from '../kit/source.js'

const bundle = join(scratch(), 'lib')
buildBundle(bundle)

const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))

/** The modules in a file, by the bundler's marks. */
function modulesIn(file: string): readonly string[] {
  const text = readFileSync(join(bundle, 'bin', file), 'utf8')
  return [...text.matchAll(/^\/\/ ((?:node_modules|dist)\/\S+)$/gm)].map((found) => found[1] ?? '')
}

/** Some time of a cron job is what V8 reads, so these are looked at by name: how long it takes depends on the machine. */
test('an idle sender reads its own file and no library, and begins without transports and trust', (t) => {
  const run = runIdle(scratch(t), join(bundle, 'bin', 'ssmsend.js'))
  assert.deepEqual(
    run.files.map((file) => relative(bundle, file)),
    ['bin/ssmsend.js'],
  )
  assert.deepEqual(run.builtins.filter(isHeavy), [])
  // Node knows them by these names.
  assert.ok(run.builtins.includes('crypto') && run.builtins.includes('fs'), run.builtins.join())
  const modules = modulesIn('ssmsend.js')
  assert.ok(modules.includes('dist/src/cli/ssmsend.js'), modules.join('\n'))
  const waits = /^node_modules\/|^dist\/src\/(transport\/(?!port)|trust\/|cli\/(check\/run|flag-command))/
  assert.deepEqual(
    modules.filter((name) => waits.test(name)),
    [],
  )
})

test('a module is in one of the two files of a program: of none there are two instances', () => {
  for (const program of ['ssmsend', 'ssmreceive', 'ssmctl']) {
    const first = new Set(modulesIn(`${program}.js`))
    const later = modulesIn(`${program}-later.js`)
    assert.ok(first.has('dist/src/errors.js') && later.length > 0)
    assert.deepEqual(
      later.filter((name) => first.has(name)),
      [],
    )
  }
})

test('an idle sender from dist reads no library either', (t) => {
  const run = runIdle(scratch(t), join(root, 'dist', 'src', 'bin', 'ssmsend.js'))
  const files = run.files.map((file) => relative(root, file))
  assert.ok(files.includes('dist/src/cli/ssmsend.js'), files.join('\n'))
  assert.deepEqual(
    files.filter((file) => /node_modules|dist\/src\/(transport\/(?!port)|trust\/)/.test(file)),
    [],
  )
  assert.deepEqual(run.builtins.filter(isHeavy), [])
})

test('the look at what is read sees a library when one is', (t) => {
  const run = runIdle(scratch(t), join(bundle, 'bin', 'ssmsend.js'), '--config=')
  assert.deepEqual(
    run.files.map((file) => relative(bundle, file)),
    ['bin/ssmsend-later.js', 'bin/ssmsend.js', 'lib/commander.js'],
  )
})

test('the bundled tool runs the whole job with the bundled programs, away from here', (t) => {
  const folder = scratch(t)
  const away = join(folder, 'somewhere else')
  buildBundle(away)
  assert.deepEqual(
    filesIn(away)
      .map((name) => `/usr/lib/apelssm/${name}`)
      .toSorted(),
    INSTALLED.map(({ path, from }) => (from?.startsWith('made:lib/') === true ? path : ''))
      .filter(Boolean)
      .toSorted(),
  )
  const demo = [join(away, 'bin', 'ssmctl.js'), 'demo', '--count', '3']
  const result = spawnSync(process.execPath, demo, { cwd: folder, encoding: 'utf8', timeout: 120_000 })
  assert.equal(result.status, 0, result.stdout + result.stderr)
  assert.match(result.stdout, /accepted, \d+ refused with the reason, none lost, none twice/)
})

test('the same sources give the same bytes, and no name of this machine', (t) => {
  const other = join(scratch(t), 'x')
  buildBundle(other)
  for (const name of filesIn(bundle)) {
    const bytes = readFileSync(join(bundle, name))
    assert.ok(bytes.equals(readFileSync(join(other, name))), `${name} differs between two builds`)
    assert.ok(!bytes.includes(root), `${name} contains ${root}`)
  }
})

test('the bundles say the version of package.json', (t) => {
  const { version } = JSON.parse(readText('package.json')) as { version: string }
  const moved = join(scratch(t), 'moved')
  buildBundle(moved)
  renameSync(moved, `${moved}-on`)
  for (const name of ['ssmsend', 'ssmreceive', 'ssmctl']) {
    const file = join(`${moved}-on`, 'bin', `${name}.js`)
    const result = spawnSync(process.execPath, [file, '--version'], { encoding: 'utf8', timeout: 30_000 })
    assert.equal(result.stdout, `SSM ${version}\n`, result.stderr)
  }
})
