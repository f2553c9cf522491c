/** Completion as the shells run it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

async function script(t: TestContext, shell: 'bash' | 'zsh'): Promise<string> {
  const { exit, stdout, stderr } = await ssmctl(['completion', shell])
  assert.deepEqual([exit, stderr], [0, ''])
  const file = join(scratch(t), `completion.${shell}`)
  writeFileSync(file, stdout)
  return file
}

function run(shell: string, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(shell, args, { encoding: 'utf8', timeout: 30_000 })
  assert.deepEqual([status, stderr], [0, ''])
  return stdout.trim()
}

/** What is offered for the last word of a line. */
const inBash = (file: string, ...line: readonly string[]): string =>
  run('bash', [
    ...['--norc', '-c', 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ssm; echo "${COMPREPLY[*]}"'],
    ...[file, ...line],
  ])

/** The functions of zsh's completion system are doubles that print what they are given. */
const inZsh = (file: string, ...line: readonly string[]): string =>
  run('zsh', [
    ...['-f', '-c'],
    `compdef() { }
    _files() { print files }
    _describe() { while [[ $1 == -* ]]; do shift; done; print -r -- "$1: \${(@P)2}" }
    source "$1"; shift
    words=("$@"); CURRENT=$#; PREFIX=\${@[-1]}
    _ssm`,
    ...['zsh', file, ...line],
  ])

test('bash: verbs, flags, closed lists; files where nothing else is known', async (t) => {
  const file = await script(t, 'bash')
  assert.equal(inBash(file, 'ssmctl', 'sta'), 'status')
  assert.equal(inBash(file, '/usr/bin/ssmctl', 'spool', 'cou'), 'count')
  assert.equal(inBash(file, 'ssmctl', 'status', '--'), '--config --json --watch --help')
  assert.equal(inBash(file, 'ssmctl', 'encrypt', '--cipher', 'aes256'), 'aes256 aes256-gcm')
  assert.equal(inBash(file, 'ssmctl', 'completion', ''), 'bash zsh')
  assert.equal(inBash(file, 'ssmsend', '--wa'), '--watch')
  assert.equal(inBash(file, 'ssmreceive', '-c', '--'), '', 'a value follows: files')
  assert.equal(inBash(file, 'ssmctl', 'spool', 'list', ''), '')
})

test('bash: a script without faults', { skip: need('shellcheck') }, async (t) => {
  assert.equal(run('shellcheck', ['--shell=bash', await script(t, 'bash')]), '')
})

test('zsh: the same, with what words mean', { skip: need('zsh') }, async (t) => {
  const file = await script(t, 'zsh')
  assert.match(inZsh(file, 'ssmctl', ''), /^verb: check:Check configuration.* status:Does it run/u)
  assert.match(inZsh(file, 'ssmctl', 'spool', ''), /^verb: add:[^:]+ list:/u)
  assert.match(inZsh(file, 'ssmctl', 'status', '-'), /^option: .*--watch:look again every 2 s/u)
  assert.equal(inZsh(file, 'ssmctl', 'encrypt', '--key-transport', ''), 'value: pkcs1 oaep')
  assert.equal(inZsh(file, 'ssmsend', '-c', ''), 'files')
  assert.equal(inZsh(file, 'ssmctl', 'spool', 'list', ''), 'files')
})

test('an unknown shell is refused with those that are known', async () => {
  const { exit, stderr } = await ssmctl(['completion', 'fish'])
  assert.equal(exit, 64)
  assert.match(stderr, /bash, zsh/u)
})
