/** Hints about a spool: soon, also in directories that come and are replaced; never through a link, never after the end. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { setTimeout as after } from 'node:timers/promises'
import { watchSpoolDirectory, type SpoolWatchOptions } from '../../src/os/watch-spool.js'
import { isIntermediateName } from '../../src/spool/names.js'
import { scratch } from '../kit/scratch.js'

const QUEUE: SpoolWatchOptions = {
  isIntermediate: isIntermediateName,
  ignored: (name) => name === '.ssm' || name.endsWith('.tmp'),
}

interface Hints {
  count: number
  /** A hint comes within the time. */
  within(ms: number, act: () => void): Promise<boolean>
  close(): Promise<void>
}

function watched(t: TestContext, path: string, options: SpoolWatchOptions = QUEUE): Hints {
  const watcher = watchSpoolDirectory(path, () => (hints.count += 1), options)
  const hints: Hints = {
    count: 0,
    async within(ms, act) {
      // What came before is over.
      await after(50)
      const before = hints.count
      const end = performance.now() + ms
      act()
      while (hints.count === before && performance.now() < end) await after(5)
      return hints.count > before
    },
    close: () => watcher.close(),
  }
  t.after(() => watcher.close())
  return hints
}

test('elements in known, new and replaced intermediate directories are hinted at', async (t) => {
  const path = scratch(t)
  mkdirSync(`${path}/00000000`)
  const hints = watched(t, path)
  const write = (name: string) => () => {
    writeFileSync(`${path}/${name}.tmp`, 'x')
    renameSync(`${path}/${name}.tmp`, `${path}/${name}`)
  }
  assert.ok(await hints.within(2000, write('00000000/00000000000000')))
  assert.ok(
    await hints.within(2000, () => {
      mkdirSync(`${path}/00000001`)
    }),
  )
  assert.ok(await hints.within(2000, write('00000001/00000000000001')))
  unlinkSync(`${path}/00000001/00000000000001`)
  rmdirSync(`${path}/00000001`)
  await after(50)
  mkdirSync(`${path}/00000001`)
  assert.ok(await hints.within(2000, write('00000001/00000000000002')))
})

test('an element that is written while its directory is new is not missed', async (t) => {
  const path = scratch(t)
  const hints = watched(t, path)
  for (let n = 0; n < 20; n += 1) {
    const directory = n.toString(16).padStart(8, '0')
    assert.ok(
      await hints.within(2000, () => {
        mkdirSync(`${path}/${directory}`)
        writeFileSync(`${path}/${directory}/00000000000000`, 'x')
      }),
    )
  }
})

test('the first hint comes at once, those behind it together', async (t) => {
  const path = scratch(t)
  mkdirSync(`${path}/00000000`)
  const hints = watched(t, path)
  assert.equal(await hints.within(100, () => { writeFileSync(`${path}/00000000/00000000000000.tmp`, 'x') }), false) // prettier-ignore
  const many = (): void => {
    for (let index = 0; index < 500; index += 1) {
      writeFileSync(`${path}/00000000/${index.toString(16).padStart(14, '0')}`, 'x')
    }
  }
  assert.ok(await hints.within(2000, many))
  await after(200)
  assert.ok(hints.count >= 2 && hints.count <= 20, `${hints.count} hints`)
})

test('ignored names, links that lead out, and a closed watcher give no hints', async (t) => {
  const home = scratch(t)
  const path = `${home}/spool`
  mkdirSync(`${home}/foreign`)
  mkdirSync(`${path}/.ssm`, { recursive: true })
  mkdirSync(`${path}/00000000`)
  symlinkSync(`${home}/foreign`, `${path}/deadbeef`)
  const hints = watched(t, path)
  assert.equal(await hints.within(300, () => { writeFileSync(`${home}/foreign/x`, 'x') }), false) // prettier-ignore
  assert.equal(await hints.within(300, () => { writeFileSync(`${path}/.ssm/claims`, 'x') }), false) // prettier-ignore
  await hints.close()
  assert.equal(await hints.within(300, () => { writeFileSync(`${path}/00000000/x`, 'x') }), false) // prettier-ignore
})

test('a plain directory: its files, not those of its folders', async (t) => {
  const path = scratch(t)
  mkdirSync(`${path}/folder`)
  const hints = watched(t, path, {})
  assert.ok(await hints.within(2000, () => { writeFileSync(`${path}/a record.txt`, 'x') })) // prettier-ignore
  assert.equal(await hints.within(300, () => { writeFileSync(`${path}/folder/x`, 'x') }), false) // prettier-ignore
})

test('a spool that is missing, or goes away, is no trouble, and is watched when it is there again', async (t) => {
  const path = `${scratch(t)}/spool`
  const troubles: unknown[] = []
  const hints = watched(t, path, { ...QUEUE, onTrouble: (error) => troubles.push(error) })
  mkdirSync(`${path}/00000000`, { recursive: true })
  // Tried again every 5 s.
  await after(5500)
  assert.ok(await hints.within(2000, () => { writeFileSync(`${path}/00000000/x`, 'x') })) // prettier-ignore
  rmSync(path, { recursive: true })
  mkdirSync(`${path}/00000000`, { recursive: true })
  await after(5500)
  assert.ok(await hints.within(2000, () => { writeFileSync(`${path}/00000000/y`, 'x') })) // prettier-ignore
  assert.deepEqual(troubles, [])
})
