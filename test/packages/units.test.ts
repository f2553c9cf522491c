/** The units of systemd: confined, correct, and starting our programs with flags that they have. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createCommand } from '../../src/cli/flag-command.js'
import { INSTALLED } from '../../src/cli/installed.js'
import { need } from '../kit/need.js'
import { filesBelow, readText, root } from '../kit/source.js'

const services = filesBelow('packaging').filter((name) => name.endsWith('.service'))

/** Tenths: `systemd-analyze security` rates from 0 (confined) to 10. */
const MOST_EXPOSED = 20

test('every service is confined', { skip: need('systemd-analyze') }, () => {
  assert.ok(services.length >= 3, services.join())
  for (const name of services) {
    const args = ['security', '--offline=true', `--threshold=${MOST_EXPOSED}`, join(root, 'packaging', name)]
    const result = spawnSync('systemd-analyze', args, { encoding: 'utf8', timeout: 60_000 })
    assert.equal(result.status, 0, `${name}: ${result.stdout}${result.stderr}`)
    // V8 writes machine code at run time: this would end the program.
    assert.doesNotMatch(readText(`packaging/${name}`), /^MemoryDenyWriteExecute=(yes|true)/m)
  }
})

test(
  'units are what systemd reads, but for programs that are not installed here',
  { skip: need('systemd-analyze') },
  () => {
    const files = filesBelow('packaging').filter((name) => /\.(service|timer)$/.test(name))
    const args = ['verify', '--man=no', ...files.map((name) => join(root, 'packaging', name))]
    const result = spawnSync('systemd-analyze', args, { encoding: 'utf8', timeout: 60_000 })
    const complaints = result.stderr
      .split('\n')
      .filter((line) => line !== '' && !/\/usr\/bin\/ssm\w+ is not exec/.test(line))
    assert.deepEqual(complaints, [])
  },
)

test('units start installed programs with flags that they have', () => {
  for (const name of services) {
    const line = /^ExecStart=(\S+) (.*)$/m.exec(readText(`packaging/${name}`))
    const [program = '', flags = ''] = [line?.[1], line?.[2]]
    const known = program.endsWith('/ssmsend') ? 'ssmsend' : 'ssmreceive'
    assert.equal(program, `/usr/bin/${known}`)
    assert.ok(INSTALLED.some(({ path }) => path === program))
    const options = createCommand(known).options.flatMap(({ short, long }) => [short, long])
    for (const flag of flags.split(' ').filter((word) => word.startsWith('-'))) {
      assert.ok(options.includes(flag), `${name}: ${known} has no ${flag}`)
    }
  }
})

test('a unit waits for the disk of its spool, and leaves no copy of its memory', () => {
  for (const name of services) {
    const text = readText(`packaging/${name}`)
    const writable = /^ReadWritePaths=-?(.*)$/m.exec(text)?.[1]
    assert.equal(/^RequiresMountsFor=(.*)$/m.exec(text)?.[1], writable, name)
    assert.match(text, /^LimitCORE=0$/m, name)
  }
})

test('every unit is installed, and nothing is installed twice', () => {
  const paths = INSTALLED.map(({ path }) => path)
  assert.equal(new Set(paths).size, paths.length)
  for (const name of filesBelow('packaging').filter((each) => /\.(service|timer)$/.test(each))) {
    assert.ok(paths.includes(`/usr/lib/systemd/system/${name}`), name)
  }
  // A parent that the package owns comes before what is in it.
  for (const [at, path] of paths.entries()) {
    assert.ok(!paths.slice(0, at).some((before) => before.startsWith(`${path}/`)), path)
  }
})

test('every document that the others link to is installed beside them', () => {
  const installed = INSTALLED.flatMap(({ path }) => (path.startsWith('/usr/share/doc/') ? [path] : []))
  for (const name of filesBelow('docs').filter((each) => each.endsWith('.md'))) {
    assert.ok(installed.includes(`/usr/share/doc/apelssm/docs/${name}`), `docs/${name} is not in src/cli/installed.ts`)
  }
})
