/** Killed at every step, with every disk error, with every damage to the journal: lost 0, doubled 0. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { test } from 'node:test'
import { isSsmError } from '../../../src/errors.js'
import { formatRecord, parseRecord } from '../../../src/spool/journal/record.js'
import { createFaultyDisk, type FaultyDisk, type Operation } from '../../kit/disk.js'
import { createManualClock } from '../../kit/manual-clock.js'
import { scratch } from '../../kit/scratch.js'
import { bodiesIn, createMessage, createRefused, createRun, dirqId, SECOND, segmentsIn, stagedIn } from './scene.js'

const CHANGES: readonly Operation[] = [
  ...(['open', 'createFile', 'createDirectory', 'removeFile', 'write', 'fsync'] as const),
  ...(['rename', 'mkdir', 'rmdir', 'close'] as const),
]

const messages = Array.from({ length: 4 }, (_, n) => createMessage({ id: dirqId(SECOND, n), content: `body ${n}` }))
const BODIES = ['body 0', 'body 1', 'body 2', 'body 3']

/** Fails at the `n`th change and at all later ones, as a process does that is killed there. */
function dieAt(disk: FaultyDisk, n: number): { readonly died: () => boolean } {
  let left = n
  for (const operation of CHANGES) {
    disk.before(operation, () => {
      left -= 1
      if (left < 0) throw new Error('killed')
    })
  }
  return { died: () => left < 0 }
}

test('killed at every single step: what was acknowledged is there, what comes again is stored once', async (t) => {
  let steps = 0
  for (let isDone = false; !isDone; steps += 1) {
    const path = scratch(t)
    const disk = createFaultyDisk()
    const first = createRun(path, { disk })
    await first.ledger.recover()
    await first.take(createMessage({ content: 'body before' }))
    const { died } = dieAt(disk, steps)
    const acknowledged: string[] = []
    const takes = messages.map(async (message) => {
      await first.take(message)
      acknowledged.push(String(message.body))
    })
    await Promise.allSettled(takes)
    isDone = !died()
    const second = createRun(path)
    await second.ledger.recover()
    const present = bodiesIn(path)
    for (const body of acknowledged) assert.ok(present.includes(body), `step ${steps}: ${body} was acknowledged`)
    assert.deepEqual(stagedIn(path), [], `step ${steps}`)
    // The broker delivers everything that was not acknowledged again, and what was, too: the ack may be lost.
    for (const message of messages) await second.take(message)
    assert.deepEqual(bodiesIn(path), [...BODIES, 'body before'], `step ${steps}`)
  }
  assert.ok(steps > 40, `${steps} steps`)
})

test('killed at every step of the recovery itself', async (t) => {
  for (let steps = 0, isDone = false; !isDone; steps += 1) {
    const path = scratch(t)
    const broken = createFaultyDisk()
    const first = createRun(path, { disk: broken })
    await first.ledger.recover()
    await first.take(createMessage({ content: 'body before' }))
    broken.fail('rename', 'EIO')
    await Promise.allSettled(messages.map((message) => first.take(message)))
    assert.equal(stagedIn(path).length, 4)
    const disk = createFaultyDisk()
    const second = createRun(path, { disk })
    const { died } = dieAt(disk, steps)
    await second.ledger.recover().catch(() => undefined)
    isDone = !died()
    const third = createRun(path)
    await third.ledger.recover()
    assert.deepEqual(bodiesIn(path), [...BODIES, 'body before'], `step ${steps}`)
    for (const message of messages) assert.equal(await third.take(message), 'same')
  }
})

test('an error at every single operation: the same process goes on when it is over, and so does the next one', async (t) => {
  let failures = 0
  for (const operation of CHANGES) {
    for (let n = 0; n < 40; n += 1) {
      const path = scratch(t)
      const disk = createFaultyDisk()
      const run = createRun(path, { disk })
      await run.ledger.recover()
      await run.take(createMessage({ content: 'body before' }))
      let left = n
      disk.before(operation, () => {
        left -= 1
        if (left === -1) throw Object.assign(new Error('injected'), { code: 'EIO' })
      })
      const results = await Promise.allSettled(messages.map((message) => run.take(message)))
      if (left >= 0) break
      failures += 1
      for (const result of results) {
        if (result.status === 'rejected') assert.ok(isSsmError(result.reason, 'disk'), String(result.reason))
      }
      const at = `${operation} ${n}`
      await run.ledger.settle()
      for (const message of messages) await run.take(message)
      assert.deepEqual(bodiesIn(path), [...BODIES, 'body before'], at)
      const next = createRun(path)
      await next.ledger.recover()
      for (const message of messages) assert.equal(await next.take(message), 'same', at)
      assert.deepEqual(bodiesIn(path), [...BODIES, 'body before'], at)
    }
  }
  assert.ok(failures > 40, `${failures} failures`)
})

