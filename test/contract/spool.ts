/**
 * What every spool must do, whatever lies on disk. Each implementation runs this suite.
 */
import { mkdirSync } from 'node:fs'
import { mock, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { isSsmError } from '../../src/errors.js'
import type { Claim, Spool } from '../../src/spool/port.js'
import { scratch } from '../kit/scratch.js'

export interface SpoolUnderTest<T> {
  /** A spool on that path, as another process would open it. */
  open(path: string): Spool<T>
  /** A distinguishable item, and its number back. */
  item(number: number): T
  numberOf(item: T): number
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

async function claimed<T>(spool: Spool<T>, id: string): Promise<Claim<T>> {
  const claim = await spool.claim(id)
  assert.ok(claim !== null, `${id} could not be claimed`)
  return claim
}

export function spoolContract<T>(name: string, subject: SpoolUnderTest<T>): void {
  const fresh = (t: TestContext): { spool: Spool<T>; path: string } => {
    const path = `${scratch(t)}/spool`
    mkdirSync(path)
    return { spool: subject.open(path), path }
  }

  describe(`${name}: the contract of a spool`, () => {
    test('what is added can be listed, claimed, read and removed', async (t) => {
      const { spool } = fresh(t)
      const id = await spool.add(subject.item(7))
      assert.equal(await spool.count(), 1)
      assert.deepEqual(await collect(spool.ids()), [id])
      const claim = await claimed(spool, id)
      assert.equal(claim.id, id)
      assert.equal(subject.numberOf(await claim.read()), 7)
      await claim.remove()
      assert.equal(await spool.count(), 0)
      assert.deepEqual(await collect(spool.ids()), [])
      assert.equal(await spool.claim(id), null)
    })

    test('an empty or missing spool lists nothing', async (t) => {
      const { spool, path } = fresh(t)
      assert.deepEqual(await collect(spool.ids()), [])
      const missing = subject.open(`${path}/missing`)
      assert.deepEqual(await collect(missing.ids()), [])
      assert.equal(await missing.count(), 0)
    })

    test('a missing directory is made by add', async (t) => {
      const { path } = fresh(t)
      const spool = subject.open(`${path}/a/b`)
      await spool.add(subject.item(1))
      assert.equal(await spool.count(), 1)
    })

    test('a claimed element is nobody else’s until it is released', async (t) => {
      const { spool, path } = fresh(t)
      const other = subject.open(path)
      const id = await spool.add(subject.item(1))
      const claim = await claimed(spool, id)
      assert.equal(await spool.claim(id), null)
      assert.equal(await other.claim(id), null)
      assert.deepEqual(await collect(other.ids()), [id], 'locked elements are listed')
      await claim.release()
      await claim.release()
      const again = await claimed(other, id)
      await again.remove()
    })

    test('disposing releases, and after remove does nothing', async (t) => {
      const { spool } = fresh(t)
      const id = await spool.add(subject.item(1))
      {
        await using claim = await spool.claim(id)
        assert.ok(claim !== null)
      }
      {
        await using claim = await spool.claim(id)
        assert.ok(claim !== null)
        await claim.remove()
      }
      assert.equal(await spool.count(), 0)
    })

    test('of many claimants one wins', async (t) => {
      const { spool, path } = fresh(t)
      const id = await spool.add(subject.item(1))
      const others = Array.from({ length: 8 }, () => subject.open(path))
      const claims = await Promise.all(others.map((other) => other.claim(id)))
      assert.equal(claims.filter((claim) => claim !== null).length, 1)
    })

    test('a removed element cannot be removed again', async (t) => {
      const { spool } = fresh(t)
      const claim = await claimed(spool, await spool.add(subject.item(1)))
      await claim.remove()
      await assert.rejects(claim.remove(), (error) => isSsmError(error, 'lock-lost'))
    })

    test('oldest first, each once, also while elements are removed', async (t) => {
      const { spool } = fresh(t)
      const added: string[] = []
      for (let number = 0; number < 50; number += 1) added.push(await spool.add(subject.item(number)))
      const seen: number[] = []
      for await (const id of spool.ids()) {
        const claim = await claimed(spool, id)
        seen.push(subject.numberOf(await claim.read()))
        await claim.remove()
      }
      assert.deepEqual(seen, [...added.keys()])
    })

    test('concurrent adds all arrive', async (t) => {
      const { spool, path } = fresh(t)
      const other = subject.open(path)
      const numbers = Array.from({ length: 100 }, (_, number) => number)
      const ids = await Promise.all(
        numbers.map((number) => (number % 2 === 0 ? spool : other).add(subject.item(number))),
      )
      assert.equal(new Set(ids).size, 100)
      const found = await Promise.all(ids.map(async (id) => subject.numberOf(await (await claimed(spool, id)).read())))
      assert.deepEqual(
        found.sort((a, b) => a - b),
        numbers,
      )
    })

    test('producers that come to the same names in the same microsecond do not disturb each other', async (t) => {
      const { spool, path } = fresh(t)
      // A name ends with one of 16 digits, each producer's own: among 20 some share theirs.
      const producers = Array.from({ length: 20 }, () => subject.open(path))
      using clock = stopClock()
      const ids = await Promise.all(producers.map((producer, number) => producer.add(subject.item(number))))
      clock.goOn()
      const found = await Promise.all(ids.map(async (id) => subject.numberOf(await (await claimed(spool, id)).read())))
      assert.deepEqual(
        found.sort((a, b) => a - b),
        [...producers.keys()],
      )
    })

    test('a purge leaves fresh things alone', async (t) => {
      const { spool, path } = fresh(t)
      const id = await spool.add(subject.item(1))
      const claim = await claimed(spool, id)
      assert.deepEqual(await subject.open(path).purge(), { temporary: 0, locks: 0, directories: 0 })
      await claim.remove()
    })

    test('ids that no element can have are nobody’s', async (t) => {
      const { spool } = fresh(t)
      await spool.add(subject.item(1))
      const odd = [
        '',
        '.',
        '..',
        '../x',
        '.ssm',
        '00000000/../../etc',
        '/etc/passwd',
        'x\n',
        '00000000/00000000000000\n',
      ]
      for (const id of odd) assert.equal(await spool.claim(id), null, JSON.stringify(id))
    })
  })
}

/** Names are made from these two. */
function stopClock(): Disposable & { goOn(): void } {
  const [now, monotonic] = [Date.now(), performance.now()]
  const both = [mock.method(Date, 'now', () => now), mock.method(performance, 'now', () => monotonic)]
  const goOn = (): void => {
    for (const one of both) one.mock.restore()
  }
  return { goOn, [Symbol.dispose]: goOn }
}
