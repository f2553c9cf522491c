import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { editedConfig } from '../../src/cli/demo-config.js'
import { loadReceiverConfig } from '../../src/config/load.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

test('the shipped files with values filled in are configurations without a complaint', (t) => {
  const file = join(scratch(t), 'receiver.cfg')
  const changes = {
    broker: { host: null, port: null, listen: '127.0.0.1:61613' },
    messaging: { destination: '/queue/a%b', path: '/spool' },
  }
  writeFileSync(file, editedConfig('receiver', changes))
  const { config, warnings } = loadReceiverConfig(file, '/')
  assert.deepEqual(warnings, [])
  assert.deepEqual(config.broker.listen, { host: '127.0.0.1', port: 61613 })
  assert.deepEqual([config.broker.addresses, config.messaging.destination], [[], '/queue/a%b'])
  assert.throws(() => editedConfig('receiver', { broker: { hots: 'x' } }), /no broker\nhots/u)
})

test('demo: what is good arrives, what is not is refused with the reason, and everything is told', async (t) => {
  const dir = join(scratch(t), 'demo')
  const { exit, stdout, stderr } = await ssmctl(['demo', '--keep', dir, '--count', '7'], { timeout: 120_000 })
  const told = stdout.toString()
  assert.equal(exit, 0, `${told}\n${stderr}`)
  assert.equal(stderr, '')
  assert.match(
    told,
    /Ordinary records: .*\n(?: +incoming\/[0-9a-f/]+\n){5} +… and 2 more\n +signer {2}\/C=XX\/O=Throw-away PKI\/CN=sender\n/u,
  )
  assert.match(told, /A record that is not ASCII: .*\n +incoming\//u)
  assert.match(told, /A record encrypted on its way: .*\n +incoming\//u)
  assert.match(
    told,
    /A record of a stranger: .*\n +reject\/.*\n +error {3}Signer not in valid DNs list: .*CN=stranger/u,
  )
  assert.match(
    told,
    /A record changed on its way: .*\n +reject\/.*\n +error {3}Failed to verify message: the signature/u,
  )
  assert.match(told, /9 messages accepted, 2 refused with the reason, none lost, none twice\./u)
  const count = await ssmctl(['spool', 'count', join(dir, 'receiver')])
  assert.equal(count.stdout.toString(), '11\n')
  assert.equal(existsSync(join(dir, 'ssmreceive.pid')), false, 'the receiver has ended')
})

test('demo: refuses a directory that has something in it, and numbers that are none', async (t) => {
  const dir = scratch(t)
  mkdirSync(join(dir, 'mine'))
  const run = await ssmctl(['demo', '--keep', dir])
  assert.deepEqual([run.exit, run.stdout.toString(), readdirSync(dir)], [64, '', ['mine']])
  assert.equal((await ssmctl(['demo', '--count', 'many'])).exit, 64)
})
