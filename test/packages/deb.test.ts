/**
 * The DEB, installed into bare systems: what lies where and whose it is, the whole job as the user `apel`, upgrading the Python
 * package in place and going back, removing and purging.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createBareRoot, openRoot, type BareRoot } from '../kit/bare-root.js'
import { buildDebStandIn, dpkg } from '../kit/deb.js'
import { assertInstalled, runMainJob } from '../kit/installed.js'
import { need, programPath } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { root as repository } from '../kit/source.js'

const skip = need('dpkg-deb', 'root')
const folder = scratch()
const file = skip === false ? build(join(folder, 'packages')) : ''

function build(target: string): string {
  const args = [join(repository, 'scripts', 'build-deb.sh'), '--built', target]
  const built = spawnSync('sh', args, { encoding: 'utf8', timeout: 240_000 })
  assert.equal(built.status, 0, built.stdout + built.stderr)
  return join(target, readdirSync(target).find((name) => name.endsWith('_all.deb')) ?? '')
}

/** With the tools of accounts, which every Debian has. */
function debianRoot(name: string): BareRoot {
  const path = join(folder, name)
  mkdirSync(path)
  const root = createBareRoot(path)
  root.addProgram(programPath('dpkg'), '/usr/bin/dpkg')
  const stand = buildDebStandIn(join(folder, `${name}-stand-ins`), { name: 'passwd', version: '1:4.13' })
  const installed = dpkg(root, '-i', stand)
  assert.equal(installed.status, 0, installed.stderr)
  return root
}

function install(root: BareRoot): void {
  const installed = dpkg(root, '-i', file)
  assert.equal(installed.status, 0, installed.stdout + installed.stderr)
}

const CONFIGS = ['/etc/apel/sender.cfg', '/etc/apel/receiver.cfg', '/etc/apel/dns']
const PYTHON = {
  name: 'apel-ssm',
  version: '4.0.0-1',
  files: {
    '/usr/bin/ssmsend': '#!/bin/sh\necho python\n',
    '/usr/bin/ssmreceive': '#!/bin/sh\necho python\n',
    '/etc/rc.d/init.d/apel-ssm': '#!/bin/sh\n',
    ...Object.fromEntries(CONFIGS.map((path) => [path, `stock ${path}\n`])),
  },
  conffiles: CONFIGS,
}

const STATE = '/var/lib/systemctl-stand-in'
const RECORD = '/var/spool/apel/outgoing/5f3a2b1c/5f3a2b1c0a0b0c'
const LOG = '/var/log/apel/ssmreceive.log'
const isEnabled = (root: BareRoot, unit: string): boolean => root.has(`${STATE}/enabled/${unit}`)
const isRunning = (root: BareRoot, unit: string): boolean => root.has(`${STATE}/running/${unit}`)

/** The Python package as a site has it: configured, with a message waiting, its service running. */
function pythonSite(name: string): BareRoot {
  const root = debianRoot(name)
  assert.equal(dpkg(root, '-i', buildDebStandIn(join(folder, `${name}-python`), PYTHON)).status, 0)
  root.write('/etc/apel/sender.cfg', 'our sender\n')
  root.write(RECORD, 'a record')
  root.write(LOG, 'a line\n')
  root.ok(['systemctl', 'enable', 'apel-ssm'])
  root.ok(['systemctl', 'start', 'apel-ssm'])
  return root
}

test('installed, everything is where the table says, as it says', { skip }, () => {
  const root = debianRoot('installed')
  install(root)
  assertInstalled(root)
  assert.ok(root.has('/usr/share/doc/apel-ssm/copyright'))
  assert.equal(dpkg(root, '-V', 'apel-ssm').stdout, '')
  assert.ok(!isEnabled(root, 'apelssm') && !isRunning(root, 'apelssm'))
})

test(
  'without a Node the programs say in one line what to install; with one they do the whole job',
  { skip },
  async () => {
    const root = debianRoot('job')
    install(root)
    const bare = root.run(['ssmreceive', '--version'])
    assert.equal(bare.status, 78)
    assert.match(bare.stderr, /^ssmreceive: needs Node\.js 20\.19 or later.* apelssm-node\.\n$/)
    root.addProgram(process.execPath, '/usr/lib/apelssm/node')
    await runMainJob(root)
  },
)

test(
  'started as root with keys that are root’s alone, the programs do the whole job as the spool’s owner',
  { skip },
  async () => {
    const root = debianRoot('as-root')
    install(root)
    root.addProgram(process.execPath, '/usr/bin/node')
    await runMainJob(root, 'root')
    const [element = ''] = readdirSync(root.at('/var/spool/apel/incoming'))
    assert.match(root.owned(`/var/spool/apel/incoming/${element}`), / apel apel$/)
    assert.match(root.owned('/var/log/apel/ssmsend.log'), / apel apel$/)
    // The unit could not read that key.
    const { stdout } = root.run(['ssmctl', 'check', '-c', '/etc/apel/receiver.cfg', '-d', '/etc/apel/dns', '--json'])
    assert.match(stdout, /"level":"warning","about":"key","text":"[^"]* is for root alone: apelssm\.service/)
  },
)

