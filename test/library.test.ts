/** The library as another program sees it: by the name of the package, through `exports`. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as library from 'secure-stomp-messenger'
import { scratch } from './kit/scratch.js'
import { root } from './kit/source.js'

test('the package exports what its index names, and no more', () => {
  assert.deepEqual(Object.keys(library).sort(), [
    'ERROR_KINDS',
    'MessageDirectory',
    'QueueSimple',
    'SsmError',
    'isSsmError',
  ])
})

test('each entry point has what docs/library.md names', async () => {
  const names = async (entry: string): Promise<string[]> => {
    // The cast: a module is an object of its exports.
    return Object.keys((await import(`secure-stomp-messenger/${entry}`)) as object).sort()
  }
  assert.deepEqual(await names('spool'), [
    'INCOMING',
    'MessageDirectory',
    'QueueSimple',
    'REJECT',
    'openOutgoing',
    'openQueue',
  ])
  assert.deepEqual(await names('envelope'), ['REASONS', 'loadOpen', 'loadSeal'])
  assert.deepEqual(await names('transport'), ['amsTransport', 'listenerTransport', 'loadTls', 'stompTransport'])
})

test('a producer brings neither cryptography nor network code with it', () => {
  const script = `await import('secure-stomp-messenger')
  const names = [...(process.moduleLoadList ?? [])].filter((name) => /NativeModule (tls|http|https)$/.test(name))
  console.log(JSON.stringify(names))`
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', cwd: root })
  assert.deepEqual([ran.stdout, ran.stderr], ['[]\n', ''])
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
