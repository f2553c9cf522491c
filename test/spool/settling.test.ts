/** Files made by hand: taken when they are complete, never before. Elements made by a library never wait. */
import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createDisk } from '../../src/os/disk.js'
import { createMessageDirectory } from '../../src/spool/message-directory.js'
import { idOfName, nameOfId } from '../../src/spool/message-id.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { createManualClock } from '../kit/manual-clock.js'
import { scratch } from '../kit/scratch.js'
import { collect } from '../contract/spool.js'

const disk = createDisk()
const HAND_MADE = '12345678/1234567890abcd'

test('a hand-made element waits within the run until two looks agree', async (t) => {
  const path = `${scratch(t)}/queue`
  mkdirSync(`${path}/12345678`, { recursive: true })
  const clock = createManualClock()
  const left: string[] = []
  const queue = createSimpleQueue({ path, disk, clock, settleWait: 5000, onUnfinished: (id) => left.push(id) })
  const added = await queue.add(Buffer.from('by a library'))
  writeFileSync(`${path}/${HAND_MADE}`, 'half')
  assert.deepEqual(await collect(queue.ids()), [added, HAND_MADE])
  assert.deepEqual(left, [])
})

test('one that grows all the time is left, and told', async (t) => {
  const path = `${scratch(t)}/queue`
  mkdirSync(`${path}/12345678`, { recursive: true })
  const clock = createManualClock()
  writeFileSync(`${path}/${HAND_MADE}`, 'half')
  const growing = { ...clock, sleep: (ms: number) => (appendFileSync(`${path}/${HAND_MADE}`, 'x'), clock.sleep(ms)) }
  const left: string[] = []
  const start = clock.monotonic()
  const queue = createSimpleQueue({ path, disk, clock: growing, settleWait: 5000, onUnfinished: (id) => left.push(id) })
  assert.deepEqual(await collect(queue.ids()), [])
  assert.deepEqual(left, [HAND_MADE])
  assert.ok(clock.monotonic() - start <= 5000)
})

test('a watching sender does not wait but comes again', async (t) => {
  const path = `${scratch(t)}/queue`
  mkdirSync(`${path}/12345678`, { recursive: true })
  const clock = createManualClock()
  const queue = createSimpleQueue({ path, disk, clock })
  writeFileSync(`${path}/${HAND_MADE}`, 'half')
  assert.deepEqual(await collect(queue.ids()), [])
  clock.advance(1500)
  assert.deepEqual(await collect(queue.ids()), [HAND_MADE])
})

test('an empty element is not yet written for a minute, then it is just empty', async (t) => {
  const path = `${scratch(t)}/queue`
  const clock = createManualClock()
  const queue = createSimpleQueue({ path, disk, clock })
  const id = await queue.add(new Uint8Array())
  assert.deepEqual(await collect(queue.ids()), [])
  clock.advance(30_000)
  assert.deepEqual(await collect(queue.ids()), [])
  clock.advance(31_000)
  assert.deepEqual(await collect(queue.ids()), [id])
})

test('an element that was locked and released does not look hand-made', async (t) => {
  const path = `${scratch(t)}/queue`
  const clock = createManualClock()
  const queue = createSimpleQueue({ path, disk, clock })
  const id = await queue.add(Buffer.from('x'))
  clock.advance(3_600_000)
  await (await queue.claim(id))?.release()
  assert.deepEqual(await collect(queue.ids()), [id])
})

test('a directory gives its files by age, any name, without folders', async (t) => {
  const path = `${scratch(t)}/files`
  mkdirSync(`${path}/folder`, { recursive: true })
  const names = ['plain.txt', 'two words', '-dash', '%41', '.hidden', 'ümlaut'].map((name) => Buffer.from(name))
  names.push(Buffer.from([0x66, 0xff, 0xfe]))
  const top = Buffer.from(`${path}/`)
  const now = Math.floor(Date.now() / 1000)
  for (const [index, name] of names.entries()) {
    const file = Buffer.concat([top, name])
    writeFileSync(file, `content ${index}`)
    utimesSync(file, now - 100 + index, now - 100 + index)
  }
  const spool = createMessageDirectory({ path, disk, clock: createManualClock(), settleWait: 5000 })
  const ids = await collect(spool.ids())
  assert.deepEqual(ids, ['plain.txt', 'two%20words', '-dash', '%2541', '.hidden', '%C3%BCmlaut', 'f%FF%FE'])
  assert.equal(await spool.count(), names.length)
  for (const [index, id] of ids.entries()) {
    const claim = await spool.claim(id)
    assert.ok(claim !== null, id)
    assert.equal(Buffer.from(await claim.read()).toString(), `content ${index}`)
    await claim.remove()
  }
  assert.equal(await spool.count(), 0)
})

test('a file that changes while it is sent stays', async (t) => {
  const path = `${scratch(t)}/files`
  mkdirSync(path)
  writeFileSync(`${path}/a`, 'first')
  const spool = createMessageDirectory({ path, disk, clock: createManualClock() })
  const claim = await spool.claim('a')
  assert.ok(claim !== null)
  await claim.read()
  appendFileSync(`${path}/a`, ' and more')
  await assert.rejects(claim.remove(), /was changed while it was sent/)
  await claim.release()
  assert.equal(await spool.count(), 1)
})

test('file names and ids are one to one', () => {
  for (let byte = 1; byte < 256; byte += 1) {
    if (byte === 0x2f || byte === 0x2e) continue
    const name = Buffer.from([0x61, byte])
    assert.deepEqual(nameOfId(idOfName(name)), name)
  }
  for (const id of ['%2e', '%41', 'a%', 'a%2', 'a b', '%2F', '%00', '..', '.', '.ssm', '']) {
    assert.equal(nameOfId(id), undefined, id)
  }
})
