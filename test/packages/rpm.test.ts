/**
 * The RPM, installed into bare systems: what it needs, what lies where and whose it is, the whole job as the user `apel`,
 * taking the place of the Python package and giving it back.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createBareRoot, type BareRoot } from '../kit/bare-root.js'
import { assertCheckCompares, assertInstalled, runMainJob } from '../kit/installed.js'
import { need } from '../kit/need.js'
import { buildStandIn, rpm } from '../kit/rpm.js'
import { scratch } from '../kit/scratch.js'
import { root as repository } from '../kit/source.js'

const skip = need('rpmbuild', 'root')
const folder = scratch()
const packages = join(folder, 'packages')
const file = skip === false ? build(packages) : ''

function build(target: string): string {
  const args = [join(repository, 'scripts', 'build-rpm.sh'), '--built', target]
  const built = spawnSync('sh', args, { encoding: 'utf8', timeout: 240_000 })
  assert.equal(built.status, 0, built.stdout + built.stderr)
  return join(target, readdirSync(target).find((name) => name.endsWith('.noarch.rpm')) ?? '')
}

function bareRoot(name: string): BareRoot {
  const path = join(folder, name)
  mkdirSync(path)
  return createBareRoot(path)
}

/** With what EL has: its nodejs (an epoch, and here no programs) and its accounts' tools. */
function elRoot(name: string): BareRoot {
  const root = bareRoot(name)
  const stands = [
    { name: 'nodejs', version: '22.16.0', epoch: 1 },
    { name: 'shadow-utils', version: '4.9' },
    { name: 'bash', version: '5.1', provides: ['/bin/sh'] },
  ]
  for (const each of stands) {
    const installed = rpm(root, '-i', buildStandIn(join(folder, `${name}-stand-ins`), each))
    assert.equal(installed.status, 0, installed.stderr)
  }
  return root
}

const PYTHON = {
  name: 'apel-ssm',
  version: '4.0.0',
  files: {
    '/usr/bin/ssmsend': '#!/bin/sh\necho python\n',
    '/usr/bin/ssmreceive': '#!/bin/sh\necho python\n',
    '/etc/rc.d/init.d/apel-ssm': '#!/bin/sh\n',
    '/etc/apel/sender.cfg': 'stock sender\n',
    '/etc/apel/receiver.cfg': 'stock receiver\n',
    '/etc/apel/dns': 'stock dns\n',
    '/etc/logrotate.d/apel-ssm': 'stock rotation\n',
  },
  configs: ['/etc/apel/sender.cfg', '/etc/apel/receiver.cfg', '/etc/apel/dns', '/etc/logrotate.d/apel-ssm'],
  directories: ['/var/spool/apel', '/var/log/apel'],
  // Word for word what the Python package does when it goes, also when it is replaced.
  scripts: {
    '%post': '/sbin/chkconfig apel-ssm on',
    '%preun': '/sbin/service apel-ssm stop\n/sbin/chkconfig apel-ssm off',
  },
}

const STATE = '/var/lib/systemctl-stand-in'
const isEnabled = (root: BareRoot, unit: string): boolean => root.has(`${STATE}/enabled/${unit}`)
const isRunning = (root: BareRoot, unit: string): boolean => root.has(`${STATE}/running/${unit}`)

/** The Python package as a site has it: configured, with messages waiting, its service running or not. */
function pythonSite(name: string, service: 'on' | 'off'): BareRoot {
  const root = elRoot(name)
  const installed = rpm(root, '-i', buildStandIn(join(folder, `${name}-python`), PYTHON))
  assert.equal(installed.status, 0, installed.stderr)
  root.write('/etc/apel/sender.cfg', 'our sender\n')
  root.write('/var/spool/apel/outgoing/5f3a2b1c/5f3a2b1c0a0b0c', 'a record')
  if (service === 'on') root.ok(['systemctl', 'start', 'apel-ssm'])
  else root.ok(['systemctl', 'disable', 'apel-ssm'])
  return root
}

test('without a Node that is new enough the package refuses to install, and says what it needs', { skip }, () => {
  const root = elRoot('old-node')
  assert.equal(rpm(root, '-e', 'nodejs').status, 0)
  assert.match(rpm(root, '-i', file).stderr, /nodejs >= 1:20\.19 is needed by apelssm/)
  const stand = buildStandIn(join(folder, 'old-stand'), { name: 'nodejs', version: '18.20.4', epoch: 1 })
  assert.equal(rpm(root, '-i', stand).status, 0)
  assert.match(rpm(root, '-i', file).stderr, /nodejs >= 1:20\.19 is needed by apelssm/)
  assert.ok(!root.has('/usr/bin/ssmsend'))
})

test('installed, everything is where the table says, as it says', { skip }, () => {
  const root = elRoot('installed')
  const installed = rpm(root, '-i', file)
  assert.deepEqual([installed.status, installed.stderr], [0, ''])
  assertInstalled(root)
  assert.equal(rpm(root, '-V', 'apelssm').stdout, '')
  assert.match(
    root.ok(['getent', 'passwd', 'apel']),
    /^apel:[x!]:\d+:\d+:[^:]*:\/var\/spool\/apel:\/usr\/sbin\/nologin$/m,
  )
})

