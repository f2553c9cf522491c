/** The library as another program sees it: by the name of the package, through `exports`. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as library from 'secure-stomp-messenger'
import { scratch } from './kit/scratch.js'

test('the package exports what its index names, and no more', () => {
  assert.deepEqual(Object.keys(library).sort(), [
    'ERROR_KINDS',
    'MessageDirectory',
    'QueueSimple',
    'SsmError',
    'isSsmError',
  ])
})

test('a producer adds with two lines', async (t) => {
  const queue = join(scratch(t), 'outgoing')
  const id = await new library.QueueSimple(queue).add('zwölf')
  assert.match(id, /^[0-9a-f]{8}\/[0-9a-f]{14}$/)
  assert.equal(readFileSync(join(queue, id), 'utf8'), 'zwölf')
  const folder = scratch(t)
  const name = await new library.MessageDirectory(folder).add(Buffer.from('a record'))
  assert.equal(readFileSync(join(folder, name), 'utf8'), 'a record')
})
