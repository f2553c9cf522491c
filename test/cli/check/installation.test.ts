/** The installed files against the manifest: a system is laid out from it, bent, and looked at. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkInstallation, type Ids } from '../../../src/cli/check/installation.js'
import { INSTALLED } from '../../../src/cli/installed.js'
import { need } from '../../kit/need.js'
import { scratch } from '../../kit/scratch.js'

const ids: Ids = { root: 0, apel: { uid: 4711, gid: 4712 } }
const STARTED = '/usr/lib/apelssm/bin/ssmctl.js'

function layOut(t: TestContext): string {
  const root = scratch(t)
  for (const { path, kind, owner, mode } of INSTALLED) {
    const at = join(root, path)
    if (kind === 'directory' || kind === 'state' || kind === 'runtime') mkdirSync(at, { recursive: true })
    else {
      mkdirSync(dirname(at), { recursive: true })
      writeFileSync(at, '')
    }
    if (owner === 'apel') chownSync(at, 4711, 4712)
    chmodSync(at, mode)
  }
  return root
}

function look(root: string, with_: Ids = ids): string[] {
  return checkInstallation(root, join(root, STARTED), with_).map(
    ({ level, text }) => `${level}: ${text.replaceAll(root, '')}`,
  )
}

test('what the manifest says is good', { skip: need('root') }, (t) => {
  assert.deepEqual(look(layOut(t)), [`ok: ${INSTALLED.length} files and directories are as the package has them`])
})

test('what is missing, given away or open is found, each with its weight', { skip: need('root') }, (t) => {
  const root = layOut(t)
  rmSync(join(root, '/usr/lib/apelssm/bin/ssmsend.js'))
  rmSync(join(root, '/usr/share/doc/apelssm/README.md'))
  rmSync(join(root, '/etc/apel/receiver.cfg'))
  rmSync(join(root, '/run/apel'), { recursive: true })
  chownSync(join(root, '/usr/lib/apelssm'), 4711, 0)
  chmodSync(join(root, '/usr/bin/ssmsend'), 0o775)
  chmodSync(join(root, '/etc/apel/sender.cfg'), 0o640)
  chmodSync(join(root, '/var/spool/apel/outgoing'), 0o770)
  chmodSync(join(root, '/var/spool/apel/incoming'), 0o757)
  chmodSync(join(root, '/var/log/apel'), 0o750)
  chownSync(join(root, '/var/spool/apel/reject'), 4713, 4712)
  assert.deepEqual(look(root), [
    'failed: /usr/bin/ssmsend has mode 0775, and 0755 as the package has it',
    'failed: /usr/lib/apelssm belongs to 4711:0, and to root:root as the package has it',
    'failed: /usr/lib/apelssm/bin/ssmsend.js is missing',
    'warning: /var/spool/apel/outgoing has mode 0770, and 3770 as the package has it',
    'failed: /var/spool/apel/incoming has mode 0757, and 0750 as the package has it',
    'warning: /var/spool/apel/reject belongs to 4713:4712, and to apel:apel as the package has it',
    'warning: /run/apel is missing',
  ])
  for (const { remedy } of checkInstallation(root, join(root, STARTED), ids)) assert.ok((remedy ?? '').length > 5)
})

test('a spool on another disk is followed, a file in place of a directory is said', { skip: need('root') }, (t) => {
  const root = layOut(t)
  renameSync(join(root, '/var/spool/apel'), join(root, 'data'))
  symlinkSync(join(root, 'data'), join(root, '/var/spool/apel'))
  assert.equal(look(root).length, 1)
  rmSync(join(root, 'data/incoming'), { recursive: true })
  writeFileSync(join(root, 'data/incoming'), '')
  assert.deepEqual(look(root), ['failed: /var/spool/apel/incoming is no directory'])
})

test('a long list is cut, and its weight is not', { skip: need('root') }, (t) => {
  const root = layOut(t)
  for (const { path, kind } of INSTALLED) if (kind === 'file') chmodSync(join(root, path), 0o777)
  const found = look(root)
  assert.equal(found.length, 9)
  assert.match(found[8] ?? '', /^failed: \d+ more files and directories are not/)
})

test('without the account its directories are not judged, and that is said', { skip: need('root') }, (t) => {
  const root = layOut(t)
  chownSync(join(root, '/var/spool/apel'), 1, 1)
  assert.deepEqual(
    look(root, { root: 0 }).map((line) => line.split(':')[0]),
    ['unchecked'],
  )
})

test('a checkout, and an image, which has the programs alone, are not compared', { skip: need('root') }, (t) => {
  const root = layOut(t)
  rmSync(join(root, '/usr/bin/ssmsend'))
  assert.deepEqual(checkInstallation(root, join(root, 'elsewhere/ssmctl.js'), ids), [])
  assert.deepEqual(checkInstallation(root, '', ids), [])
  assert.equal(look(root).length, 1)
  for (const folder of ['/usr/lib/systemd', '/usr/lib/sysusers.d', '/usr/lib/tmpfiles.d']) {
    rmSync(join(root, folder), { recursive: true })
  }
  assert.deepEqual(look(root), [])
})
