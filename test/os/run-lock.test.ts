/** One process a path, who it is, and what a killed one leaves. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createDisk } from '../../src/os/disk.js'
import { isGone, parseProcessIdentity, thisProcess } from '../../src/os/process-identity.js'
import type { ProcessIdentity } from '../../src/os/process-identity.js'
import { holderText, takeRunLock } from '../../src/os/run-lock.js'
import type { Holder, RunLock } from '../../src/os/run-lock.js'
import { scratch } from '../kit/scratch.js'

const disk = createDisk()

async function take(directory: string): Promise<RunLock> {
  const result = await takeRunLock({ directory, disk, now: Date.now() })
  assert.ok('lock' in result)
  return result.lock
}

test('a second run is told who holds the lock since when; after release it is free', async (t) => {
  const directory = scratch(t)
  const now = Date.UTC(2026, 0, 2, 3, 4, 5)
  const first = await takeRunLock({ directory, disk, now })
  assert.ok('lock' in first)
  const second = await takeRunLock({ directory, disk, now })
  assert.ok('holder' in second)
  assert.equal(holderText(second.holder), `pid ${process.pid} since 2026-01-02T03:04:05.000Z`)
  await first.lock.release()
  await (await take(directory)).release()
})

test('a release of a lock that was removed by hand is quiet', async (t) => {
  const directory = scratch(t)
  const lock = await take(directory)
  rmSync(`${directory}/lock`, { recursive: true })
  await lock.release()
})

const HOLDER = `
import { createDisk } from '${new URL('../../src/os/disk.js', import.meta.url).href}'
import { takeRunLock } from '${new URL('../../src/os/run-lock.js', import.meta.url).href}'
const result = await takeRunLock({ directory: process.argv[1], disk: createDisk(), now: Date.now() })
console.log('lock' in result ? JSON.stringify(result.lock && 'held') : 'not held')
setInterval(() => {}, 1000)
`

test('the lock of a killed run is no obstacle, that of a living one is', async (t) => {
  const directory = scratch(t)
  const run = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(run.stdout, 'data')
  const living = await takeRunLock({ directory, disk, now: Date.now() })
  assert.ok('holder' in living && living.holder?.pid === run.pid)
  run.kill('SIGKILL')
  await once(run, 'exit')
  await (await take(directory)).release()
})

test('a run that was killed before it left its note is no obstacle', async (t) => {
  const directory = scratch(t)
  mkdirSync(`${directory}/lock`)
  await (await take(directory)).release()
  // Nor is one that found the note of an earlier one that was killed as well.
  writeFileSync(`${directory}/lock.holder`, `${JSON.stringify({ ...thisProcess(), started: '1' })}\n\n`)
  await sleep(20)
  mkdirSync(`${directory}/lock`)
  const lock = await take(directory)
  await lock.release()
  assert.deepEqual(readdirSync(directory), ['lock.holder'])
})

test('a run that has just taken the lock of a dead one, and has not left its note yet, is an obstacle', async (t) => {
  const directory = scratch(t)
  const living = JSON.stringify(thisProcess())
  const dead = JSON.stringify({ ...thisProcess(), started: '1' })
  writeFileSync(`${directory}/lock.holder`, `${dead}\n\n`)
  await sleep(20)
  mkdirSync(`${directory}/lock`)
  const second = takeRunLock({ directory, disk, now: Date.now() })
  await sleep(200)
  writeFileSync(`${directory}/lock.holder`, `${living}\n\n`)
  assert.ok('holder' in (await second))
})

/** A lock of pid 1 in another container, last renewed some seconds ago. */
function lockedElsewhere(directory: string, secondsAgo: number): void {
  const owner = { ...thisProcess(), pid: 1, namespace: 'pid:[1]' }
  mkdirSync(`${directory}/lock`)
  writeFileSync(`${directory}/lock.holder`, `${JSON.stringify(owner)}\n2026-01-02T03:04:05.000Z\n`)
  const renewed = Date.now() / 1000 - secondsAgo
  utimesSync(`${directory}/lock`, renewed, renewed)
}

test('the lock of a run killed in another container is taken over once it is not renewed', async (t) => {
  const directory = scratch(t)
  lockedElsewhere(directory, 19)
  const waits: string[] = []
  const onWait = (holder: Holder): number => waits.push(holderText(holder))
  const result = await takeRunLock({ directory, disk, now: Date.now(), onWait })
  assert.ok('lock' in result)
  assert.deepEqual(waits, ['pid 1 since 2026-01-02T03:04:05.000Z'])
  await result.lock.release()
  assert.deepEqual(readdirSync(directory), ['lock.holder'])
})

test('a run that lives in another container renews its lock, and stays its holder', async (t) => {
  const directory = scratch(t)
  lockedElsewhere(directory, 5)
  const second = takeRunLock({ directory, disk, now: Date.now() })
  await sleep(600)
  utimesSync(`${directory}/lock`, new Date(), new Date())
  const result = await second
  assert.ok('holder' in result && result.holder?.pid === 1)
})

test('gone is what is provably gone', async () => {
  const self = thisProcess()
  const with_ = (change: Partial<ProcessIdentity>): ProcessIdentity => ({ ...self, ...change })
  assert.equal(isGone(self), false)
  assert.equal(isGone(with_({ started: '1' })), true, 'the pid is somebody else’s now')
  assert.equal(isGone(with_({ boot: 'another' })), true, 'booted since')
  assert.equal(isGone(with_({ host: 'another host' })), false)
  assert.equal(isGone(with_({ host: 'another host', boot: 'another' })), false)
  assert.equal(isGone(with_({ namespace: 'pid:[1]', pid: 999_999_999 })), false, 'another container')
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' })
  const pid = child.pid ?? 0
  await once(child, 'exit')
  assert.equal(isGone(with_({ pid })), true)
})

test('an identity is read back, and nothing else is taken for one', () => {
  const self = thisProcess()
  assert.deepEqual(parseProcessIdentity(JSON.stringify(self)), self)
  const odd = ['', '{', 'null', '1', '{}', JSON.stringify({ ...self, pid: -1 }), JSON.stringify({ ...self, pid: '1' })]
  for (const text of odd) assert.equal(parseProcessIdentity(text), undefined, text)
})
