/** Colours are on a terminal, and nowhere else. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { createSite } from '../kit/site.js'
import { SSMCTL } from '../kit/ssmctl.js'

const COLOUR = /\x1b\[\d+m/u // eslint-disable-line no-control-regex -- these are looked for
const ON_TERMINAL = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)'

function said(args: readonly string[], env: NodeJS.ProcessEnv, terminal: boolean): string {
  const command = [process.execPath, SSMCTL, ...args]
  const [program, ...rest] = terminal ? ['/usr/bin/python3', '-c', ON_TERMINAL, ...command] : command
  const clean = { ...process.env, NO_COLOR: '', FORCE_COLOR: '', TERM: 'xterm', ...env }
  const { stdout, stderr } = spawnSync(program ?? '', rest, { encoding: 'utf8', env: clean, timeout: 60_000 })
  return stdout + stderr
}

test('on a terminal only, and NO_COLOR is honoured', { skip: need('python3') }, (t) => {
  const site = createSite(scratch(t), 1)
  spawnSync(process.execPath, [SSMCTL, 'spool', 'add', site.outgoing], { input: 'x\n' })
  const verbs: readonly (readonly string[])[] = [
    ['explain', 'not-listed'],
    ['check', '-c', site.senderCfg],
    ['status', '-c', site.senderCfg],
    ['spool', 'list', site.outgoing],
  ]
  for (const verb of verbs) {
    const plain = said(verb, {}, false)
    assert.doesNotMatch(plain, COLOUR, verb.join(' '))
    const coloured = said(verb, {}, true)
    assert.match(coloured, COLOUR, verb.join(' '))
    if (verb[1] === 'list')
      assert.match(coloured.replaceAll('\r', ''), /^.{4}ID {23}BYTES {5}AGE .*\n[0-9a-f/]{23} {2}2 {9}\d+ s +-/u)
    if (verb[0] === 'explain')
      assert.equal(coloured.replaceAll(new RegExp(COLOUR, 'gu'), '').replaceAll('\r', ''), plain)
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) assert.doesNotMatch(said(verb, env, true), COLOUR, verb.join(' ')) // prettier-ignore
  }
})
