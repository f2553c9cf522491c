/** Becoming the owner of a spool, in a process of its own: there is no way back from it. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chownSync } from 'node:fs'
import { join } from 'node:path'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { root } from '../kit/source.js'

/** No account of this machine: as in a container, where the owner of a mounted spool has no name. */
const NAMELESS = 3_210_987

test('root becomes an owner that has no name, with its group and no other', { skip: need('root') }, (t) => {
  const spool = scratch(t)
  chownSync(spool, NAMELESS, NAMELESS)
  const script = `
    const { becomeOwner } = await import(${JSON.stringify(join(root, 'dist', 'src', 'cli', 'owner.js'))})
    becomeOwner(${JSON.stringify(spool)}, process)
    console.log(process.getuid(), process.geteuid(), process.getgid(), ...process.getgroups())`
  const args = ['--input-type=module', '--eval', script]
  // With a group of root's to lose.
  const ran = spawnSync('setpriv', ['--groups', '0,4', process.execPath, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(ran.stdout, `${Array.from({ length: 4 }, () => NAMELESS).join(' ')}\n`, ran.stderr)
})
