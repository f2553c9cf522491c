import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Seen } from '../../../src/cli/status/look.js'
import { renderSeen } from '../../../src/cli/status/render.js'
import { bytes, distance, grouped, span } from '../../../src/cli/status/words.js'
import { BUSY } from '../../kit/status.js'

const zeros = Array.from({ length: 59 }, () => 0)

const RUNNING: Seen = {
  ...BUSY,
  running: true,
  counts: { ...BUSY.counts, held: 0 },
  minutes: { stored: [...zeros, 200], rejected: [3, ...zeros], held: [], again: [], dropped: [] },
  last: {
    at: '2026-11-26T11:59:57.000Z',
    outcome: 'stored',
    id: '5ba24c88/5ba24c8f0f129d',
    name: '67459a00/67459a1b2c3d4e',
    signer: '/C=XX/CN=a',
  },
  reasons: { 'not-listed': 1, signature: 2 },
  signers: [
    { signer: '/C=XX/CN=b', stored: 5, refused: 2, last: '2026-11-26T10:00:00.000Z' },
    { signer: '/C=XX/CN=a', stored: 1_234_562, refused: 0, last: '2026-11-26T11:59:57.000Z' },
  ],
  otherSigners: 0,
  spools: { incoming: 12, reject: 3, held: 0, journal: { files: 8, bytes: 12_582_912 }, free: 80_661_000_000 },
}

const TEXT = `ssmreceive: running, pid 4711 since 2026-11-26 09:00:00 UTC (3 h ago)
connected to msg.example.org:61614 since 2026-11-26 11:30:00 UTC (30 min ago)

                  last minute    last hour  since start
stored                    200          200    1 234 567
rejected                    0            3            3
held                        0            0            0
came again                  0            0            1
dropped (banned)            0            0            0

last message: 5ba24c88/5ba24c8f0f129d stored as 67459a00/67459a1b2c3d4e 3 s ago, from /C=XX/CN=a
spools: incoming 12, reject 3, held 0; 76 924 MiB free
journal: 8 files, 12 MiB
reasons: signature 2, not-listed 1
trust: 93 certificates, 91 CRLs (1 OUTDATED, the next ends in 3 d), 312 DNs; read 5 min ago
signers: 2
  1 234 562  /C=XX/CN=a (3 s ago)
          5  /C=XX/CN=b, 2 refused (2 h ago)
`

test('all of a running program, its numbers below each other', () => {
  assert.equal(renderSeen(RUNNING, false), TEXT)
  const colour = renderSeen(RUNNING, true)
  assert.ok(colour.startsWith('ssmreceive: \x1b[32mrunning'), colour)
})

test('trouble comes first, outside words are safe', () => {
  const why = 'only 3 MiB are free'
  const paused = renderSeen(
    {
      ...RUNNING,
      health: { ok: false, words: `paused: ${why}\x1b[2J` },
      link: { state: 'waiting', why, paused: true, since: '2026-11-26T11:00:00.000Z' },
    },
    true,
  )
  assert.ok(paused.startsWith('ssmreceive: \x1b[31mrunning'), paused)
  assert.match(paused, /\npaused: only 3 MiB are free\\x1b\[2J, since 2026-11-26 11:00/)
})

test('what does not run, and what does not answer', () => {
  const base = { path: '/var/spool/apel/outgoing', now: '2026-11-26T12:00:00.000Z', program: 'ssmsend' } as const
  const spools = { outgoing: 7, failed: 1 }
  assert.equal(
    renderSeen({ ...base, running: false, spools }, false),
    'ssmsend: not running (/var/spool/apel/outgoing)\nspools: outgoing 7, set aside 1\n',
  )
  const refused = { reasons: { 'cannot-seal': 1, '-': 2, 'message-refused': 4 }, looked: 7, of: 7 }
  assert.match(
    renderSeen({ ...base, running: false, spools, refused }, false),
    /\nset aside by reason: message-refused 4, without one 2, cannot-seal 1\n$/,
  )
  const all = { incoming: 0, reject: 9000, held: 0, journal: { files: 0, bytes: 0 } }
  const cut = { reasons: { signature: 1000 }, looked: 1000, of: 9000 }
  assert.match(
    renderSeen({ ...base, program: 'ssmreceive', running: false, spools: all, refused: cut }, false),
    /\nreject by reason \(the newest 1000 of 9000\): signature 1000\n$/,
  )
  const mute = renderSeen({ ...base, running: true, pid: 7, since: '2026-11-26T11:58:00.000Z', spools }, false)
  assert.match(mute, /running, pid 7 since .* \(2 min ago\), and does not answer/)
})

test('numbers, spans and sizes', () => {
  assert.deepEqual(
    [0, 999, 1000, 1_234_567].map((n) => grouped(n, ' ')),
    ['0', '999', '1 000', '1 234 567'],
  )
  assert.deepEqual([-5, 0, 119_000, 120_000, 7_200_000, 172_800_000].map(span), [
    '0 s',
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 d',
  ])
  assert.deepEqual([5, 2048, 5 * 1024 ** 2].map(bytes), ['5 bytes', '2 KiB', '5 MiB'])
  assert.equal(distance('2026-11-26T12:00:00.000Z', '2026-11-26T11:00:00.000Z'), 'in 60 min')
})
