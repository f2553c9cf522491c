/** The table of keys: right as a plain list would be, within its budget, fair among signers. */
import assert from 'node:assert/strict'
import { createHash, hash, randomInt } from 'node:crypto'
import { test } from 'node:test'
import { KeyTable } from '../../../src/spool/journal/key-table.js'
import type { MessageKey } from '../../../src/spool/journal/record.js'

const half = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)

function keyOf(signer: string, signature: string, content: string): MessageKey {
  return { kind: 's', signer: half(signer), signature: half(signer + signature), content: half(signer + content) }
}

const AGE = 1000

test('finds what a plain list finds, with few and many alike keys, growing and evicting', () => {
  for (const [limit, variety] of [
    [50, 3],
    [50, 40],
    [3000, 60],
    [3000, 100_000],
  ] as const) {
    const table = new KeyTable({ count: limit, age: AGE })
    let list: { key: MessageKey; time: number }[] = []
    const share = Math.floor(limit / 4)
    for (let step = 0; step < 4 * limit; step += 1) {
      const now = step * 7
      const pick = () => String(randomInt(variety))
      const key = keyOf(`signer ${randomInt(8)}`, pick(), pick())
      let mine = list.filter((one) => one.key.signer === key.signer)
      const latest = (match: (one: MessageKey) => boolean) => {
        const time = mine.findLast((one) => match(one.key))?.time
        return time === undefined || time + AGE < now ? undefined : time
      }
      const expected = {
        pair: latest((one) => one.signature === key.signature && one.content === key.content),
        signature: latest((one) => one.signature === key.signature),
        content: latest((one) => one.content === key.content),
      }
      assert.deepEqual(table.find(key, now), expected, `limit ${limit}, variety ${variety}, step ${step}`)
      table.add(key, now)
      // What is forgotten goes first: it may be this very one.
      const stale = mine.filter(({ time }) => time + AGE < now)
      list = list.filter((one) => !stale.includes(one))
      mine = mine.filter((one) => !stale.includes(one))
      if (mine.some(({ key: one }) => one.signature === key.signature && one.content === key.content)) continue
      const over = Math.max(0, mine.length + 1 - share)
      list = list.filter((one) => !mine.slice(0, over).includes(one))
      if (list.length >= limit) list.shift()
      list.push({ key, time: now })
      assert.equal(table.size, list.length)
    }
  }
})

test('a million messages take at most 40 MB, and are found', () => {
  const limit = 1_000_000
  const table = new KeyTable({ count: limit, age: 2 * limit })
  const key = (number: number): MessageKey => {
    const digest = hash('sha256', String(number))
    return { kind: 's', signer: String(number % 8), signature: digest.slice(0, 16), content: digest.slice(16, 32) }
  }
  for (let number = 0; number < limit + 5000; number += 1) table.add(key(number), number)
  assert.equal(table.size, limit)
  assert.ok(table.byteLength <= 40_000_000, `${table.byteLength} bytes`)
  assert.equal(table.find(key(4000), limit).pair, undefined)
  for (let number = 6000; number < limit; number += 997) assert.equal(table.find(key(number), limit).pair, number)
})

test('a signer who floods pushes out only himself', () => {
  const table = new KeyTable({ count: 400, age: AGE })
  for (let number = 0; number < 50; number += 1) table.add(keyOf('small', String(number), ''), number)
  for (let number = 0; number < 5000; number += 1) table.add(keyOf('big', String(number), String(number)), 50)
  assert.equal(table.countOf(half('big')), 100)
  assert.equal(table.countOf(half('small')), 50)
  assert.equal(table.find(keyOf('small', '0', ''), 50).pair, 0)
  assert.equal(table.find(keyOf('big', '4899', '4899'), 50).pair, undefined)
  assert.equal(table.find(keyOf('big', '4900', '4900'), 50).pair, 50)
})

test('what is too old counts no more', () => {
  const table = new KeyTable({ count: 400, age: AGE })
  const key = keyOf('a', '1', '1')
  table.add(key, 5)
  assert.equal(table.find(key, 5 + AGE).pair, 5)
  assert.equal(table.find(key, 6 + AGE).pair, undefined)
  // A clock that went back.
  assert.equal(table.find(key, 1).pair, 5)
})

test('what comes again when it was forgotten is known from then on', () => {
  const table = new KeyTable({ count: 400, age: AGE })
  const key = keyOf('a', '1', '1')
  table.add(key, 5)
  table.add(key, 6 + AGE)
  assert.equal(table.size, 1)
  const time = 6 + AGE
  assert.deepEqual(table.find(key, 7 + AGE), { pair: time, signature: time, content: time })
})

test('keys of another signer never count, not even with the same bits', () => {
  const table = new KeyTable({ count: 400, age: AGE })
  const key = keyOf('a', '1', '1')
  table.add(key, 5)
  table.add(keyOf('b', '2', '2'), 5)
  assert.deepEqual(table.find({ ...key, signer: half('b') }, 5), {
    pair: undefined,
    signature: undefined,
    content: undefined,
  })
})
