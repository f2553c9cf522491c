/** Signals as process 1, in a PID namespace of its own. */
import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { endAtSignals } from '../../src/cli/process-one.js'
import type { Program } from '../../src/cli/program.js'
import { createTestPki } from '../kit/ca.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { eventually } from '../kit/site.js'
import { SSMCTL } from '../kit/ssmctl.js'

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended
  }
}

test('process 1 ends at SIGTERM and SIGINT before there are handlers', { skip: need('root', 'mount') }, async (t) => {
  const { certificateFile } = createTestPki(scratch(t)).host
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    // It waits for standard input.
    const args = [
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      process.execPath,
      SSMCTL,
      'encrypt',
      '--recipient',
      certificateFile,
    ]
    const child = spawn('unshare', args, { stdio: ['pipe', 'ignore', 'inherit'] })
    const ended = once(child, 'exit')
    const task = `/proc/${child.pid}/task/${child.pid}/children`
    // Again and again: what comes before Node listens is lost.
    await eventually('it ended', () => {
      for (const inner of textOf(task).match(/\d+/g) ?? [])
        spawnSync('kill', ['-s', signal, inner], { stdio: 'ignore' })
      return child.exitCode !== null
    })
    assert.deepEqual(await ended, [code, null])
  }
})

test('a signal that somebody else listens for is theirs, and so are those of other processes', () => {
  const exits: number[] = []
  const program = (pid: number): Program & EventEmitter =>
    Object.assign(new EventEmitter(), { pid, exit: (code: number) => exits.push(code) }) as unknown as Program &
      EventEmitter
  const other = program(4711)
  endAtSignals(other)
  other.emit('SIGTERM')
  const first = program(1)
  endAtSignals(first)
  first.on('SIGTERM', () => undefined)
  first.emit('SIGTERM')
  assert.deepEqual(exits, [])
  first.emit('SIGINT')
  assert.deepEqual(exits, [130])
})
