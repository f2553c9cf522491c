/**
 * The very first message of a spool that is not there yet: when `add` resolves, a power cut that takes everything that was
 * not fsynced leaves the message, and so every directory above it.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { MessageDirectory, QueueSimple } from '../../src/index.js'
import { INCOMING, openQueue } from '../../src/library/spool/index.js'
import { createDisk } from '../../src/os/disk.js'
import { makeSpool } from '../../src/spool/foundation.js'
import { watchPower } from '../kit/power.js'
import { scratch } from '../kit/scratch.js'

const body = Buffer.from('a record')

/** Kind → opens a spool; what adds returns the path of the content below it. */
const KINDS: Readonly<Record<string, (path: string) => () => Promise<string>>> = {
  'queue of files': (path) => {
    const queue = new QueueSimple(path)
    return () => queue.add(body)
  },
  'plain directory': (path) => {
    const directory = new MessageDirectory(path)
    return () => directory.add(body)
  },
  'queue with schema': (path) => {
    const queue = openQueue(path, INCOMING)
    return async () => join(await queue.add({ body, signer: '/C=XX/CN=somebody' }), 'body')
  },
}

/** What `work` made durable, after a cut at its end. */
async function afterCut<T>(t: TestContext, work: (place: string) => Promise<T>): Promise<{ place: string; result: T }> {
  const top = scratch(t)
  const place = join(top, 'disk')
  mkdirSync(place)
  const log = watchPower(top, ['disk'])
  try {
    const result = await work(place)
    log.restore(log.note(), () => false)
    return { place, result }
  } finally {
    log.stop()
  }
}

for (const [kind, open] of Object.entries(KINDS)) {
  for (const depth of ['spool', 'a/spool', 'a/b/c/spool']) {
    test(`${kind}, first add, ${depth}`, async (t) => {
      const { place, result } = await afterCut(t, (disk) => open(join(disk, depth))())
      assert.deepEqual(readFileSync(join(place, depth, result)), body)
    })
  }

  test(`${kind}, two first adds at the same time: each is durable when it resolves`, async (t) => {
    const { place, result } = await afterCut(t, async (disk) => {
      const add = open(join(disk, 'a/b'))
      return Promise.race([add(), add()])
    })
    assert.deepEqual(readFileSync(join(place, 'a/b', result)), body)
  })

  test(`${kind}, the spool made a moment ago by a program that was killed`, async (t) => {
    const { place, result } = await afterCut(t, (disk) => {
      mkdirSync(join(disk, 'spool'))
      return open(join(disk, 'spool'))()
    })
    assert.deepEqual(readFileSync(join(place, 'spool', result)), body)
  })
}

test('a spool that vanished and is made again is durable again', async (t) => {
  const { place, result } = await afterCut(t, async (disk) => {
    const queue = new QueueSimple(join(disk, 'a/spool'))
    const first = await queue.add(body)
    for (const path of [first, first.slice(0, 8), '']) rmSync(join(disk, 'a/spool', path), { recursive: true })
    return queue.add(body)
  })
  assert.deepEqual(readFileSync(join(place, 'a/spool', result)), body)
})

test('a receiver’s path, made by itself', async (t) => {
  const { place } = await afterCut(t, (disk) => makeSpool(createDisk(), join(disk, 'var/spool/apel')))
  assert.ok(existsSync(join(place, 'var/spool/apel')))
})

test('the kit can say no: without the fsync of the directory above, the spool is gone', async (t) => {
  const { place } = await afterCut(t, (disk) => {
    mkdirSync(join(disk, 'spool'))
    return Promise.resolve()
  })
  assert.ok(!existsSync(join(place, 'spool')))
})
