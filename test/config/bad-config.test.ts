/**
 * Each folder of test/bad-config is one broken or odd configuration with the words that a person must read about it.
 * `expected-problems` and `expected-warnings` have a line per finding, in order: `CFG` stands for the file, and each
 * line is the beginning of a finding. More or fewer findings fail: it must fail as expected and not by chance.
 */
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { loadReceiverConfig, loadSenderConfig } from '../../src/config/load.js'
import { scratch } from '../kit/scratch.js'
import { root } from '../kit/source.js'

const folders = join(root, 'test', 'bad-config')

function expectedLines(file: string): string[] {
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : []
}

function assertFindings(found: readonly string[], expected: readonly string[], cfg: string): void {
  const shown = found.map((line) => line.trim().replaceAll(cfg, 'CFG'))
  assert.equal(shown.length, expected.length, `expected ${expected.length} findings, got:\n${shown.join('\n')}`)
  for (const [index, words] of expected.entries()) {
    assert.ok(shown[index]?.startsWith(words), `expected: ${words}\n     got: ${shown[index] ?? ''}`)
  }
}

const ours = readdirSync(folders).filter((name) => !name.startsWith('program-'))
for (const folderName of ours.sort()) {
  test(`bad configuration: ${folderName}`, (t) => {
    const folder = join(folders, folderName)
    const receiver = existsSync(join(folder, 'receiver.cfg'))
    const name = receiver ? 'receiver.cfg' : 'sender.cfg'
    const cfg = join(scratch(t), name)
    copyFileSync(join(folder, name), cfg)
    chmodSync(cfg, 0o644) // a checkout has whatever the umask gives
    const load = receiver ? loadReceiverConfig : loadSenderConfig
    const problems = expectedLines(join(folder, 'expected-problems'))
    const warnings = expectedLines(join(folder, 'expected-warnings'))
    assert.ok(problems.length + warnings.length > 0, 'the folder expects nothing')
    if (problems.length === 0) {
      assertFindings(load(cfg, '/').warnings, warnings, cfg)
      return
    }
    assert.throws(
      () => load(cfg, '/'),
      (error) => {
        assert.ok(isSsmError(error, 'configuration'))
        const [first = '', second] = error.message.split('\nAlso noticed:\n')
        const [head, ...lines] = first.split('\n')
        assert.match(head ?? '', /^The configuration has /u)
        assertFindings(lines, problems, cfg)
        assertFindings(second?.split('\n') ?? [], warnings, cfg)
        return true
      },
    )
  })
}
