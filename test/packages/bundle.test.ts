/**
 * One file a program, as packages ship them: they run away from this repository, do the whole job, load libraries only when
 * they are needed, and the same sources give the same bytes.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, renameSync } from 'node:fs'
import { join, relative } from 'node:path'
import { buildBundle } from '../kit/bundle.js'
import { scratch } from '../kit/scratch.js'
import { createSite } from '../kit/site.js'
import { readText, root } from '../kit/source.js'

const bundle = join(scratch(), 'lib')
buildBundle(bundle)

const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))

interface Coverage {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly { readonly functionName: string; readonly ranges: readonly { count: number }[] }[]
  }[]
}

/** The modules that begin with the program: the bundler wraps all others in a function that has the module's name. */
function unwrapped(program: string): readonly string[] {
  const text = readFileSync(join(bundle, 'bin', `${program}.js`), 'utf8')
  const all = [...text.matchAll(/^\/\/ ((?:node_modules|dist)\/\S+)$/gm)].map((found) => found[1] ?? '')
  const wrapped = new Set([...text.matchAll(/^ {2}"((?:node_modules|dist)\/\S+)"\(/gm)].map((found) => found[1] ?? ''))
  return all.filter((name) => !wrapped.has(name))
}

/** The wrapped modules that a run of a bundled program evaluated: the coverage of V8 says which functions were called. */
function evaluated(program: string, args: readonly string[], folder: string): readonly string[] {
  const file = join(bundle, 'bin', `${program}.js`)
  const env = { ...process.env, NODE_V8_COVERAGE: folder }
  const result = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', env, timeout: 60_000 })
  assert.equal(result.status, 0, result.stdout + result.stderr)
  return readdirSync(folder).flatMap((name) => {
    const { result: scripts } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Coverage
    return scripts
      .filter((script) => script.url.endsWith(`/${program}.js`))
      .flatMap((script) => script.functions)
      .filter((each) => /^(node_modules|dist)\//.test(each.functionName) && (each.ranges[0]?.count ?? 0) > 0)
      .map((each) => each.functionName)
  })
}

test('an idle sender evaluates neither transports nor the libraries of certificates', (t) => {
  const folder = scratch(t)
  const site = createSite(folder, 9)
  site.configure()
  const modules = evaluated('ssmsend', ['-c', site.senderCfg], join(folder, 'coverage'))
  assert.match(site.log('ssmsend'), /No messages found to send\./)
  // What it does evaluate shows that the look sees something.
  assert.ok(modules.includes('node_modules/commander/index.js'), modules.join('\n'))
  const always = unwrapped('ssmsend')
  assert.ok(always.includes('dist/src/cli/ssmsend.js'), always.join('\n'))
  const heavy = /^node_modules\/(?!commander\/)|^dist\/src\/transport\/(?!port)/
  assert.deepEqual(
    [...modules, ...always].filter((name) => heavy.test(name)),
    [],
  )
})

test('the bundled tool runs the whole job with the bundled programs, away from here', (t) => {
  const folder = scratch(t)
  const away = join(folder, 'somewhere else')
  buildBundle(away)
  assert.deepEqual(filesIn(away).toSorted(), [
    'bin/ssmctl.js',
    'bin/ssmreceive.js',
    'bin/ssmsend.js',
    'bin/undici.js',
    'package.json',
  ])
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
