/** What is a redelivery, and what is only alike. */
import assert from 'node:assert/strict'
import { randomInt, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { isGenerated } from '../../../src/spool/journal/identity.js'
import { createManualClock } from '../../kit/manual-clock.js'
import { scratch } from '../../kit/scratch.js'
import { SECOND, bodiesIn, createMessage, createRefused, createRun, dirqId, type Message } from './scene.js'

const HOUR = 3_600_000

test('generated ids: names of queues near the signing time, and UUIDs', () => {
  const ms = SECOND * 1000
  assert.ok(isGenerated(dirqId(SECOND), ms))
  assert.ok(isGenerated(dirqId(SECOND - 47 * 3600), ms))
  assert.ok(!isGenerated(dirqId(SECOND - 49 * 3600), ms))
  assert.ok(!isGenerated(dirqId(SECOND), undefined))
  assert.ok(isGenerated(randomUUID(), undefined))
  for (const id of ['noid', 'N/A', 'report.txt', '', '00000000-0000-0000-0000-000000000000', `${dirqId(SECOND)}\n`]) {
    assert.ok(!isGenerated(id, ms), id)
  }
})

test('the same message again is known; 100 equal files of one second all arrive', async (t) => {
  const path = scratch(t)
  const run = createRun(path)
  await run.ledger.recover()
  const files = Array.from({ length: 100 }, (_, number) => createMessage({ id: dirqId(SECOND, number) }))
  const taken = await Promise.all(files.map((file) => run.take(file)))
  assert.deepEqual(
    taken.filter((what) => what === 'same' || what === 'again'),
    [],
  )
  assert.equal(bodiesIn(path).length, 100)
  assert.deepEqual(new Set(await Promise.all(files.map((file) => run.take(file)))), new Set(['same']))
  assert.equal(bodiesIn(path).length, 100)
})

test('the same file name with the same content on two days arrives twice; so do noid and N/A', async (t) => {
  const path = scratch(t)
  const run = createRun(path)
  await run.ledger.recover()
  for (const id of ['daily.txt', 'noid', 'N/A']) {
    const content = `of ${id}`
    assert.equal(await run.take(createMessage({ id, content })), 'stored')
    assert.equal(await run.take(createMessage({ id, content, second: SECOND + 86_400 })), 'stored')
    assert.equal(await run.take(createMessage({ id, content })), 'same')
  }
  assert.equal(bodiesIn(path).length, 6)
})

test('signed anew under the same generated id: once within the window, again after it', async (t) => {
  const path = scratch(t)
  const clock = createManualClock()
  const run = createRun(path, { clock, duplicateWindow: 24 * HOUR })
  await run.ledger.recover()
  for (const id of [dirqId(SECOND), randomUUID()]) {
    const content = `of ${id}`
    assert.equal(await run.take(createMessage({ id, content })), 'stored')
    clock.advance(23 * HOUR)
    assert.equal(await run.take(createMessage({ id, content, second: SECOND + 60 })), 'again')
    clock.advance(2 * HOUR)
    assert.equal(await run.take(createMessage({ id, content, second: SECOND + 120 })), 'stored')
    // Another content or another signer is another message.
    assert.equal(await run.take(createMessage({ id, content: `${content} y`, second: SECOND + 120 })), 'stored')
    assert.equal(await run.take(createMessage({ id, content, signer: 'b', second: SECOND + 120 })), 'stored')
  }
  const off = createRun(scratch(t), { clock, duplicateWindow: 0 })
  await off.ledger.recover()
  assert.equal(await off.take(createMessage({ id: dirqId(SECOND) })), 'stored')
  assert.equal(await off.take(createMessage({ id: dirqId(SECOND), second: SECOND + 60 })), 'stored')
})

test('a signature under another id is told apart from a redelivery', async (t) => {
  const path = scratch(t)
  const run = createRun(path)
  await run.ledger.recover()
  assert.equal(await run.take(createMessage({ id: 'one' })), 'stored')
  assert.equal(await run.take(createMessage({ id: 'two' })), 'replay')
  assert.equal(await run.take(createMessage({ id: 'two' })), 'same')
  assert.equal(bodiesIn(path).length, 2)
})

test('refused and held ones are known by their bytes and id, each in its own place', async (t) => {
  const path = scratch(t)
  const run = createRun(path)
  await run.ledger.recover()
  for (const verdict of ['no', 'hold'] as const) {
    assert.equal(await run.take(createRefused('bad', 'x', verdict)), 'stored')
    assert.equal(await run.take(createRefused('bad', 'x', verdict)), 'same')
    assert.equal(await run.take(createRefused('bad', 'y', verdict)), 'stored')
    assert.equal(await run.take(createRefused('bad ', 'x', verdict)), 'stored')
  }
  assert.deepEqual([bodiesIn(path, 'reject').length, bodiesIn(path, 'held').length], [3, 3])
})

test('copies in flight at the same time: stored once, also when the first fails', async (t) => {
  const path = scratch(t)
  const run = createRun(path)
  await run.ledger.recover()
  const message = createMessage({ id: dirqId(SECOND) })
  const anew = createMessage({ id: dirqId(SECOND), second: SECOND + 5 })
  const taken = await Promise.all([message, message, anew, message].map((one) => run.take(one)))
  assert.deepEqual(taken, ['stored', 'same', 'again', 'same'])
  assert.equal(bodiesIn(path).length, 1)
  const known = run.ledger.look(message.identity)
  assert.match((await known?.name()) ?? '', /^00000000\/[0-9a-f]{14}$/)
})

/** A model that keeps everything: the rules as sentences. */
function expected(before: readonly { readonly message: Message; readonly second: number }[], message: Message): string {
  const { key, generated } = message.identity
  const same = before.map((one) => one.message.identity.key).filter((one) => one.signer === key.signer)
  if (same.some((one) => one.signature === key.signature && one.content === key.content)) return 'same'
  if (generated && same.some((one) => one.content === key.content)) return 'again'
  return same.some((one) => one.signature === key.signature) ? 'replay' : 'stored'
}

test('thousands of random messages, half of them alike, with restarts in between: as the rules say', async (t) => {
  const path = scratch(t)
  let run = createRun(path)
  await run.ledger.recover()
  const stored: { message: Message; second: number }[] = []
  for (let step = 0; step < 1200; step += 1) {
    if (step % 300 === 299) {
      run = createRun(path)
      await run.ledger.recover()
    }
    const second = SECOND + randomInt(3)
    const ids = ['noid', 'file', dirqId(SECOND, randomInt(4)), dirqId(SECOND - 3 * 86_400, randomInt(4))]
    const parts = { id: ids[randomInt(4)] ?? '', content: String(randomInt(6)), signer: String(randomInt(3)), second }
    const message = createMessage(parts)
    const what = expected(stored, message)
    assert.equal(await run.take(message), what, JSON.stringify(parts))
    if (what === 'stored' || what === 'replay') stored.push({ message, second })
  }
  assert.deepEqual(bodiesIn(path), stored.map(({ message }) => String(message.body)).sort())
})
