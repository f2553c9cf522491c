import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dn, Opened } from '../../src/message.js'
import { createPlace, type Ledger } from '../../src/pipeline/place.js'
import { identify } from '../../src/spool/journal/identity.js'
import { MemoryLog } from './doubles.js'

const dn = (cn: string): Dn => ({ rdns: [], slash: `/CN=${cn}`, key: cn })

function createScene() {
  const log = new MemoryLog()
  const stored: string[] = []
  const time = { now: 1_000_000 }
  const ledger: Ledger = {
    look: () => undefined,
    store: (queue) => {
      stored.push(queue)
      return Promise.resolve('00000000/name')
    },
  }
  const printable = (text: string, limit: number) => text.slice(0, limit)
  const place = createPlace({ ledger, identify, replay: 'store', log, printable, now: () => time.now })
  const lines = (words: RegExp) => log.lines.filter((line) => words.test(line))
  return { lines, stored, time, place: (opened: Opened) => place(opened, Buffer.from('wire'), 'id') }
}

test('messages of a banned signer are dropped, with a line an hour and the count', async () => {
  const { lines, stored, time, place } = createScene()
  const banned = (cn: string): Opened => ({ verdict: 'no', reason: 'banned', detail: 'x', signer: dn(cn) })
  for (let n = 0; n < 50; n++) assert.equal((await place(banned('a'))).queue, 'dropped')
  await place(banned('b'))
  assert.deepEqual(stored, [])
  assert.deepEqual(lines(/banned/), [
    'WARNING Messages of the banned signer /CN=a dropped: 1',
    'WARNING Messages of the banned signer /CN=b dropped: 1',
  ])
  time.now += 3_599_999
  await place(banned('a'))
  assert.equal(lines(/banned/).length, 2)
  time.now += 1
  await place(banned('a'))
  assert.equal(lines(/banned/).at(-1), 'WARNING Messages of the banned signer /CN=a dropped: 51')
})

test('a signer whose messages are refused all the time has a line a minute; all of them are kept', async () => {
  const { lines, stored, time, place } = createScene()
  const refused = (claimed?: Dn): Opened => ({
    verdict: 'no',
    reason: 'signature',
    detail: 'forged',
    ...(claimed === undefined ? {} : { claimed }),
  })
  for (let n = 0; n < 150; n++) await place(refused(dn('a')))
  assert.equal(lines(/Message rejected/).length, 100)
  assert.equal(lines(/saved to reject/).length, 100)
  assert.deepEqual(lines(/More than/), [
    'WARNING More than 100 messages of /CN=a were refused within a minute: from now on one line a minute.',
  ])
  await place(refused(dn('b')))
  await place(refused())
  assert.equal(lines(/Message rejected/).length, 102, 'others have lines of their own')
  time.now += 60_000
  await place(refused(dn('a')))
  assert.deepEqual(lines(/more messages of/), ['WARNING 50 more messages of /CN=a were refused.'])
  assert.equal(lines(/Message rejected/).length, 103)
  assert.equal(stored.length, 153)
})

test('names that somebody makes up cost no memory', async () => {
  const { lines, place } = createScene()
  for (let n = 0; n < 3000; n++) {
    await place({ verdict: 'no', reason: 'signature', detail: 'forged', claimed: dn(String(n)) })
  }
  assert.equal(lines(/Message rejected/).length, 3000)
})
