/** The room of held messages: in all, and a quarter for each CA. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { systemClock as clock } from '../../src/os/clock.js'
import { createDisk } from '../../src/os/disk.js'
import { createHeldQuota } from '../../src/spool/held-quota.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { scratch } from '../kit/scratch.js'

test('a CA may have a quarter, by messages and by bytes; then all is full', () => {
  const quota = createHeldQuota({ messages: 8, bytes: 800 })
  assert.ok(!quota.isFull('a', 200))
  assert.ok(!quota.isFull('a', 50))
  quota.entered('a', 50)
  quota.entered('a', 50)
  assert.ok(quota.isFull('a', 1), 'two of eight')
  assert.ok(!quota.isFull('b', 150))
  quota.entered('b', 150)
  assert.ok(quota.isFull('b', 51), 'bytes')
  assert.ok(!quota.isFull('b', 50))
  for (const ca of ['c', 'd', 'e', 'f']) quota.entered(ca, 100)
  quota.entered('g', 1)
  assert.throws(
    () => quota.isFull('h', 1),
    (error) =>
      isSsmError(error, 'disk') &&
      error.message.includes('8 messages of 651 bytes are held, as many as may be: renew the CRLs'),
  )
  quota.left('a', 50)
  assert.ok(!quota.isFull('a', 50))
})

test('what lies there from before is counted', async (t) => {
  const disk = createDisk()
  const schema = { body: 'binary', ca: 'string' } as const
  const queue = createSchemaQueue({ path: `${scratch(t)}/held`, disk, clock, schema })
  for (let n = 0; n < 3; n += 1) await queue.add({ body: Buffer.alloc(100), ca: '/CN=CA' })
  const quota = createHeldQuota({ messages: 12, bytes: 10_000 })
  await quota.count(disk, queue.path, queue.ids())
  assert.ok(quota.isFull('/CN=CA', 1))
  assert.ok(!quota.isFull('/CN=Other', 1))
  await quota.count(disk, queue.path, queue.ids())
  quota.left('/CN=CA', 100)
  assert.ok(!quota.isFull('/CN=CA', 1), 'counted anew, not added up')
})
