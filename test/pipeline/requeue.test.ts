/** Rejected messages judged again: what is accepted goes to incoming once, what is not stays where it is. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createDisk } from '../../src/os/disk.js'
import type { Open, Opened } from '../../src/message.js'
import { requeue, type Requeued } from '../../src/pipeline/requeue.js'
import { createFaultyDisk } from '../kit/disk.js'
import { scratch } from '../kit/scratch.js'
import { readQueue } from '../kit/site.js'
import { bad, createScene, hold, killAt, ok, type SceneOptions } from './scene.js'

const unlisted: Opened = { verdict: 'no', reason: 'not-listed', detail: '/CN=a', signer: { rdns: [], slash: '/CN=a', key: 'a' } } // prettier-ignore
const bodies = (path: string, queue: string) => readQueue(`${path}/${queue}`).map(({ body }) => String(body))
const accepts: Open = (wire) => Promise.resolve(ok(String(wire)))

async function createRequeue(path: string, options: SceneOptions = {}) {
  const scene = await createScene(path, options)
  const bodyOf = async (name: string) => {
    const claim = await scene.reject.claim(name)
    const body = (await claim?.read())?.body
    await claim?.release()
    return body
  }
  const all = async (open: Open): Promise<Requeued[]> => {
    const outcomes: Requeued[] = []
    for await (const name of scene.reject.ids()) {
      outcomes.push(await requeue({ reject: scene.reject, bodyOf, open, place: scene.place }, name))
    }
    return outcomes
  }
  return { ...scene, all }
}

test('accepted today: to incoming with the id it came with, and gone from reject', async (t) => {
  const path = scratch(t)
  const { place, all } = await createRequeue(path)
  await place(unlisted, Buffer.from('w'), 'some id')
  const [outcome] = await all(accepts)
  assert.deepEqual({ ...outcome, name: '' }, { outcome: 'stored', name: '', again: false, empaid: 'some id' })
  assert.deepEqual([bodies(path, 'incoming'), bodies(path, 'reject')], [['content of w'], []])
  assert.equal(String(readQueue(`${path}/incoming`)[0]?.empaid), 'some id')
  // When it comes again from the broker, it is known.
  assert.equal((await place(ok('w'), Buffer.from('w'), 'some id')).again, true)
})

test('stored meanwhile: only removed from reject', async (t) => {
  const path = scratch(t)
  const { place, all } = await createRequeue(path)
  await place(unlisted, Buffer.from('w'), 'x')
  const { name } = await place(ok('w'), Buffer.from('w'), 'x')
  assert.deepEqual(await all(accepts), [{ outcome: 'stored', name, again: true, empaid: 'x' }])
  assert.deepEqual([bodies(path, 'incoming'), bodies(path, 'reject')], [['content of w'], []])
})

test('what is refused, held, foreign or damaged stays, and is named', async (t) => {
  const path = scratch(t)
  const { place, reject, held, all } = await createRequeue(path)
  const wires = ['a', 'b', 'c', 'd'].map((letter) => `${letter === 'c' ? '' : 'content-type:  application/x-pkcs7-mime\n'}${letter}`) // prettier-ignore
  for (const wire of wires) await place(bad, Buffer.from(wire), wire)
  const verdicts: Opened[] = [bad, hold, { verdict: 'no', reason: 'malformed', detail: 'x' }, { verdict: 'no', reason: 'banned', detail: 'y' }] // prettier-ignore
  const judged = await all(() => Promise.resolve(verdicts.shift()!))
  assert.deepEqual(judged, [
    { outcome: 'refused', reason: 'signature', detail: 'altered' },
    { outcome: 'refused', reason: 'crl-outdated', detail: 'old' },
    { outcome: 'foreign' },
    { outcome: 'refused', reason: 'banned', detail: 'y' },
  ])
  assert.deepEqual([bodies(path, 'reject'), await held.count()], [wires, 0])
  for await (const name of reject.ids()) assert.notEqual(await reject.claim(name), null, 'it is not locked')
  assert.deepEqual(new Set((await all(accepts)).map(({ outcome }) => outcome)), new Set(['locked']))
})

test('held before and rejected for its age: not taken for one that is held still', async (t) => {
  const path = scratch(t)
  const { place, judge, all } = await createRequeue(path)
  const wire = 'Content-Type: multipart/signed; x=y\n'
  await place(hold, Buffer.from(wire), 'x')
  await judge(() => Promise.resolve(hold), -1)
  assert.deepEqual(await all(() => Promise.resolve(hold)), [{ outcome: 'refused', reason: 'crl-outdated', detail: 'old' }]) // prettier-ignore
  assert.deepEqual(bodies(path, 'reject'), [wire])
  await all(accepts)
  assert.deepEqual([bodies(path, 'incoming'), bodies(path, 'reject')], [[`content of ${wire}`], []])
})

test('replay = reject: a message that is refused now for its signature is not lost, nor there twice', async (t) => {
  for (const before of [unlisted, bad]) {
    const path = scratch(t)
    const { place, all } = await createRequeue(path, { replay: 'reject' })
    await place(before, Buffer.from('w'), 'one')
    await place(ok('w'), Buffer.from('w'), 'two')
    for (let round = 0; round < 3; round++) {
      const [outcome, ...more] = await all(accepts)
      assert.deepEqual([outcome?.outcome, more], ['refused', []])
      assert.deepEqual([bodies(path, 'incoming'), bodies(path, 'reject')], [['content of w'], ['w']])
    }
  }
})

const WIRES = ['a', 'b']

async function killedAt(t: TestContext, steps: number, replay: 'store' | 'reject'): Promise<boolean> {
  const path = scratch(t)
  const first = await createRequeue(path)
  for (const wire of WIRES) await first.place(bad, Buffer.from(wire), wire)
  // With `reject` their signatures are known under other ids.
  if (replay === 'reject') for (const wire of WIRES) await first.place(ok(wire), Buffer.from(wire), `${wire}2`)
  const disk = createFaultyDisk()
  const second = await createRequeue(path, { disk, replay })
  const isKilled = killAt(disk, steps)
  await second.all(accepts).catch(() => undefined)
  const third = await createRequeue(path, { replay, disk: createDisk() })
  await new Promise((resolve) => setTimeout(resolve, 3))
  await third.reject.purge({ maxLock: 0.001 })
  await third.all(accepts)
  await third.all(accepts)
  const there = bodies(path, 'incoming').map((body) => body.replace('content of ', ''))
  assert.deepEqual(there.sort(), WIRES, `step ${steps}`)
  assert.deepEqual(bodies(path, 'reject').sort(), replay === 'reject' ? WIRES : [], `step ${steps}`)
  return !isKilled()
}

for (const replay of ['store', 'reject'] as const) {
  test(`killed at every step of the way from reject (replay = ${replay}): neither lost nor doubled`, async (t) => {
    let steps = 0
    while (!(await killedAt(t, steps, replay))) steps += 1
    assert.ok(steps > 40, `${steps} steps`)
  })
}
