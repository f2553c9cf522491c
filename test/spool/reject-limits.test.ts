/** The reject spool within its limits: the old go, then the oldest of nobody known, then the oldest. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createDisk } from '../../src/os/disk.js'
import { createRejectLimits } from '../../src/spool/reject-limits.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { createManualClock } from '../kit/manual-clock.js'
import { scratch } from '../kit/scratch.js'
import { readQueue } from '../kit/site.js'

const SCHEMA = { body: 'binary', signer: 'string', error: 'string' } as const
/** Three files and a directory, each of one block. */
const EACH = 4 * 4096

async function createScene(
  t: TestContext,
  limits: { readonly keep?: number; readonly maxBytes: number },
  errorOf: (n: number) => string = () => 'x',
) {
  const disk = createDisk()
  const clock = createManualClock(Date.parse('2026-11-20T12:00:00Z'))
  const queue = createSchemaQueue({ path: `${scratch(t)}/reject`, disk, clock, schema: SCHEMA })
  for (let n = 0; n < 20; n += 1) {
    clock.advance(60_000)
    await queue.add({ body: Buffer.from(String(n)), signer: n % 2 === 0 ? '/CN=known' : 'nobody', error: errorOf(n) })
  }
  const standingOf = (signer: string, error: string) =>
    signer !== 'nobody' ? 'verified' : error.endsWith('[held]') ? 'unjudged' : 'unknown'
  const sweeper = createRejectLimits({ queue, disk, clock, keep: limits.keep, maxBytes: limits.maxBytes, standingOf })
  const left = () =>
    readQueue(queue.path)
      .map(({ body }) => Number(body))
      .sort((a, b) => a - b)
  return { queue, clock, sweeper, left }
}

test('the oldest whose signer is not verified go first, down to nine tenths', async (t) => {
  const { sweeper, left } = await createScene(t, { maxBytes: 15 * EACH })
  assert.deepEqual(await sweeper.sweep(), { old: 0, unverified: 7, verified: 0, bytes: 13 * EACH })
  assert.deepEqual(left(), [0, 2, 4, 6, 8, 10, 12, 14, 15, 16, 17, 18, 19])
  assert.deepEqual(await sweeper.sweep(), { old: 0, unverified: 0, verified: 0, bytes: 13 * EACH })
})

test('then the oldest of all', async (t) => {
  const { sweeper, left } = await createScene(t, { maxBytes: 5 * EACH })
  const { unverified, verified } = await sweeper.sweep()
  assert.deepEqual([unverified, verified], [10, 6])
  assert.deepEqual(left(), [12, 14, 16, 18])
})

test('between garbage and the verified: what only a CRL kept from being judged', async (t) => {
  const { sweeper, left } = await createScene(t, { maxBytes: 15 * EACH }, (n) => (n < 10 ? 'x [held]' : 'x [held] y'))
  assert.deepEqual(await sweeper.sweep(), { old: 0, unverified: 7, verified: 0, bytes: 13 * EACH })
  // The five of nobody known, then the two oldest of those that could not be judged.
  assert.deepEqual(left(), [0, 2, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18])
})

test('what is too old goes, whoever signed it; without limits nothing does', async (t) => {
  const { sweeper, left } = await createScene(t, { keep: 5.5 * 60_000, maxBytes: 0 })
  assert.equal((await sweeper.sweep()).old, 14)
  assert.deepEqual(left(), [14, 15, 16, 17, 18, 19])
  const off = await createScene(t, { maxBytes: 0 })
  assert.equal(await off.sweeper.makeRoom(1e12), undefined)
  await off.sweeper.sweep()
  assert.equal(off.left().length, 20)
})

test('room is made before it is needed, and not looked for at each message', async (t) => {
  const { queue, sweeper, left } = await createScene(t, { maxBytes: 22 * EACH })
  assert.ok((await sweeper.makeRoom(1)) !== undefined, 'the first time it is measured')
  assert.equal(await sweeper.makeRoom(1), undefined)
  assert.equal(left().length, 20)
  await queue.add({ body: Buffer.alloc(100_000), signer: 'nobody', error: 'x' })
  assert.equal((await sweeper.makeRoom(100_000))?.unverified, 8)
  assert.equal(left().length, 13)
})

test('one that somebody holds stays', async (t) => {
  const { queue, sweeper, left } = await createScene(t, { keep: 1, maxBytes: 0 })
  for await (const id of queue.ids()) {
    await using claim = await queue.claim(id)
    assert.ok(claim !== null)
    await sweeper.sweep()
    break
  }
  assert.deepEqual(left(), [0, 19])
})

test('what comes while a sweep is running is not forgotten: the next one looks again', async (t) => {
  const { queue, sweeper, left } = await createScene(t, { maxBytes: 30 * EACH })
  await sweeper.makeRoom(1)
  const add = async (n: number): Promise<void> => {
    await sweeper.makeRoom(1)
    await queue.add({ body: Buffer.from(String(n)), signer: 'nobody', error: 'x' })
  }
  // From the eleventh on they wait for one sweep, and are stored after it.
  await Promise.all(Array.from({ length: 25 }, (_, n) => add(100 + n)))
  assert.ok(left().length > 30)
  assert.ok((await sweeper.makeRoom(1)) !== undefined)
  assert.ok(left().length <= 27)
})
