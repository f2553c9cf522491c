import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { VERSION } from '../../src/cli/version.js'
import { SSMCTL, ssmctl } from '../kit/ssmctl.js'

test('version and help are on standard output, exit 0', async () => {
  const version = await ssmctl(['-v'])
  assert.deepEqual([version.exit, version.stdout.toString(), version.stderr], [0, `SSM ${VERSION}\n`, ''])
  for (const args of [['--help'], ['help'], ['pki', '--help'], ['help', 'pki'], ['pki', 'init', '--help']]) {
    const { exit, stdout, stderr } = await ssmctl(args)
    assert.deepEqual([exit, stderr], [0, ''], args.join(' '))
    assert.match(stdout.toString(), /^Usage: ssmctl /u)
  }
})

test('wrong usage is exit 64 with words on standard error only', async () => {
  for (const args of [[], ['bogus'], ['pki'], ['pki', 'init'], ['pki', 'init', 'a', 'b'], ['--bogus']]) {
    const { exit, stdout, stderr } = await ssmctl(args)
    assert.deepEqual([exit, stdout.toString()], [64, ''], args.join(' '))
    assert.notEqual(stderr, '')
  }
})

test('what the command line says is shown without control characters', async () => {
  const { stderr } = await ssmctl(['pki', 'init', '--days', '\x1b[31m\u202e', 'x'])
  assert.match(stderr, /--days \\x1b\[31m\\u202e: write a whole number/u)
})

test('a reader that goes away is no reason for a stack trace', () => {
  const { stderr, status } = spawnSync(
    'bash',
    ['-c', `"$0" "$1" --help | true; exit \${PIPESTATUS[1]}`, process.execPath, SSMCTL],
    {
      encoding: 'utf8',
      timeout: 20_000,
    },
  )
  assert.deepEqual([status, stderr], [0, ''])
})
