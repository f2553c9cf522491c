/** Durable writes, shared fsyncs of directories, careful opens. */
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isSsmError } from '../../src/errors.js'
import { createDisk } from '../../src/os/disk.js'
import { diskError, pathText } from '../../src/os/disk-error.js'
import { createDirectorySync, replaceFile } from '../../src/os/durable.js'
import { readRegularFile } from '../../src/os/safe-open.js'
import { createFaultyDisk } from '../kit/disk.js'
import { scratch } from '../kit/scratch.js'

test('many callers share fsyncs, and each one’s change precedes the fsync it waits for', async (t) => {
  const path = scratch(t)
  const real = createDisk()
  let clock = 0
  const starts: number[] = []
  const held: (() => void)[] = []
  const disk = {
    ...real,
    async fsync(): Promise<void> {
      starts.push((clock += 1))
      await new Promise<void>((resolve) => held.push(resolve))
    },
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const shared = createDirectorySync(disk)
  const changedAt: number[] = []
  const finishedBy: number[] = []
  const change = (): void => {
    const index = changedAt.push((clock += 1)) - 1
    void shared.sync(path).then(() => (finishedBy[index] = starts.length - held.length - 1))
  }
  for (let round = 0; round < 5; round += 1) {
    for (let caller = 0; caller < 10; caller += 1) change()
    await turn()
    for (let caller = 0; caller < 10; caller += 1) change()
    held.shift()?.()
    await turn()
  }
  while (held.length > 0) {
    held.shift()?.()
    await turn()
  }
  assert.equal(finishedBy.length, 100)
  for (const [index, at] of changedAt.entries()) {
    const start = starts[finishedBy[index] ?? -1] ?? 0
    assert.ok(start > at, `change ${index} at ${at} was answered by the fsync of ${start}`)
  }
  assert.ok(starts.length <= 11, `${starts.length} fsyncs for 100 callers`)
})

test('a failed fsync is everybody’s who waited for it, the next one is asked anew', async (t) => {
  const path = scratch(t)
  const disk = createFaultyDisk()
  const shared = createDirectorySync(disk)
  disk.fail('fsync', 'EIO', { times: 1 })
  const results = await Promise.allSettled([shared.sync(path), shared.sync(path)])
  assert.ok(results.every((result) => result.status === 'rejected' && isSsmError(result.reason, 'disk')))
  await shared.sync(path)
})

test('a directory that has vanished counts as durable once its parent is', async (t) => {
  const path = scratch(t)
  const disk = createFaultyDisk()
  await createDirectorySync(disk).sync(`${path}/gone/too`)
  assert.equal(disk.calls.get('fsync'), 1)
})

test('replacing a file is all or nothing', async (t) => {
  const path = `${scratch(t)}/file`
  const disk = createFaultyDisk()
  await replaceFile(disk, path, Buffer.from('old'), 0o600)
  for (const step of ['createFile', 'write', 'fsync', 'rename'] as const) {
    disk.fail(step, 'ENOSPC')
    await assert.rejects(replaceFile(disk, path, Buffer.from('new'), 0o600), (error) => isSsmError(error, 'disk'))
    disk.reset()
    assert.equal(readFileSync(path, 'utf8'), 'old')
    assert.ok(!existsSync(`${path}.new`), step)
  }
  await replaceFile(disk, path, Buffer.from('new'), 0o600)
  assert.equal(readFileSync(path, 'utf8'), 'new')
})

test('only regular files within the limit are read', async (t) => {
  const path = scratch(t)
  const disk = createDisk()
  writeFileSync(`${path}/file`, '12345')
  symlinkSync(`${path}/file`, `${path}/link`)
  mkdirSync(`${path}/folder`)
  assert.equal((await readRegularFile(disk, `${path}/file`, 5))?.bytes.toString(), '12345')
  assert.equal(await readRegularFile(disk, `${path}/missing`, 5), null)
  const damaged = (words: RegExp) => (error: unknown) =>
    isSsmError(error, 'element-damaged') && words.test(error.message)
  await assert.rejects(readRegularFile(disk, `${path}/file`, 4), damaged(/has 5 bytes, the limit is 4/))
  await assert.rejects(readRegularFile(disk, `${path}/link`, 5), damaged(/symbolic link/))
  await assert.rejects(readRegularFile(disk, `${path}/folder`, 5), damaged(/a directory/))
  await assert.rejects(readRegularFile(disk, '/dev/null', 5), damaged(/special file/))
})

test('no descriptor is left open by what fails', async (t) => {
  const path = scratch(t)
  const disk = createFaultyDisk()
  const before = readdirSync('/proc/self/fd').length
  for (const step of ['write', 'fsync', 'rename'] as const) {
    disk.fail(step, 'EIO')
    await assert.rejects(replaceFile(disk, `${path}/x`, Buffer.from('x'), 0o600))
    disk.reset()
  }
  disk.fail('fstat', 'EIO')
  writeFileSync(`${path}/y`, 'y')
  await assert.rejects(readRegularFile(disk, `${path}/y`, 10))
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

test('errors name the path and what to try; names from outside are made harmless', () => {
  const error = diskError(Object.assign(new Error('x'), { code: 'ENOSPC' }), 'write', '/spool/a\u001b[31m\nb')
  assert.equal(error.message, 'cannot write /spool/a\\u001b[31m\\u000ab: the disk is full: make room (ENOSPC)')
  assert.ok(pathText('x'.repeat(1000)).length <= 256)
})
