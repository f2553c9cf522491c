/**
 * The folders `test/bad-config/program-*`: what is wrong is not in the configuration file but in what it names, so the real
 * program is started. `run` is its command line, `expected-words` has a line for everything a person must be told, on the
 * terminal or in the log; `@DIR@` stands for the folder, into which a test PKI was put.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTestPki } from '../kit/ca.js'
import { scratch } from '../kit/scratch.js'
import { root } from '../kit/source.js'

const folders = join(root, 'test', 'bad-config')

for (const name of readdirSync(folders).filter((folder) => folder.startsWith('program-'))) {
  test(`the program refuses to start: ${name}`, (t) => {
    const dir = scratch(t)
    createTestPki(dir)
    mkdirSync(join(dir, 'spool', 'outgoing'), { recursive: true })
    const read = (file: string): string => readFileSync(join(folders, name, file), 'utf8').replaceAll('@DIR@', dir)
    for (const file of readdirSync(join(folders, name))) writeFileSync(join(dir, file), read(file))
    const [program = '', ...args] = read('run').trim().split(' ')
    const script = join(root, 'dist', 'src', 'bin', `${program}.js`)
    const run = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', timeout: 30_000 })
    const log = join(dir, `${program}.log`)
    const told = `${run.stdout}${run.stderr}${existsSync(log) ? readFileSync(log, 'utf8') : ''}`
    assert.equal(run.status, 78, told)
    for (const words of read('expected-words').trim().split('\n'))
      assert.ok(told.includes(words), `${words}\nnot in\n${told}`)
    assert.doesNotMatch(told, /internal error|at .*\.js:\d+/u)
    assert.equal(existsSync(join(dir, 'ssmreceive.pid')), false)
  })
}
