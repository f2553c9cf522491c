/** Who may write where a spool lies, and what is said about it at the start; and the example of the documentation. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { unfit } from '../../../src/cli/check/file-system.js'
import { rightsOf } from '../../../src/cli/check/rights.js'
import { need } from '../../kit/need.js'
import { scratch } from '../../kit/scratch.js'
import { createSite } from '../../kit/site.js'
import { readText } from '../../kit/source.js'

const options = { timeout: 300_000 }
/** In no group file. */
const STRANGERS = 54_321

describe('rights', options, () => {
  const levels = (role: 'sender' | 'receiver', path: string, user: number) =>
    rightsOf(role, path, user)
      .filter(({ text }) => !text.startsWith('/tmp '))
      .map(({ level }) => level)

  test('a group may write into an outgoing spool, and nowhere else', { skip: need('root') }, (t) => {
    const dir = scratch(t)
    const path = join(dir, 'spool')
    mkdirSync(path)
    chownSync(path, 1234, STRANGERS)
    chmodSync(path, 0o2775)
    assert.deepEqual(levels('sender', path, 1234), ['warning'])
    assert.deepEqual(levels('receiver', path, 1234), ['failed'])
    for (const name of ['incoming', 'reject', '.ssm']) {
      mkdirSync(join(path, name))
      chownSync(join(path, name), 1234, STRANGERS)
      chmodSync(join(path, name), 0o770)
    }
    assert.deepEqual(levels('sender', path, 1234), ['failed', 'warning'])
    assert.deepEqual(levels('receiver', path, 1234), ['failed', 'failed', 'failed', 'failed'])
    chownSync(join(path, 'incoming'), 1234, 0)
    assert.equal(levels('receiver', path, 1234).length, 3, 'the group of root is root')
  })

  test('an owner who is neither root nor the service can change it', { skip: need('root') }, (t) => {
    const dir = scratch(t)
    mkdirSync(join(dir, 'spool'))
    assert.deepEqual(levels('receiver', join(dir, 'spool'), 1234), [])
    chownSync(dir, 4321, 0)
    assert.deepEqual(levels('receiver', join(dir, 'spool'), 1234), ['failed'])
    assert.match(rightsOf('receiver', join(dir, 'spool'), 1234)[0]!.text, /belongs to user 4321/)
  })

  test('sticky directories are a warning; what is not there has no rights', () => {
    const found = rightsOf('receiver', '/tmp/not/there', 1234)
    assert.deepEqual(
      found.map(({ level, text }) => [level, text.includes('sticky')]),
      [['warning', true]],
    )
  })

  test('programs say at the start what is wrong, and work all the same', async (t) => {
    const site = createSite(scratch(t), 1)
    const wrong = /WARNING - .*outgoing can be written by everybody: chmod o-w/
    assert.equal((await site.send()).code, 0)
    assert.doesNotMatch(site.log('ssmsend'), wrong)
    chmodSync(site.outgoing, 0o777)
    assert.equal((await site.send()).code, 0)
    assert.match(site.log('ssmsend'), wrong)
  })
})

test('file systems by their type', () => {
  const level = (type: number) => unfit('/x', type)[0]?.level
  assert.deepEqual([0xef53, 0x9123683e, 0x4d44].map(level), [undefined, 'warning', 'failed'])
  assert.match(unfit('/x', 0x9123683e)[0]!.text, /btrfs: Python consumers/)
})

test('the example in docs/operations.md has the shape of the real thing', () => {
  const text = readText('docs/operations.md')
  const example = /## Before you switch[\s\S]*?```text\n([\s\S]*?)```/.exec(text)?.[1] ?? ''
  const lines = example.trimEnd().split('\n')
  assert.match(lines[0]!, /^sender with \//)
  for (const line of lines.slice(1, -1)) assert.match(line, /^(?:[✓!✗–] .+: | {4}→ )/u)
  const count = (mark: string) => lines.filter((line) => line.startsWith(mark)).length
  assert.equal(lines.at(-1), `${count('✓')} good, ${count('!')} to look at, ${count('✗')} wrong`)
  const table = text.slice(text.indexOf('| about |'), text.indexOf('`--try-destination` goes'))
  for (const line of lines.slice(1, -1).filter((each) => !each.startsWith(' '))) {
    const about = line.slice(2, line.indexOf(': ')).replace(/^broker .*/, 'broker HOST:PORT')
    assert.ok(table.includes(`\`${about}\``), `${about} is not in the table`)
  }
})