test('it upgrades the Python package: configuration and messages stay, the service runs again', { skip }, () => {
  const root = pythonSite('from-python')
  install(root)
  assert.equal(root.read('/etc/apel/sender.cfg'), 'our sender\n')
  assert.equal(root.read(RECORD), 'a record')
  assert.match(root.read(`${STATE}/calls`), /disable apel-ssm\n.*\nstop apel-ssm\n/)
  assert.ok(isEnabled(root, 'apelssm') && isRunning(root, 'apelssm'), root.read(`${STATE}/calls`))
  assert.match(root.owned('/var/spool/apel'), /^drwxr-xr-x apel apel$/)
  // The Python program ran as root; the unit does not, and ends when it cannot open its log.
  assert.match(root.owned(LOG), /^-rw-r--r-- apel apel$/)
})

test('the way back is a downgrade: configuration and messages stay', { skip }, () => {
  const root = pythonSite('back')
  install(root)
  const back = dpkg(root, '-i', buildDebStandIn(join(folder, 'back-again'), PYTHON))
  assert.equal(back.status, 0, back.stderr)
  assert.equal(root.ok(['ssmsend']), 'python\n')
  assert.equal(root.read('/etc/apel/sender.cfg'), 'our sender\n')
  assert.equal(root.read(RECORD), 'a record')
  assert.ok(!root.has('/usr/lib/apelssm/bin/ssmsend.js'))
})

test('removing leaves configuration, messages and logs; purging does not', { skip }, () => {
  const root = debianRoot('removed')
  install(root)
  root.write('/etc/apel/sender.cfg', 'our sender\n')
  root.write(RECORD, 'a record')
  root.write('/var/log/apel/ssmsend.log', 'a line\n')
  root.ok(['systemctl', 'enable', 'apelssm'])
  root.ok(['systemctl', 'start', 'apelssm', 'ssmsend'])
  assert.equal(dpkg(root, '-r', 'apel-ssm').status, 0)
  assert.ok(!isRunning(root, 'ssmsend'))
  assert.match(root.read(`${STATE}/calls`), /^reset-failed apelssm ssmsend-watch ssmsend$/m)
  assert.ok(!root.has('/usr/bin/ssmsend') && !isEnabled(root, 'apelssm') && !isRunning(root, 'apelssm'))
  assert.equal(root.read('/etc/apel/sender.cfg'), 'our sender\n')
  assert.deepEqual([root.read(RECORD), root.read('/var/log/apel/ssmsend.log')], ['a record', 'a line\n'])
  assert.equal(dpkg(root, '-P', 'apel-ssm').status, 0)
  for (const path of ['/etc/apel', '/var/spool/apel', '/var/log/apel', '/run/apel', '/usr/lib/apelssm']) {
    assert.ok(!root.has(path), path)
  }
})

test('two builds give the same bytes', { skip }, () => {
  assert.ok(readFileSync(file).equals(readFileSync(build(join(folder, 'again')))))
})

// Debian's lint has a hundred packages of Perl behind it, and the rest needs minutes and the network.
if (process.env.SSM_SLOW_TESTS === 'true') {
  test('lint finds no errors', { skip: need('dpkg-deb', 'lintian') }, () => {
    const args = ['--fail-on', 'error', '--allow-root', file]
    const result = spawnSync('lintian', args, { encoding: 'utf8', timeout: 300_000 })
    assert.equal(result.status, 0, result.stdout + result.stderr)
  })

  test('on a real Debian, with the Node.js of apelssm-node', { skip: need('debootstrap', 'root') }, async () => {
    const path = join(folder, 'debian')
    const made = process.env.SSM_BASE_ROOT
    if (made === undefined) spawnSync('debootstrap', ['--variant=minbase', 'bookworm', path], { stdio: 'inherit' })
    else spawnSync('cp', ['-a', made, path], { stdio: 'inherit' })
    const root = openRoot(path)
    spawnSync('cp', [file, join(path, 'tmp', 'apel-ssm.deb')])
    root.ok(['dpkg', '-i', '/tmp/apel-ssm.deb'])
    assertInstalled(root)
    const bare = root.run(['ssmsend', '--version'])
    assert.deepEqual([bare.status, bare.stderr.endsWith('apelssm-node.\n')], [78, true], bare.stderr)
    const args = [join(repository, 'scripts', 'build-deb.sh'), '--built', '--node', join(folder, 'with-node')]
    const built = spawnSync('sh', args, { encoding: 'utf8', timeout: 900_000 })
    assert.equal(built.status, 0, built.stdout + built.stderr)
    const runtime = readdirSync(join(folder, 'with-node')).find((name) => name.startsWith('apelssm-node_')) ?? ''
    spawnSync('cp', [join(folder, 'with-node', runtime), join(path, 'tmp', 'node.deb')])
    root.ok(['dpkg', '-i', '/tmp/node.deb'])
    await runMainJob(root)
    root.ok(['dpkg', '--purge', 'apel-ssm', 'apelssm-node'])
    assert.ok(!root.has('/usr/lib/apelssm') && !root.has('/etc/apel') && !root.has('/var/spool/apel'))
  })
}
