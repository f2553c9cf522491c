/** The command lines of cron jobs are read without commander, and mean what commander reads in them. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFlags } from '../../src/cli/flag-command.js'
import { parseFlags, type ProgramName } from '../../src/cli/flags.js'
import type { Program } from '../../src/cli/program.js'

function programOf(args: readonly string[], said: string[]): Program {
  const write = (text: string): boolean => said.push(text) > 0
  // All that is used of it.
  return { argv: ['node', 'x', ...args], stdout: { write }, stderr: { write } } as unknown as Program
}

const LINES: readonly (readonly string[])[] = [
  [],
  ['-c', 'a file'],
  ['--config', '/etc/x.cfg'],
  ['--config=/etc/x.cfg'],
  ['-c/etc/x.cfg'],
  ['-c', ''],
  ['-c', '-x'],
  ['-c', 'a', '-c', 'b'],
  ['-c', 'a', '--print-config'],
  ['-l', 'logging.cfg'],
]

test('each line means the same in both ways of reading it', async () => {
  for (const name of ['ssmsend', 'ssmreceive'] satisfies ProgramName[]) {
    for (const line of LINES) {
      const said: string[] = []
      assert.deepEqual(
        await parseFlags(name, programOf(line, said)),
        readFlags(name, programOf(line, [])),
        `${name} ${line.join(' ')}`,
      )
      assert.deepEqual(said, line[0] === '-l' ? ['Separate logging config file option has been deprecated.\n'] : [])
    }
  }
})

test('what is wrong is still usage, and said', async () => {
  for (const line of [['-c'], ['--config'], ['x'], ['x', 'y'], ['-x', 'y']]) {
    const said: string[] = []
    assert.equal(await parseFlags('ssmsend', programOf(line, said)), 64, line.join(' '))
    assert.match(said.join(''), /^error: /)
  }
})
