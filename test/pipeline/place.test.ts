/** Where a message goes, once: redeliveries, replays, a CA that holds too much, and messages that leave the held ones. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { SsmError } from '../../src/errors.js'
import type { Open } from '../../src/message.js'
import { createFaultyDisk } from '../kit/disk.js'
import { scratch } from '../kit/scratch.js'
import { readQueue } from '../kit/site.js'
import { bad, createScene, hold, killAt, ok } from './scene.js'

const bodies = (path: string, queue: string) => readQueue(`${path}/${queue}`).map(({ body }) => String(body))

test('the same again is acknowledged with the name it has; the outcome says so', async (t) => {
  const path = scratch(t)
  const { log, place } = await createScene(path)
  for (const [opened, queue] of [
    [ok('w'), 'incoming'],
    [bad, 'reject'],
    [hold, 'held'],
  ] as const) {
    const first = await place(opened, Buffer.from('w'), 'some id')
    assert.deepEqual({ ...first, name: '' }, { queue, name: '', again: false })
    assert.deepEqual(await place(opened, Buffer.from('w'), 'some id'), { ...first, again: true })
    assert.equal(log.lines.at(-1), `INFO Message some id was already stored as ${first.name}.`)
    assert.equal(bodies(path, queue).length, 1)
  }
})

test('replay = store: stored with a warning; replay = reject: rejected, and once', async (t) => {
  const stored = scratch(t)
  const store = await createScene(stored)
  for (const id of ['one', 'two', 'two']) await store.place(ok('w'), Buffer.from('w'), id)
  assert.equal(bodies(stored, 'incoming').length, 2)
  assert.ok(
    store.log.lines.includes('WARNING Message two has the signature of another one, and is stored all the same.'),
  )
  const path = scratch(t)
  const { place, log } = await createScene(path, { replay: 'reject' })
  for (const id of ['one', 'two', 'two']) await place(ok('w'), Buffer.from('wire'), id)
  assert.deepEqual(bodies(path, 'incoming'), ['content of w'])
  const [reject, ...more] = readQueue(`${path}/reject`)
  assert.deepEqual(more, [])
  assert.equal(String(reject?.body), 'wire')
  assert.equal(String(reject?.error), 'the same signature came before under another id [replayed]')
  assert.equal(String(reject?.signer), '/CN=a')
  assert.ok(log.lines.includes('WARNING Message rejected: the same signature came before under another id'))
})

test('the error ends with the reason, whatever the message makes it say', async (t) => {
  const path = scratch(t)
  const { place } = await createScene(path)
  const detail = `${'x'.repeat(5000)} [banned]`
  await place({ verdict: 'no', reason: 'not-listed', detail }, Buffer.from('w'), 'x')
  await place({ ...hold, detail: 'y [banned]' }, Buffer.from('v'), 'x')
  const error = (queue: string) => String(readQueue(`${path}/${queue}`)[0]?.error)
  assert.match(error('reject'), /^Signer not in valid DNs list: x+ \[not-listed\]$/)
  assert.ok(error('reject').length < 4200)
  assert.equal(error('held'), 'Failed to verify message: y [banned] [crl-outdated]')
})

test('copies in flight at once: one is stored, however the others come', async (t) => {
  const path = scratch(t)
  const { place } = await createScene(path, { replay: 'reject' })
  const placed = await Promise.all(['one', 'one', 'two', 'one'].map((id) => place(ok('w'), Buffer.from('w'), id)))
  assert.deepEqual(
    placed.map(({ queue, again }) => `${queue} ${again}`),
    ['incoming false', 'incoming true', 'reject false', 'incoming true'],
  )
})

test('a CA with too many held ones has the rest rejected; those held before are still known', async (t) => {
  const path = scratch(t)
  let isFull = false
  const { place } = await createScene(path, { isHoldFull: () => isFull })
  await place(hold, Buffer.from('first'), 'x')
  isFull = true
  assert.equal((await place(hold, Buffer.from('first'), 'x')).queue, 'held')
  assert.equal((await place(hold, Buffer.from('second'), 'x')).queue, 'reject')
  assert.equal((await place(hold, Buffer.from('second'), 'x')).again, true)
  assert.deepEqual([bodies(path, 'held'), bodies(path, 'reject')], [['first'], ['second']])
  assert.match(
    String(readQueue(`${path}/reject`)[0]?.error),
    /^Failed to verify message: old; too many messages of this CA/,
  )
})

test('held twice over: a copy that was accepted meanwhile is not stored again', async (t) => {
  const path = scratch(t)
  const { place, judge } = await createScene(path)
  await place(hold, Buffer.from('w'), 'x')
  await place(ok('w'), Buffer.from('w'), 'x')
  assert.equal(await judge((wire) => Promise.resolve(ok(String(wire)))), 1)
  assert.deepEqual([bodies(path, 'held'), bodies(path, 'incoming')], [[], ['content of w']])
  // And the copy that comes after it, whatever the judgement is then.
  assert.equal((await place(hold, Buffer.from('w'), 'x')).again, true)
})

test('held long enough: rejected once, also when it comes again', async (t) => {
  const path = scratch(t)
  const { place, judge } = await createScene(path)
  await place(hold, Buffer.from('w'), 'x')
  assert.equal(await judge(() => Promise.resolve(hold), -1), 1)
  assert.deepEqual([bodies(path, 'held'), bodies(path, 'reject')], [[], ['w']])
  assert.equal((await place(hold, Buffer.from('w'), 'x')).again, true)
  assert.deepEqual(bodies(path, 'held'), [])
})

test('a fault of ours with one held message stops none of the others', async (t) => {
  const path = scratch(t)
  const { place, judge, log } = await createScene(path)
  for (const wire of ['a', 'b', 'c']) await place(hold, Buffer.from(wire), wire)
  const open: Open = (wire) =>
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- anything may be thrown
    String(wire) === 'b' ? Promise.reject('a text') : Promise.resolve(ok(String(wire)))
  assert.equal(await judge(open), 2)
  assert.deepEqual(bodies(path, 'held'), ['b'])
  assert.equal(log.lines.filter((line) => /^ERROR Held message .* stays held: a text$/.test(line)).length, 1)
  await assert.rejects(
    judge(() => Promise.reject(new SsmError('no-trust', 'no CA directory'))),
    /no CA directory/,
  )
})

async function moveKilledAt(t: TestContext, steps: number, kind: 'ok' | 'no'): Promise<boolean> {
  const path = scratch(t)
  const first = await createScene(path)
  for (const wire of ['a', 'b', 'c']) await first.place(hold, Buffer.from(wire), wire)
  const open: Open = (wire) => Promise.resolve(kind === 'ok' ? ok(String(wire)) : bad)
  const disk = createFaultyDisk()
  const second = await createScene(path, { disk })
  const isKilled = killAt(disk, steps)
  await second.judge(open).catch(() => undefined)
  const third = await createScene(path)
  // As the receiver does: no lock there is anybody else's.
  await new Promise((resolve) => setTimeout(resolve, 3))
  await third.held.purge({ maxLock: 0.001 })
  await third.judge(open)
  assert.deepEqual(bodies(path, 'held'), [], `step ${steps}`)
  const there = bodies(path, kind === 'ok' ? 'incoming' : 'reject').map((body) => body.replace('content of ', ''))
  assert.deepEqual(there.sort(), ['a', 'b', 'c'], `step ${steps}`)
  return !isKilled()
}

for (const kind of ['ok', 'no'] as const) {
  test(`killed at every step of the way from held (${kind}): neither lost nor doubled`, async (t) => {
    let steps = 0
    while (!(await moveKilledAt(t, steps, kind))) steps += 1
    assert.ok(steps > 40, `${steps} steps`)
  })
}
