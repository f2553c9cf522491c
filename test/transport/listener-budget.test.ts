import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBudget, type Reader } from '../../src/transport/listener/budget.js'

class TestReader implements Reader {
  paused = false
  pauseReading(): void {
    this.paused = true
  }
  resumeReading(): void {
    this.paused = false
  }
}

const MIB = 1024 * 1024

function three(): readonly [TestReader, TestReader, TestReader] {
  return [new TestReader(), new TestReader(), new TestReader()]
}

test('who reads when it is full is paused, and goes on when there is room', () => {
  const budget = createBudget(MIB)
  const [a, b] = three()
  budget.take(a, MIB)
  budget.update(a, 0)
  budget.update(b, 10)
  assert.deepEqual([a.paused, b.paused, budget.used], [true, true, MIB + 10])
  budget.give(MIB)
  assert.deepEqual([a.paused, b.paused, budget.used], [false, false, 10])
})

test('full of unfinished frames, the one that began first goes on; a finished one that waits stops all', () => {
  const budget = createBudget(MIB)
  const [a, b, c] = three()
  for (const reader of [a, b, c]) budget.update(reader, MIB / 2)
  assert.deepEqual([a.paused, b.paused, c.paused], [false, true, true])
  assert.ok(budget.crowded)
  budget.update(a, MIB)
  assert.equal(a.paused, false)
  // A stuck consumer: a is complete and not stored, so the next one must not go on.
  budget.take(a, MIB)
  budget.update(a, 0)
  assert.deepEqual([a.paused, b.paused, c.paused, budget.crowded], [true, true, true, false])
  budget.give(MIB)
  assert.deepEqual([a.paused, b.paused, c.paused], [true, false, true])
  budget.leave(b)
  assert.deepEqual([a.paused, c.paused, budget.used], [false, false, MIB / 2])
})

test('nobody is left waiting when nothing complete is in flight and there is room', () => {
  const budget = createBudget(MIB)
  const readers = Array.from({ length: 40 }, () => new TestReader())
  const filler = new TestReader()
  budget.take(filler, MIB)
  for (const reader of readers) budget.update(reader, 1)
  assert.ok(readers.every((reader) => reader.paused))
  budget.give(MIB)
  assert.ok(readers.every((reader) => !reader.paused))
})

test('a random life: used is right, and never all of them wait for each other', () => {
  const budget = createBudget(1000)
  const readers = Array.from({ length: 5 }, () => new TestReader())
  const held = new Map<TestReader, number>()
  let complete: number[] = []
  let seed = 7
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * n)
  }
  for (let round = 0; round < 20_000; round += 1) {
    const reader = readers[random(readers.length)]!
    if (!reader.paused) {
      const size = (held.get(reader) ?? 0) + random(200)
      if (size > 500) {
        budget.take(reader, size)
        complete.push(size)
        held.set(reader, 0)
      } else held.set(reader, size)
      budget.update(reader, held.get(reader) ?? 0)
    }
    if (random(4) === 0 && complete.length > 0) budget.give(complete.shift()!)
    const sum = (list: Iterable<number>) => [...list].reduce((a, b) => a + b, 0)
    assert.equal(budget.used, sum(complete) + sum(held.values()))
    assert.ok(budget.used <= 1000 + 700 * readers.length)
    assert.ok(complete.length > 0 || readers.some((each) => !each.paused), 'all wait')
  }
  for (const bytes of complete) budget.give(bytes)
  complete = []
  assert.ok(readers.some((each) => !each.paused))
})
