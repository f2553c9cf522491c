/** Hints: they come soon, they end with close, they never follow a link out. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { setTimeout as after } from 'node:timers/promises'
import { watch } from '../../src/os/watch.js'
import type { WatchOptions } from '../../src/os/watch.js'
import { scratch } from '../kit/scratch.js'

interface Hints {
  count: number
  /** Resolves with true when a hint comes within the time. */
  within(ms: number): Promise<boolean>
}

async function watched(t: TestContext, path: string, options: WatchOptions): Promise<Hints> {
  const hints: Hints = {
    count: 0,
    async within(ms) {
      const before = hints.count
      const end = performance.now() + ms
      while (hints.count === before && performance.now() < end) await after(5)
      return hints.count > before
    },
  }
  const watcher = await watch(path, () => (hints.count += 1), options)
  t.after(() => watcher.close())
  return hints
}

test('a burst is one hint after it has ended', async (t) => {
  const path = scratch(t)
  const hints = await watched(t, path, { debounce: 300 })
  for (let index = 0; index < 20; index += 1) {
    writeFileSync(`${path}/${index}.pem`, 'x')
    await after(10)
  }
  assert.equal(hints.count, 0)
  assert.ok(await hints.within(2000))
  await after(500)
  assert.equal(hints.count, 1)
})

test('links that lead out, and a closed watcher give no hints', async (t) => {
  const home = scratch(t)
  const path = `${home}/certificates`
  mkdirSync(`${home}/foreign`)
  mkdirSync(path)
  symlinkSync(`${home}/foreign`, `${path}/deadbeef`)
  const hints: Hints = await watched(t, path, { debounce: 10 })
  writeFileSync(`${home}/foreign/x`, 'x')
  assert.equal(await hints.within(300), false)
  let late = 0
  const watcher = await watch(path, () => (late += 1), { debounce: 10 })
  await watcher.close()
  writeFileSync(`${path}/x`, 'x')
  await after(200)
  assert.equal(late, 0)
})
