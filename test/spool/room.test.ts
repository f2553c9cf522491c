/** Room for another message: said in words before the disk is full, counted seldom, taken up again by itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { createDisk } from '../../src/os/disk.js'
import { createRoom } from '../../src/spool/room.js'
import { createManualClock } from '../kit/manual-clock.js'
import { systemError } from '../kit/disk.js'

const MIB = 1_048_576

const isDisk =
  (words: RegExp) =>
  (error: unknown): boolean =>
    isSsmError(error, 'disk') && words.test(error.message)

function createScene({ minFree = 0, maxMessages = 0 }) {
  const clock = createManualClock()
  const state = { free: 1000 * MIB, messages: 0, counts: 0, looks: 0, error: undefined as Error | undefined }
  const disk = {
    ...createDisk(),
    free: () => {
      state.looks += 1
      return state.error === undefined ? Promise.resolve(state.free) : Promise.reject(state.error)
    },
  }
  const count = () => {
    state.counts += 1
    return Promise.resolve(state.messages)
  }
  return { state, clock, room: createRoom({ path: '/spool', disk, clock, minFree, maxMessages, count }) }
}

test('free space: asked once a second, what was written meanwhile counts', async () => {
  const { state, clock, room } = createScene({ minFree: 64 * MIB })
  state.free = 100 * MIB
  for (let n = 0; n < 3; n += 1) (await room.enter(10 * MIB))[Symbol.dispose]()
  assert.equal(state.looks, 1)
  // 30 MiB are gone by our own account; the system says that there is room, and counts.
  const last = await room.enter(10 * MIB)
  assert.equal(state.looks, 2)
  last[Symbol.dispose]()
  state.free = 70 * MIB
  clock.advance(1000)
  await room.assertAny()
  await assert.rejects(
    room.enter(10 * MIB),
    isDisk(/only 70 MiB are free at \/spool, min_free_space is 64 MiB: make room/),
  )
  state.free = 80 * MIB
  await room.enter(10 * MIB)
})

test('a file system that does not tell its free space is written to until it refuses', async () => {
  const { state, room } = createScene({ minFree: 64 * MIB })
  state.error = systemError('ENOSYS')
  await room.enter(10 * MIB)
})

test('messages: counted only when it may be full; those in flight count; goes on at nine tenths', async () => {
  const { state, clock, room } = createScene({ maxMessages: 100 })
  state.messages = 90
  const inFlight = []
  for (let n = 0; n < 10; n += 1) inFlight.push(await room.enter(1))
  assert.equal(state.counts, 1)
  clock.advance(1000)
  await assert.rejects(room.enter(1), isDisk(/90 messages .* max_spool_messages is 100: does their consumer run\?/))
  for (const each of inFlight) each[Symbol.dispose]()
  state.messages = 95
  clock.advance(1000)
  await assert.rejects(room.enter(1), isDisk(/95 messages/))
  await assert.rejects(room.assertAny(), isDisk(/95 messages/))
  const { counts } = state
  await assert.rejects(room.assertAny())
  assert.equal(state.counts, counts, 'within a second it is not counted again')
  state.messages = 89
  clock.advance(1000)
  await room.assertAny()
  await room.enter(1)
})

test('off: nothing is counted, and one message fits while the disk has room for it', async () => {
  const { state, clock, room } = createScene({})
  state.messages = 1e9
  await room.enter(1e6)
  await room.assertAny()
  assert.equal(state.counts, 0)
  state.free = 0
  clock.advance(1000)
  await assert.rejects(room.assertAny(), isDisk(/the disk is full: 0 bytes are free/))
})

test('without a limit the messages in hand must fit all the same', async () => {
  const { state, clock, room } = createScene({})
  state.free = MIB
  const inHand = []
  // What is in hand may not be written yet: the system says that there is as much room as before.
  for (let n = 0; n < 20; n += 1) inHand.push(await room.enter(16_000))
  await assert.rejects(
    async () => {
      for (let n = 0; n < 20; n += 1) inHand.push(await room.enter(16_000))
    },
    isDisk(/the disk is full: \d+ bytes are free at \/spool: make room/),
  )
  for (const each of inHand) each[Symbol.dispose]()
  clock.advance(1000)
  await room.enter(16_000)
})

test('of those that ask at once only so many enter as there is room for', async () => {
  const tight = createScene({ minFree: 64 * MIB })
  tight.state.free = 85 * MIB
  const many = createScene({ maxMessages: 100 })
  many.state.messages = 98
  for (const { room, state } of [tight, many]) {
    const asked = await Promise.allSettled(Array.from({ length: 10 }, () => room.enter(10 * MIB)))
    assert.deepEqual([asked.filter(({ status }) => status === 'fulfilled').length, state.looks], [2, 1])
  }
})