test('every prefix of the journal, also with garbage behind it: never a stop, never a loss', async (t) => {
  const path = scratch(t)
  const broken = createFaultyDisk()
  const first = createRun(path, { disk: broken })
  await first.ledger.recover()
  broken.fail('rename', 'EIO')
  await Promise.allSettled(messages.map((message) => first.take(message)))
  const [segment = ''] = segmentsIn(path)
  const whole = readFileSync(`${path}/.ssm/journal/${segment}`)
  const tails = [Buffer.alloc(0), Buffer.alloc(4096), Buffer.from([0xff, 0x0a, 0x00]), Buffer.from('J1 x\n')]
  for (let length = 0; length <= whole.length; length += 7) {
    const copy = scratch(t)
    cpSync(path, copy, { recursive: true })
    const tail = tails[length % tails.length] ?? Buffer.alloc(0)
    writeFileSync(`${copy}/.ssm/journal/${segment}`, Buffer.concat([whole.subarray(0, length), tail]))
    const run = createRun(copy)
    const report = await run.ledger.recover()
    assert.equal(report.finished + report.removed, 4)
    assert.equal(bodiesIn(copy).length, report.finished)
    for (const message of messages) await run.take(message)
    assert.deepEqual(bodiesIn(copy), BODIES, `${length} bytes`)
    // What is appended behind the damage is read again.
    const next = createRun(copy)
    await next.ledger.recover()
    for (const message of messages) assert.equal(await next.take(message), 'same', `${length} bytes`)
  }
})

test('a segment that is unreadable, a folder, a link, a FIFO: passed by with a word, and today’s is written beside it', async (t) => {
  const today = new Date().toISOString().slice(0, 10)
  const tricks: Readonly<Record<string, (file: string) => void>> = {
    folder: (file) => {
      mkdirSync(file)
    },
    link: (file) => {
      symlinkSync('/dev/zero', file)
    },
  }
  for (const [name, put] of Object.entries(tricks)) {
    const path = scratch(t)
    mkdirSync(`${path}/.ssm/journal`, { recursive: true, mode: 0o700 })
    chmodSync(`${path}/.ssm`, 0o700)
    put(`${path}/.ssm/journal/${today}`)
    const run = createRun(path)
    await run.ledger.recover()
    assert.equal(await run.take(messages[0]!), 'stored', name)
    assert.ok(run.unusable.length > 0, name)
    const next = createRun(path)
    await next.ledger.recover()
    assert.equal(await next.take(messages[0]!), 'same', name)
  }
})

test('the rights, and a segment a day; old ones go, but none with an intent that is not carried out', async (t) => {
  const path = scratch(t)
  const clock = createManualClock(Date.parse('2026-11-20T12:00:00Z'))
  const disk = createFaultyDisk()
  const keep = { age: 2 * 86_400_000, count: 1000 }
  const run = createRun(path, { clock, disk, keep })
  await run.ledger.recover()
  for (let day = 0; day < 6; day += 1) {
    await run.take(createMessage({ id: `day ${day}`, content: `day ${day}` }))
    clock.advance(86_400_000)
  }
  await run.journal.tidy()
  assert.equal(statSync(`${path}/.ssm/journal/2026-11-25`).mode & 0o777, 0o600)
  assert.deepEqual(segmentsIn(path), ['2026-11-24', '2026-11-25'])
  disk.fail('rename', 'EIO')
  await assert.rejects(run.take(createMessage({ id: 'late', content: 'late' })), /EIO/)
  clock.advance(30 * 86_400_000)
  disk.reset()
  await run.journal.tidy()
  assert.deepEqual(segmentsIn(path), ['2026-11-26'])
  await run.ledger.settle()
  assert.ok(bodiesIn(path).includes('late'))
})

test('more messages than journal_keep: whole segments go, and the newest are known', async (t) => {
  const path = scratch(t)
  const clock = createManualClock(Date.parse('2026-11-20T12:00:00Z'))
  const keep = { age: 30 * 86_400_000, count: 8 }
  const run = createRun(path, { clock, keep })
  await run.ledger.recover()
  for (let day = 0; day < 6; day += 1) {
    for (let n = 0; n < 4; n += 1) await run.take(createMessage({ content: `${day} ${n}`, signer: `s${n}` }))
    clock.advance(86_400_000)
  }
  await run.journal.tidy()
  assert.deepEqual(segmentsIn(path), ['2026-11-24', '2026-11-25'])
  const next = createRun(path, { clock, keep })
  await next.ledger.recover()
  assert.equal(await next.take(createMessage({ content: '5 3', signer: 's3' })), 'same')
  assert.equal(await next.take(createMessage({ content: '0 0', signer: 's0' })), 'stored')
})

