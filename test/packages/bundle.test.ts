/**
 * The programs in a few files, as packages ship them: they run away from this repository, do the whole job, read
 * only what is needed, and the same sources give the same bytes.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, randomBytes } from 'node:crypto'
import { readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { QueueSimple } from '../../src/index.js'
import { INSTALLED } from '../../src/cli/installed.js'
import { createUnwrapThread } from '../../src/cli/unwrap-thread.js'
import { wrapPkcs1 } from '../../src/crypto/key-transport.js'
import { buildBundle } from '../kit/bundle.js'
import { testKey } from '../kit/ca.js'
import { isHeavy, runIdle } from '../kit/idle.js'
import { startMiniBroker } from '../kit/mini-broker.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, startChild, type Running } from '../kit/site.js'
import { readText, root } from '../kit/source.js'
import { createMemoryLog } from '../kit/transport.js'

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

test('no module is in both files of the sender: of none there are two instances', () => {
  const first = new Set(modulesIn('ssmsend.js'))
  const later = modulesIn('ssmsend-later.js')
  assert.ok(first.has('dist/src/errors.js') && later.includes('dist/src/transport/index.js'))
  assert.deepEqual(
    later.filter((name) => first.has(name)),
    [],
  )
})

test('what stays holds all it may need, but for undici: an upgrade under it must not mix versions', () => {
  const asks = (file: string): readonly string[] => {
    const text = readFileSync(join(bundle, 'bin', file), 'utf8')
    return [...new Set([...text.matchAll(/require\("(\.[^"]+)"\)/g)].map((found) => found[1] ?? ''))].toSorted()
  }
  assert.deepEqual(asks('ssmreceive.js'), ['../lib/undici.js'])
  // pkijs is loaded with the certificates that need it.
  assert.deepEqual(asks('ssmsend.js'), ['./ssmsend-later.js'])
  assert.deepEqual(asks('ssmsend-later.js'), [
    '../lib/asn1js.js',
    '../lib/pkijs.js',
    '../lib/undici.js',
    './ssmsend.js',
  ])
})

test('programs that stay go on when they are replaced under way', async (t) => {
  const folder = scratch(t)
  const installed = join(folder, 'installed')
  buildBundle(installed)
  await using broker = await startMiniBroker()
  const site = createSite(folder, broker.port)
  const encrypted = { server_cert: site.pki.other.certificateFile, key_transport: 'oaep' }
  site.configure({ sender: { certificates: encrypted } })
  site.allow(site.pki.host)
  const start = (name: string, ...args: readonly string[]): Running =>
    startChild(process.execPath, [join(installed, 'bin', `${name}.js`), ...args])
  const receiver = start('ssmreceive', '-c', site.receiverCfg, '-d', site.dns, '--foreground')
  const sender = start('ssmsend', '-c', site.senderCfg, '--watch')
  await eventually('it is subscribed', () => site.log('ssmreceive').includes('Subscribing to'))
  await eventually('it watches', () => site.log('ssmsend').includes('Watching '))
  rmSync(installed, { recursive: true })
  await new QueueSimple(site.outgoing).add('a record\n')
  await eventually('it is stored', () => site.countIncoming() === 1)
  for (const running of [sender, receiver]) assert.equal((await running.stop()).code, 0)
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

test('the look at what is read sees more when there is more', (t) => {
  const run = runIdle(scratch(t), join(bundle, 'bin', 'ssmsend.js'), '--config=')
  assert.deepEqual(
    run.files.map((file) => relative(bundle, file)),
    ['bin/ssmsend-later.js', 'bin/ssmsend.js'],
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

test('the thread for private keys works where the bundled receiver looks for it', async () => {
  const found = /path\d*\.join\)\(__dirname, "([^"]*unwrap-thread\.js)"\)/.exec(
    readFileSync(join(bundle, 'bin', 'ssmreceive.js'), 'utf8'),
  )
  const log = createMemoryLog()
  const program = join(bundle, 'bin', found?.[1] ?? 'is not there')
  await using thread = createUnwrapThread({ log, program })
  const key = testKey('rsa2048')
  const expected = Array.from({ length: 20 }, () => randomBytes(32))
  const wrapped = expected.map((each) => wrapPkcs1(createPublicKey(key), each))
  assert.deepEqual(
    await Promise.all(wrapped.map((each) => thread.unwrap(key, { wrapped: each, length: 32 }))),
    expected,
  )
  assert.deepEqual(log.lines, ['DEBUG Private keys are used in a thread of their own.'])
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
