import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRates, MINUTES } from '../../src/observe/rates.js'
import { createTally, MAX_SIGNERS } from '../../src/observe/tally.js'
import { createManualClock } from '../kit/manual-clock.js'

const MINUTE = 60_000

test('a message is in the last minute for a minute, and in its minute for an hour', () => {
  const clock = createManualClock()
  const rates = createRates(clock)
  rates.add(3)
  assert.equal(rates.minutes().at(-1), 3)
  clock.advance(54_000)
  rates.add(1)
  assert.equal(rates.minutes().at(-1), 4)
  clock.advance(11_000)
  assert.deepEqual(rates.minutes().slice(-2), [3, 1])
  clock.advance(30 * MINUTE)
  assert.deepEqual([rates.minutes().length, rates.minutes().reduce((sum, count) => sum + count)], [MINUTES, 4])
  clock.advance(30 * MINUTE)
  assert.equal(
    rates.minutes().every((count) => count === 0),
    true,
  )
  rates.add(2)
  assert.equal(rates.minutes().at(-1), 2, 'an old slot is not added to')
})

test('counts, the last message, reasons, signers; outside text is safe to print', () => {
  const clock = createManualClock(Date.UTC(2026, 10, 26))
  const tally = createTally('ssmreceive', clock)
  tally.handled({ outcome: 'stored', id: 'a', name: 'n', signer: '/CN=one' })
  clock.advance(1000)
  tally.handled({ outcome: 'rejected', id: 'b', reason: 'signature' })
  tally.handled({ outcome: 'rejected', id: '\x1b[31m', reason: 'expired', signer: '/CN=\u202eone' })
  tally.handled({ outcome: 'sent', id: 'not of this program' })
  const view = tally.view()
  assert.deepEqual(view.counts, { stored: 1, rejected: 2, held: 0, again: 0, dropped: 0 })
  assert.deepEqual(view.reasons, { signature: 1, expired: 1 })
  assert.deepEqual(view.last, {
    at: '2026-11-26T00:00:01.000Z',
    outcome: 'rejected',
    id: '\\x1b[31m',
    signer: '/CN=\\u202eone',
  })
  assert.deepEqual(view.signers, [
    { signer: '/CN=one', stored: 1, refused: 0, last: '2026-11-26T00:00:00.000Z' },
    { signer: '/CN=\\u202eone', stored: 0, refused: 1, last: '2026-11-26T00:00:01.000Z' },
  ])
  assert.equal(view.minutes.rejected?.at(-1), 2)
})

test('signers beyond the limit are counted together', () => {
  const tally = createTally('ssmreceive', createManualClock())
  for (let n = 0; n < MAX_SIGNERS + 7; n++) tally.handled({ outcome: 'stored', id: 'x', signer: `/CN=${n}` })
  tally.handled({ outcome: 'stored', id: 'x', signer: '/CN=0' })
  const { signers, otherSigners } = tally.view()
  assert.deepEqual([signers.length, otherSigners, signers[0]?.stored], [MAX_SIGNERS, 7, 2])
})

test('trouble lasts since it began; a new connection begins anew', () => {
  const clock = createManualClock(0)
  const tally = createTally('ssmsend', clock)
  const since = (): string => tally.view().link.since.slice(11, 19)
  clock.advance(5000)
  tally.link({ state: 'waiting', why: 'refused', paused: false })
  clock.advance(5000)
  tally.link({ state: 'waiting', why: 'refused\nagain', paused: false })
  assert.equal(since(), '00:00:05')
  assert.deepEqual(tally.view().link, {
    state: 'waiting',
    why: 'refused\\nagain',
    paused: false,
    since: '1970-01-01T00:00:05.000Z',
  })
  tally.link({ state: 'connected', peer: 'broker' })
  clock.advance(5000)
  tally.link({ state: 'connected', peer: 'broker' })
  assert.equal(since(), '00:00:15')
})

test('counting a message costs microseconds', (t) => {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() }
  const tally = createTally('ssmreceive', clock)
  const before = process.cpuUsage()
  const times = 100_000
  for (let n = 0; n < times; n++) {
    tally.handled({ outcome: 'stored', id: 'id', name: 'name', signer: `/C=XX/CN=${n % 100}` })
  }
  const { user, system } = process.cpuUsage(before)
  const each = (user + system) / times
  t.diagnostic(`${each.toFixed(2)} µs of CPU a message`)
  assert.ok(each < 20, `${each} µs`)
})
