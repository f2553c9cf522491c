/** The launcher of packages, with stand-ins for Node: it finds one that is new enough, or says in one line what to install. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readText } from '../kit/source.js'
import { scratch } from '../kit/scratch.js'

interface Started {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

interface LaunchOptions {
  readonly own?: string
  readonly program?: string
  readonly threads?: string
  readonly args?: readonly string[]
}

/** Runs the launcher with these programs on the path: name → what its `-v` says; `own`: what that of the package says. */
function launch(
  folder: string,
  nodes: Readonly<Record<string, string>>,
  { own, program = 'ssmsend', threads, args = ['-c', 'a file'] }: LaunchOptions = {},
): Started {
  const [bin, lib] = [join(folder, 'bin'), join(folder, 'lib')]
  for (const path of [bin, lib]) mkdirSync(path, { recursive: true })
  const write = (file: string, text: string): void => {
    writeFileSync(file, text)
    chmodSync(file, 0o755)
  }
  const node = (name: string, version: string): string => `#!/bin/sh
if [ "$1" = -v ]; then echo ${version}; else echo "${name} \${UV_THREADPOOL_SIZE-unset} $*"; fi
`
  for (const [name, version] of Object.entries(nodes)) write(join(bin, name), node(name, version))
  if (own !== undefined) write(join(lib, 'node'), node('own', own))
  const launcher = join(folder, program)
  const text = readText('packaging/launcher.sh').replaceAll('@PROGRAM@', program)
  write(launcher, text.replace('lib=/usr/lib/apelssm', `lib=${lib}`))
  // Where `sh` is must not bring a real Node with it: the shell by its full name, nothing else on the path.
  const env = { PATH: bin, ...(threads === undefined ? {} : { UV_THREADPOOL_SIZE: threads }) }
  return spawnSync('/bin/sh', [launcher, ...args], { encoding: 'utf8', env, timeout: 30_000 })
}

/** What `engines` of package.json says, as numbers. */
const VERSIONS: readonly (readonly [string, boolean])[] = [
  ['v10.24.1', false],
  ['v12.22.9', false],
  ['v18.20.4', false],
  ['v20.9.0', false],
  ['v20.18.3', false],
  ['v20.19.0', true],
  ['v20.20.2', true],
  ['v21.7.3', false],
  ['v22.2.0', false],
  ['v22.11.0', false],
  ['v22.12.0', true],
  ['v22.23.3', true],
  ['v23.1.0', true],
  ['v24.0.0', true],
  ['v30.1.0', true],
]

test('it takes the Nodes that package.json names, and no others', (t) => {
  assert.match(readText('package.json'), /"node": "\^20\.19 \|\| >=22\.12"/)
  for (const [version, good] of VERSIONS) {
    const { status, stdout, stderr } = launch(join(scratch(t), version), { node: version })
    assert.equal(status, good ? 0 : 78, `${version}: ${stdout}${stderr}`)
    if (good) assert.match(stdout, /^node unset \S+\/lib\/bin\/ssmsend\.js -c a file\n$/)
    else assert.match(stderr, new RegExp(`^ssmsend: needs Node\\.js 20\\.19 or later.*node is ${version}.*\\n$`))
  }
})

test('one with a number in its name helps where the plain one is too old, and the package’s own comes first', (t) => {
  const nodes = { node: 'v18.20.4', 'node-22': 'v22.16.0' }
  assert.match(launch(scratch(t), nodes).stdout, /^node-22 /)
  assert.match(launch(scratch(t), nodes, { own: 'v22.23.3' }).stdout, /^own /)
})

test('who stays has less room for young objects, the receiver more threads, and threads can be chosen', (t) => {
  const nodes = { node: 'v20.19.0' }
  const launched = (program: string, rest: LaunchOptions = {}): string =>
    launch(scratch(t), nodes, { program, ...rest }).stdout
  const file = String.raw`\S+\/lib\/bin\/ssm\w+\.js -c a file\n$`
  for (const own of [undefined, 'v24.1.0'] as const) {
    const name = own === undefined ? 'node' : 'own'
    const rest = own === undefined ? {} : { own }
    assert.match(launched('ssmreceive', rest), new RegExp(`^${name} 32 --max-semi-space-size=8 ${file}`))
    assert.match(launched('ssmsend', rest), new RegExp(`^${name} unset ${file}`))
    assert.match(launched('ssmctl', rest), new RegExp(`^${name} unset ${file}`))
  }
  const watching = launched('ssmsend', { args: ['-c', 'a file', '--watch'] })
  assert.match(watching, /^node unset --max-semi-space-size=8 \S+\/lib\/bin\/ssmsend\.js -c a file --watch\n$/)
  assert.match(launched('ssmreceive', { threads: '8' }), /^node 8 --max/)
  assert.match(launched('ssmsend', { threads: '8' }), /^node 8 \S+\/lib/)
})

test('without any it says one line', (t) => {
  const { status, stdout, stderr } = launch(scratch(t), {})
  assert.deepEqual([status, stdout], [78, ''])
  assert.match(stderr, /^ssmsend: needs Node\.js .*there is none.*install the package nodejs.*apelssm-node\.\n$/)
})
