/** The simple queue shared, at the same time, with Python's. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { setTimeout as after } from 'node:timers/promises'
import { isSsmError } from '../../src/errors.js'
import { createDisk } from '../../src/os/disk.js'
import { systemClock as clock } from '../../src/os/clock.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import type { Outgoing } from '../../src/spool/simple-queue.js'
import { SIMPLE_READER, SIMPLE_WRITER, runPython, startPython } from '../kit/dirq.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'

const open = (path: string): Outgoing => createSimpleQueue({ path, disk: createDisk(), clock, granularity: 1 })
const EACH = 1000

async function write(path: string, prefix: string): Promise<void> {
  const queue = open(path)
  for (let number = 0; number < EACH; number += 20) {
    const batch = Array.from({ length: 20 }, (_, index) => queue.add(Buffer.from(`${prefix}-${number + index}`)))
    await Promise.all(batch)
  }
}

async function take(queue: Outgoing, id: string, bodies: string[]): Promise<void> {
  const claim = await queue.claim(id)
  if (claim === null) return
  const body = await claim.read()
  await claim.remove()
  bodies.push(Buffer.from(body).toString())
}

/** Consumes with a purge after each pass until `isOver` and nothing is left. */
async function consume(path: string, isOver: () => boolean): Promise<string[]> {
  const queue = open(path)
  const bodies: string[] = []
  for (;;) {
    const last = isOver()
    const taking: Promise<void>[] = []
    for await (const id of queue.ids()) {
      taking.push(take(queue, id, bodies))
      if (taking.length === 32) await Promise.all(taking.splice(0))
    }
    await Promise.all(taking)
    await queue.purge()
    if (last && (await queue.count()) === 0) return bodies
    await after(5)
  }
}

test(
  'two writers and two consumers on each side, all purging: nothing lost, nothing doubled',
  { skip: need('python3-dirq') },
  async (t) => {
    const path = `${scratch(t)}/queue`
    const stop = `${path}.stop`
    // Python's constructors would race for making it.
    mkdirSync(path)
    let over = false
    const readers = [0, 1].map(() => startPython(SIMPLE_READER, path, stop, '1'))
    const ours = [0, 1].map(() => consume(path, () => over))
    const writers = ['p1', 'p2'].map((prefix) => startPython(SIMPLE_WRITER, path, prefix, String(EACH), '1'))
    await Promise.all([write(path, 'n1'), write(path, 'n2'), ...writers.map((writer) => writer.ended())])
    over = true
    writeFileSync(stop, '')
    const here = (await Promise.all(ours)).flat()
    const there = (await Promise.all(readers.map((reader) => reader.ended()))).flat()
    t.diagnostic(`read by us ${here.length}, by Python ${there.length}`)
    const expected = ['n1', 'n2', 'p1', 'p2'].flatMap((prefix) =>
      Array.from({ length: EACH }, (_, n) => `${prefix}-${n}`),
    )
    assert.deepEqual([...here, ...there].sort(), expected.sort())
  },
)

test('we read what Python writes, text and bytes, and it reads ours', { skip: need('python3-dirq') }, async (t) => {
  const path = `${scratch(t)}/queue`
  const queue = open(path)
  const name = runPython(`print(QueueSimple(sys.argv[1]).add('gr\\u00fc\\u00df'))`, path).trim()
  const claim = await queue.claim(name)
  assert.equal(Buffer.from((await claim?.read()) ?? []).toString(), 'grüß')
  await claim?.remove()
  const id = await queue.add(Buffer.from([0, 255, 10, 13]))
  const program = `q = QueueSimple(sys.argv[1])\nassert q.lock(sys.argv[2])\nprint(list(q.get(sys.argv[2])))\nq.remove(sys.argv[2])`
  assert.equal(runPython(program, path, id).trim(), '[0, 255, 10, 13]')
  assert.equal(await queue.count(), 0)
})

test(
  'a lock of Python’s is respected, and one it took over from us is noticed',
  { skip: need('python3-dirq') },
  async (t) => {
    const path = `${scratch(t)}/queue`
    const queue = open(path)
    const id = await queue.add(Buffer.from('x'))
    const lock = `q = QueueSimple(sys.argv[1])\nprint(q.lock(sys.argv[2]))`
    const mine = await queue.claim(id)
    assert.ok(mine !== null)
    assert.equal(runPython(lock, path, id).trim(), 'False')
    // What a purge of Python's does to an old lock, and somebody who locks then.
    runPython(`os.unlink(sys.argv[1] + '/' + sys.argv[2] + '.lck')`, path, id)
    assert.equal(runPython(lock, path, id).trim(), 'True')
    assert.equal(await queue.claim(id), null)
    await assert.rejects(mine.remove(), (error) => isSsmError(error, 'lock-lost'))
    await mine.release()
    assert.equal(await queue.claim(id), null, 'the release of a lost claim leaves the other’s lock')
    assert.equal(await queue.count(), 1)
  },
)
