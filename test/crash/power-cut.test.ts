/** The short form of `power-cut.ts`: three messages, every second moment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bendTime } from '../kit/bent-time.js'
import { scratch } from '../kit/scratch.js'
import { createRandom } from './kills.js'
import { cutPower } from './power-cut.js'

test('a power cut at every other moment of three messages on their way', async (t) => {
  using _time = bendTime()
  const { wrong, cuts, sent, balance } = await cutPower(scratch(t), 3, createRandom(1), 2)
  t.diagnostic(`${cuts} power cuts, ${sent} messages: ${JSON.stringify(balance)}`)
  assert.deepEqual(wrong, [])
})
