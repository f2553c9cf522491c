/** The archive of what was sent: copies before the broker is asked, confirmed afterwards, settled after a kill. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { createDisk, type Disk } from '../../src/os/disk.js'
import { thisProcess } from '../../src/os/process-identity.js'
import { createSent, dayOf, idOfCopy, sentDays, sentOn } from '../../src/spool/sent.js'
import { createFaultyDisk } from '../kit/disk.js'
import { createManualClock, type ManualClock } from '../kit/manual-clock.js'
import { scratch } from '../kit/scratch.js'

const DAY = 86_400_000
const NOON = Date.parse('2026-03-01T12:00:00Z')
const ID = '69a42b40/69a42b40123456'
const body = Buffer.from('a record\n')
/** Nobody has this start time. */
const dead = { ...thisProcess(), started: '1' }

function open(
  path: string,
  clock: ManualClock = createManualClock(NOON),
  disk: Disk = createDisk(),
  identity = thisProcess(),
) {
  return createSent({ path, disk, clock, identity })
}

const unconfirmed = (path: string): string[] =>
  readdirSync(`${path}/.ssm/sent/unconfirmed`).flatMap((run) =>
    readdirSync(`${path}/.ssm/sent/unconfirmed/${run}`).filter((name) => name !== 'owner'),
  )

async function archive(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const day of await sentDays(createDisk(), path)) {
    for (const { name, file } of await sentOn(createDisk(), path, day)) {
      found[`${day} ${idOfCopy(name) ?? '?'}`] = readFileSync(file, 'utf8')
    }
  }
  return found
}

test('a copy is durable before it is asked for, and appears when it is confirmed, on the day of the receipt', async (t) => {
  const path = scratch(t)
  const clock = createManualClock(NOON)
  const disk = createFaultyDisk()
  const sent = open(path, clock, disk)
  const kept = await sent.keep(ID, body)
  assert.ok((disk.calls.get('fsync') ?? 0) >= 2, 'file and folder')
  assert.deepEqual([await archive(path), unconfirmed(path).length], [{}, 1])
  clock.advance(DAY)
  kept.confirm()
  kept.drop()
  assert.deepEqual(await archive(path), { [`2026-03-02 ${ID}`]: 'a record\n' })
  const [copy] = await sentOn(createDisk(), path, '2026-03-02')
  assert.equal(statSync(copy!.file).mode & 0o777, 0o600)
  assert.equal(statSync(`${path}/.ssm/sent/2026-03-02`).mode & 0o777, 0o700)
  await sent.close()
  assert.deepEqual(readdirSync(`${path}/.ssm/sent/unconfirmed`), [])
})

test('what was not sent leaves no copy, and can be kept again', async (t) => {
  const path = scratch(t)
  const sent = open(path)
  for (let round = 0; round < 3; round += 1) (await sent.keep(ID, body)).drop()
  assert.deepEqual([await archive(path), unconfirmed(path)], [{}, []])
  ;(await sent.keep(ID, body)).confirm()
  assert.equal(Object.keys(await archive(path)).length, 1)
})

test('names of a plain directory repeat: each copy stays; a long one is kept without its id', async (t) => {
  const path = scratch(t)
  const sent = open(path)
  for (const text of ['one', 'two']) (await sent.keep('report%20a.txt', Buffer.from(text))).confirm()
  ;(await sent.keep('%FF'.repeat(200), Buffer.from('three'))).confirm()
  const copies = await sentOn(createDisk(), path, dayOf(NOON))
  assert.deepEqual(copies.map(({ name }) => idOfCopy(name)), ['report%20a.txt', 'report%20a.txt', undefined]) // prettier-ignore
  assert.deepEqual(copies.map(({ file }) => readFileSync(file, 'utf8')), ['one', 'two', 'three']) // prettier-ignore
})

test('copies of a killed run: of what still waits they go, of what is gone they are confirmed', async (t) => {
  const path = scratch(t)
  const killed = open(path, createManualClock(NOON), createDisk(), dead)
  await killed.keep(ID, body)
  await killed.keep('69a42b40/69a42b40654321', body)
  const living = open(path)
  await living.keep('69a42b40/69a42b40999999', body)
  const next = open(path)
  assert.equal(await next.recover((id) => id === ID), 1)
  assert.deepEqual(Object.keys(await archive(path)).map((line) => line.slice(11)), ['69a42b40/69a42b40654321']) // prettier-ignore
  assert.deepEqual(unconfirmed(path), ['69a42b40-69a42b40999999'], 'a living run is left alone')
  assert.equal(await next.recover(() => false), 0)
})

test('a copy that was being written when its run died is no copy', async (t) => {
  const path = scratch(t)
  const disk = createFaultyDisk()
  const killed = open(path, createManualClock(NOON), disk, dead)
  await killed.keep(ID, body)
  disk.before('rename', (from) => {
    if (from.endsWith('.new') && from.includes('654321')) throw new Error('killed here')
  })
  disk.fail('unlink', 'EIO')
  await assert.rejects(killed.keep('69a42b40/69a42b40654321', body), (error) => isSsmError(error, 'disk'))
  assert.equal(await open(path).recover(() => false), 1)
  assert.deepEqual([Object.keys(await archive(path)).length, unconfirmed(path)], [1, []])
})

test('old days go by age, whole days only, and nothing else does', async (t) => {
  const path = scratch(t)
  const clock = createManualClock(NOON)
  const sent = open(path, clock)
  for (let day = 0; day < 5; day += 1) {
    ;(await sent.keep(ID, body)).confirm()
    clock.advance(DAY)
  }
  mkdirSync(`${path}/.ssm/sent/notes`)
  mkdirSync(`${path}/elsewhere`)
  symlinkSync(`${path}/elsewhere`, `${path}/.ssm/sent/2020-01-01`)
  // It is noon of the sixth: the second day ended 3.5 days ago.
  assert.equal(await sent.purge(3 * DAY), 2)
  assert.deepEqual(await sentDays(createDisk(), path), ['2026-03-03', '2026-03-04', '2026-03-05'])
  assert.ok(existsSync(`${path}/elsewhere`) && existsSync(`${path}/.ssm/sent/notes`))
  // A clock that was put back drops nothing.
  clock.step(-30 * DAY)
  assert.equal(await sent.purge(3 * DAY), 0)
})

test('each failing step of keeping is told, leaves nothing, and the next attempt works', async (t) => {
  for (const operation of ['createFile', 'write', 'fsync', 'rename', 'mkdir'] as const) {
    const path = `${scratch(t)}/${operation}`
    const disk = createFaultyDisk()
    const sent = open(path, createManualClock(NOON), disk)
    disk.fail(operation, 'ENOSPC', { times: 1 })
    await assert.rejects(sent.keep(ID, body), (error) => isSsmError(error, 'disk'), operation)
    ;(await sent.keep(ID, body)).confirm()
    assert.equal(Object.keys(await archive(path)).length, 1, operation)
  }
})

test('a copy that cannot be confirmed is told, and stays for the next run', async (t) => {
  const path = scratch(t)
  const disk = createFaultyDisk()
  const told: string[] = []
  const onTrouble = (error: Error): void => void told.push(error.message)
  const sent = createSent({ path, disk, clock: createManualClock(NOON), onTrouble, identity: dead })
  const kept = await sent.keep(ID, body)
  disk.fail('rename', 'EROFS')
  kept.confirm()
  assert.match(told.join(), /read-only/)
  await sent.close()
  assert.equal(await open(path).recover(() => false), 1)
})
