/** A pidfile that cannot be written: a warning, but of process 1. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { createPidfile } from '../../src/cli/pidfile.js'
import type { Program } from '../../src/cli/program.js'
import type { Logger } from '../../src/observe/log.js'
import { scratch } from '../kit/scratch.js'

test('process 1, in a container, is silent about a pidfile that it cannot write', (t) => {
  const path = join(scratch(t), 'nowhere', 'ssmreceive.pid')
  const said: string[] = []
  const log = { warning: (format: string) => said.push(format) } as unknown as Logger
  for (const pid of [1, 4711]) createPidfile(path, { pid } as Program, log)[Symbol.dispose]()
  assert.deepEqual(said, ['Failed to create pidfile %s: %s'])
})