test(
  'without a Node the programs say in one line what to install; with one they do the whole job',
  { skip },
  async () => {
    const root = elRoot('job')
    assert.equal(rpm(root, '-i', file).status, 0)
    const bare = root.run(['ssmsend', '--version'])
    assert.equal(bare.status, 78)
    assert.match(bare.stderr, /^ssmsend: needs Node\.js 20\.19 or later.* install the package nodejs.*\n$/)
    root.addProgram(process.execPath, '/usr/bin/node')
    await runMainJob(root)
    assertCheckCompares(root)
  },
)

test('removing leaves data and what was edited', { skip }, () => {
  const root = elRoot('removed')
  assert.equal(rpm(root, '-i', file).status, 0)
  root.write('/etc/apel/sender.cfg', 'our sender\n')
  root.write('/var/spool/apel/outgoing/5f3a2b1c/5f3a2b1c0a0b0c', 'a record')
  root.write('/var/log/apel/ssmsend.log', 'a line\n')
  root.ok(['systemctl', 'enable', 'apelssm'])
  root.ok(['systemctl', 'start', 'apelssm', 'ssmsend'])
  const removed = rpm(root, '-e', 'apelssm')
  assert.equal(removed.status, 0, removed.stderr)
  assert.ok(!root.has('/usr/bin/ssmsend') && !root.has('/usr/lib/apelssm'))
  assert.ok(!isEnabled(root, 'apelssm') && !isRunning(root, 'apelssm'))
  assert.ok(!isRunning(root, 'ssmsend'))
  assert.equal(root.read('/etc/apel/sender.cfg.rpmsave'), 'our sender\n')
  assert.equal(root.read('/var/spool/apel/outgoing/5f3a2b1c/5f3a2b1c0a0b0c'), 'a record')
  assert.equal(root.read('/var/log/apel/ssmsend.log'), 'a line\n')
})

test(
  'it takes the place of the Python package: configuration and messages stay, the service runs again',
  { skip },
  () => {
    const root = pythonSite('from-python', 'on')
    const upgraded = rpm(root, '-U', file)
    assert.equal(upgraded.status, 0, upgraded.stderr)
    assert.equal(rpm(root, '-q', 'apel-ssm').status, 1)
    assert.equal(root.read('/etc/apel/sender.cfg'), 'our sender\n')
    assert.match(root.read('/etc/apel/sender.cfg.rpmnew'), /^# Configuration of ssmsend/)
    assert.equal(root.read('/var/spool/apel/outgoing/5f3a2b1c/5f3a2b1c0a0b0c'), 'a record')
    assert.match(root.owned('/var/spool/apel'), /^drwxr-xr-x apel apel$/)
    // The stand-in's %preun did stop and disable it.
    assert.match(root.read(`${STATE}/calls`), /stop apel-ssm\ndisable apel-ssm\n/)
    assert.ok(isEnabled(root, 'apelssm') && isRunning(root, 'apelssm'), root.read(`${STATE}/calls`))
  },
)

test('a Python service that was off stays off', { skip }, () => {
  const root = pythonSite('from-python-off', 'off')
  assert.equal(rpm(root, '-U', file).status, 0)
  assert.ok(!isEnabled(root, 'apelssm') && !isRunning(root, 'apelssm'), root.read(`${STATE}/calls`))
})

test('the way back: messages and configuration are there, the Python package is the only one', { skip }, () => {
  const root = pythonSite('back', 'on')
  assert.equal(rpm(root, '-U', file).status, 0)
  assert.equal(rpm(root, '-e', 'apelssm').status, 0)
  const back = rpm(root, '-i', buildStandIn(join(folder, 'back-again'), PYTHON))
  assert.equal(back.status, 0, back.stderr)
  assert.equal(root.ok(['ssmsend']), 'python\n')
  assert.equal(root.read('/etc/apel/sender.cfg.rpmsave'), 'our sender\n')
  assert.equal(root.read('/var/spool/apel/outgoing/5f3a2b1c/5f3a2b1c0a0b0c'), 'a record')
  assert.ok(!isRunning(root, 'apelssm'), root.read(`${STATE}/calls`))
})

test('a spool that a site gave to another account is not taken from it', { skip }, () => {
  const root = elRoot('other-account')
  root.ok(['useradd', '-r', '-M', 'accounting'])
  root.ok(['mkdir', '/var/spool/apel'])
  root.ok(['chown', 'accounting', '/var/spool/apel'])
  assert.equal(rpm(root, '-i', file).status, 0)
  assert.match(root.owned('/var/spool/apel'), / accounting root$/)
  assert.ok(!root.has('/var/spool/apel/.ssm'))
})

test('two builds give the same bytes', { skip }, () => {
  const again = build(join(folder, 'again'))
  assert.ok(readFileSync(file).equals(readFileSync(again)))
})