test('the journal removed while it runs: it is begun anew', async (t) => {
  const path = scratch(t)
  const run = createRun(path)
  await run.ledger.recover()
  await run.take(messages[0]!)
  rmSync(`${path}/.ssm/journal/${segmentsIn(path)[0] ?? ''}`)
  await run.take(messages[1]!)
  assert.equal(segmentsIn(path).length, 1)
  renameSync(`${path}/.ssm/journal/${segmentsIn(path)[0] ?? ''}`, `${path}/.ssm/journal/2020-01-01`)
  await run.take(messages[2]!)
  const next = createRun(path)
  await next.ledger.recover()
  assert.equal(await next.take(messages[1]!), 'same')
})

test('purging touches no staged element that the journal lists, and without a list none at all', async (t) => {
  const path = scratch(t)
  const disk = createFaultyDisk()
  const clock = createManualClock(Date.now() + 86_400_000)
  const run = createRun(path, { disk, clock })
  await run.ledger.recover()
  disk.fail('rename', 'EIO')
  await assert.rejects(run.take(messages[0]!))
  disk.reset()
  assert.equal(run.ledger.listed('incoming').size, 1)
  const { createSchemaQueue } = await import('../../../src/spool/schema-queue.js')
  const other = createSchemaQueue({
    path: `${path}/incoming`,
    disk,
    clock,
    schema: { body: 'binary', empaid: 'string' },
  })
  await other.purge({ maxTemp: 1 })
  await other.purge({ maxTemp: 1, listed: run.ledger.listed('incoming') })
  assert.equal(stagedIn(path).length, 1)
  await run.ledger.settle()
  assert.deepEqual(bodiesIn(path), ['body 0'])
})

test('rejects and held messages survive the same', async (t) => {
  for (const message of [createRefused('bad', 'x', 'no'), createRefused('bad', 'x', 'hold')]) {
    const path = scratch(t)
    const broken = createFaultyDisk()
    const first = createRun(path, { disk: broken })
    await first.ledger.recover()
    broken.fail('rename', 'EIO')
    await assert.rejects(first.take(message), /EIO/)
    const second = createRun(path)
    assert.equal((await second.ledger.recover()).finished, 1)
    assert.equal(await second.take(message), 'same')
    assert.deepEqual(bodiesIn(path, message.queue), ['bad'])
  }
})

test('a line says what it was told, and a changed one says nothing', () => {
  const intent = {
    key: messages[0]!.identity.key,
    queue: 'i',
    staged: '6564abcdef0123.4711.ssm',
    directory: '00000001',
    time: 1_700_000_000_123,
  } as const
  const line = formatRecord(intent).trimEnd()
  assert.deepEqual(parseRecord(line), intent)
  for (let at = 0; at < line.length; at += 1) {
    const changed = line.slice(0, at) + (line[at] === '0' ? '1' : '0') + line.slice(at + 1)
    assert.equal(parseRecord(changed), undefined, changed)
    assert.equal(parseRecord(line.slice(0, at)), undefined)
  }
})

test('the name of what was stored is found, also in the files', async (t) => {
  const path = scratch(t)
  const run = createRun(path)
  await run.ledger.recover()
  const first = createMessage({ id: dirqId(SECOND), content: 'first' })
  await run.take(first)
  const name = await run.ledger.look(first.identity)?.name()
  const lines = Array.from({ length: 20_500 }, (_, n) => {
    const { key } = createMessage({ id: 'x', content: `filler ${n}`, signer: String(n % 8) }).identity
    return formatRecord({
      key,
      queue: 'i',
      staged: `${(0x10000000000000 + n).toString(16)}.1.ssm`,
      directory: '00000000',
      time: Date.now(),
    })
  })
  appendFileSync(`${path}/.ssm/journal/${segmentsIn(path)[0] ?? ''}`, lines.join(''))
  const next = createRun(path)
  assert.equal((await next.ledger.recover()).remembered, 20_501)
  const known = next.ledger.look(first.identity)
  assert.equal(known?.what, 'same')
  assert.equal(await known.name(), name)
  const anew = createMessage({ id: dirqId(SECOND), content: 'first', second: SECOND + 9 })
  assert.equal(await next.ledger.look(anew.identity)?.name(), name)
})
