/** Locks of the simple queue: races, ages, and whose they are. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { isSsmError } from '../../src/errors.js'
import { createDisk } from '../../src/os/disk.js'
import { systemClock } from '../../src/os/clock.js'
import { thisProcess } from '../../src/os/process-identity.js'
import { createClaims } from '../../src/spool/claims.js'
import type { Claim } from '../../src/spool/port.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import type { Outgoing } from '../../src/spool/simple-queue.js'
import { createFaultyDisk } from '../kit/disk.js'
import { startPython } from '../kit/dirq.js'
import { createManualClock } from '../kit/manual-clock.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'

const open = (path: string, disk = createDisk(), clock = systemClock): Outgoing =>
  createSimpleQueue({ path, disk, clock })
const body = Buffer.from('content')
const isLost = (error: unknown): boolean => isSsmError(error, 'lock-lost')

async function claimOf(queue: Outgoing, id: string): Promise<Claim<Uint8Array>> {
  const claim = await queue.claim(id)
  assert.ok(claim !== null)
  return claim
}

/** An element that has waited for `age` seconds. */
async function waiting(path: string, age: number): Promise<string> {
  const id = await open(path).add(body)
  const then = Date.now() / 1000 - age
  utimesSync(`${path}/${id}`, then, then)
  return id
}

test('a purge between any two steps of a lock leaves one owner', async (t: TestContext) => {
  for (const operation of ['lstat', 'touch', 'append', 'link'] as const) {
    const path = `${scratch(t)}/${operation}`
    const id = await waiting(path, 700)
    const disk = createFaultyDisk()
    const owners: string[] = []
    let intruding = false
    disk.before(operation, () => {
      if (intruding) return
      intruding = true
      purgeNow(path)
      if (lockAsOthersDo(path, id)) owners.push('other')
      intruding = false
    })
    const claim = await open(path, disk).claim(id)
    disk.reset()
    purgeNow(path)
    if (claim !== null && existsSync(`${path}/${id}.lck`)) owners.push('us')
    if (owners.includes('other')) assert.equal(claim, null, `${operation}: the other was first`)
    assert.equal(owners.length, 1, `${operation}: ${owners.join(' and ')}`)
  }
})

/** The purge of every implementation, at once: locks older than 600 s. */
function purgeNow(path: string): void {
  for (const directory of readdirSync(path).filter((name) => /^[0-9a-f]{8}$/.test(name))) {
    for (const name of readdirSync(`${path}/${directory}`).filter((each) => each.endsWith('.lck'))) {
      const file = `${path}/${directory}/${name}`
      if (statSync(file).mtimeMs < Date.now() - 600_000) unlinkSync(file)
    }
  }
}

/** The usual order: link, then touch. */
function lockAsOthersDo(path: string, id: string): boolean {
  if (existsSync(`${path}/${id}.lck`)) return false
  linkSync(`${path}/${id}`, `${path}/${id}.lck`)
  utimesSync(`${path}/${id}`, new Date(), new Date())
  return true
}

test('a lock is born young, and an old one is broken by purge', async (t) => {
  const path = `${scratch(t)}/queue`
  const id = await waiting(path, 7000)
  const claim = await claimOf(open(path), id)
  assert.ok(Date.now() - statSync(`${path}/${id}.lck`).mtimeMs < 5000)
  assert.equal((await open(path).purge()).locks, 0)
  const then = Date.now() / 1000 - 601
  utimesSync(`${path}/${id}`, then, then)
  assert.equal((await open(path).purge({ maxLock: 0 })).locks, 0)
  assert.equal((await open(path).purge()).locks, 1)
  await assert.rejects(claim.remove(), isLost)
  await assert.rejects(claim.read(), isLost)
})

test('our own purge never breaks a lock we hold', async (t) => {
  const path = `${scratch(t)}/queue`
  const queue = open(path)
  const claim = await claimOf(queue, await queue.add(body))
  const then = Date.now() / 1000 - 10_000
  const id = claim.id
  utimesSync(`${path}/${id}`, then, then)
  assert.equal((await queue.purge()).locks, 0)
})

test('a claim held for long is refreshed, and stays ours', async (t) => {
  const path = `${scratch(t)}/queue`
  const clock = createManualClock()
  const queue = open(path, createDisk(), clock)
  const claim = await claimOf(queue, await queue.add(body))
  const born = statSync(`${path}/${claim.id}.lck`).mtimeMs
  clock.advance(99_000)
  assert.deepEqual(queue.refresh(), [])
  assert.equal(statSync(`${path}/${claim.id}.lck`).mtimeMs, born)
  clock.advance(2000)
  assert.deepEqual(queue.refresh(), [])
  assert.ok(statSync(`${path}/${claim.id}.lck`).mtimeMs >= born + 100_000)
  clock.advance(101_000)
  unlinkSync(`${path}/${claim.id}.lck`)
  assert.deepEqual(queue.refresh(), [claim.id])
  await assert.rejects(claim.remove(), isLost)
})

test('a run of ours that loses the race does not make the winner lose his lock', async (t) => {
  const path = `${scratch(t)}/queue`
  const winner = open(path)
  const disk = createFaultyDisk()
  const loser = open(path, disk)
  const id = await winner.add(body)
  let claim: Claim<Uint8Array> | null = null
  // The loser has seen no lock, and is about to set the time: now the winner locks.
  const gate = { opened: false }
  disk.before('touch', () => {
    if (gate.opened) return
    gate.opened = true
    void winner.claim(id).then((won) => (claim = won))
  })
  assert.equal(await loser.claim(id), null)
  await systemClock.sleep(1)
  const won = claim as Claim<Uint8Array> | null
  assert.ok(won !== null)
  assert.equal(Buffer.from(await won.read()).toString(), 'content')
  await won.remove()
  assert.equal(await winner.count(), 0)
})

/** A run that has claimed `id` after another of ours, which loses, had seen no lock and before that one sets the time. */
async function raced(path: string, winner: Outgoing, loser: Outgoing, disk: ReturnType<typeof createFaultyDisk>) {
  const id = await winner.add(body)
  const gate = { opened: false }
  disk.before('touch', () => {
    if (gate.opened) return
    gate.opened = true
    void winner.claim(id)
  })
  const born = Date.now()
  assert.equal(await loser.claim(id), null)
  disk.reset()
  assert.ok(existsSync(`${path}/${id}.lck`))
  assert.ok(statSync(`${path}/${id}.lck`).mtimeMs >= born - 1000)
  return id
}

const records = (path: string): string[] => readdirSync(`${path}/.ssm/claims`)

/** Makes the records of all runs but those named look as if their processes were gone. */
function killRuns(path: string, but: readonly string[] = []): void {
  for (const name of records(path).filter((each) => !but.includes(each))) {
    const file = `${path}/.ssm/claims/${name}`
    const [first = '', ...rest] = readFileSync(file, 'utf8').split('\n')
    writeFileSync(file, [JSON.stringify({ ...JSON.parse(first), started: '1' }), ...rest].join('\n'))
  }
}

test('a winner that is killed before it sees the loser’s time does not leave its lock behind', async (t) => {
  const path = `${scratch(t)}/queue`
  const disk = createFaultyDisk()
  const loser = open(path, disk)
  const id = await raced(path, open(path), loser, disk)
  loser.close()
  assert.equal(records(path).length, 2, 'what the loser knows is kept')
  // The loser's process has ended long before the winner's.
  killRuns(path, [records(path).find((name) => !readFileSync(`${path}/.ssm/claims/${name}`, 'utf8').includes('\n-'))!])
  const between = open(path)
  assert.equal(await between.recover(), 0, 'the winner lives')
  assert.equal(await between.claim(id), null)
  between.close()
  killRuns(path)
  const next = open(path)
  assert.equal(await next.recover(), 1)
  await (await claimOf(next, id)).remove()
  next.close()
  assert.deepEqual(records(path), [])
})

test('a loser’s time is no reason to free what a living run has claimed since', async (t) => {
  const path = `${scratch(t)}/queue`
  const disk = createFaultyDisk()
  const loser = open(path, disk)
  const id = await raced(path, open(path), loser, disk)
  killRuns(path)
  // A purge breaks the dead winner's lock; another takes it, and its time is then moved to the same moment.
  const moved = statSync(`${path}/${id}.lck`).mtimeMs
  unlinkSync(`${path}/${id}.lck`)
  const living = open(path)
  await claimOf(living, id)
  utimesSync(`${path}/${id}`, moved / 1000, moved / 1000)
  assert.equal(await open(path).recover(), 0)
  assert.ok(existsSync(`${path}/${id}.lck`))
})

test('a loser’s time is remembered while others are forgotten', async (t) => {
  const path = `${scratch(t)}/queue`
  const disk = createFaultyDisk()
  const [winner, loser] = [open(path), open(path, disk)]
  const id = await raced(path, winner, loser, disk)
  const other = await loser.add(body)
  for (let round = 0; round < 1200; round += 1) await (await claimOf(loser, other)).release()
  const next = open(path)
  killRuns(path)
  assert.equal(await next.recover(), 1)
  assert.ok(!existsSync(`${path}/${id}.lck`))
})

test('a disk that fails during a refresh neither throws nor loses the lock', async (t) => {
  const path = `${scratch(t)}/queue`
  const clock = createManualClock()
  const disk = createFaultyDisk()
  const queue = open(path, disk, clock)
  const claim = await claimOf(queue, await queue.add(body))
  clock.advance(101_000)
  for (const step of ['lstat', 'touch', 'append'] as const) {
    disk.fail(step, 'EIO')
    assert.deepEqual(queue.refresh(), [], step)
    disk.reset()
  }
  // The record could not be written for the last new time: the lock is still ours, for this process knows it.
  assert.deepEqual(queue.refresh(), [])
  await claim.remove()
})

/** A run of ours that claims everything, says so, and waits to be killed. */
const HOLDER = `
import { createDisk } from '${new URL('../../src/os/disk.js', import.meta.url).href}'
import { systemClock as clock } from '${new URL('../../src/os/clock.js', import.meta.url).href}'
import { createSimpleQueue } from '${new URL('../../src/spool/simple-queue.js', import.meta.url).href}'
const queue = createSimpleQueue({ path: process.argv[1], disk: createDisk(), clock })
for await (const id of queue.ids()) await queue.claim(id)
console.log('holding')
setInterval(() => {}, 1000)
`

test(
  'after kill -9 the next run frees exactly our locks, a living run’s and Python’s never',
  { skip: need('python3-dirq') },
  async (t) => {
    const path = `${scratch(t)}/queue`
    const queue = open(path)
    const theirs = await queue.add(Buffer.from('held by Python'))
    const python = startPython(
      `q = QueueSimple(sys.argv[1])\nassert q.lock(sys.argv[2])\nsay('locked')\nsys.stdin.readline()`,
      path,
      theirs,
    )
    assert.equal(await python.line(), 'locked')
    const ids = [await queue.add(body), await queue.add(body)]
    const run = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(run.stdout, 'data')
    assert.equal(await open(path).recover(), 0, 'the run lives')
    for (const id of ids) assert.equal(await queue.claim(id), null)
    // One of them is purged as old and then locked by another: that is not ours any more.
    const third = ids[1] ?? ''
    unlinkSync(`${path}/${third}.lck`)
    assert.ok(lockAsOthersDo(path, third))
    run.kill('SIGKILL')
    await once(run, 'exit')
    const next = open(path)
    assert.equal(await next.recover(), 1)
    assert.equal(await next.recover(), 0)
    const claim = await claimOf(next, ids[0] ?? '')
    await claim.remove()
    assert.equal(await next.claim(third), null)
    assert.equal(await next.claim(theirs), null)
    next.close()
    assert.deepEqual(readdirSync(`${path}/.ssm/claims`), [])
    python.kill()
  },
)

test('locks of Python’s that died wait for their age', { skip: need('python3-dirq') }, async (t) => {
  const path = `${scratch(t)}/queue`
  const queue = open(path)
  const id = await queue.add(body)
  startPython(`QueueSimple(sys.argv[1]).lock(sys.argv[2])\nsay('ok')`, path, id)
  while (!existsSync(`${path}/${id}.lck`)) await systemClock.sleep(10)
  assert.equal(await queue.recover(), 0)
  assert.equal(await queue.claim(id), null)
})

test('the record of claims stays small', async (t) => {
  const path = `${scratch(t)}/queue`
  const queue = open(path)
  const id = await queue.add(body)
  for (let round = 0; round < 5000; round += 1) await (await claimOf(queue, id)).release()
  const record = readdirSync(`${path}/.ssm/claims`)
  assert.equal(record.length, 1)
  assert.ok(statSync(`${path}/.ssm/claims/${record[0] ?? ''}`).size < 100_000)
})

test('a crash between the two unlinks of a removal leaves a lock that the purge takes', async (t) => {
  const path = `${scratch(t)}/queue`
  const queue = open(path)
  const claim = await claimOf(queue, await queue.add(body))
  unlinkSync(`${path}/${claim.id}`)
  const then = Date.now() / 1000 - 700
  utimesSync(`${path}/${claim.id}.lck`, then, then)
  assert.equal(await queue.count(), 0)
  assert.equal((await open(path).purge()).locks, 1)
})

test('purge removes what is stale and only what is a queue’s', async (t) => {
  const path = `${scratch(t)}/queue`
  const old = `${path}/00000000`
  mkdirSync(old, { recursive: true })
  mkdirSync(`${path}/00000001`)
  mkdirSync(`${path}/ffffffff`)
  const names = [
    'abctmp',
    '0000000000lck',
    'x.retry',
    '00000000000000.tmp',
    '00000000000000.lck',
    'x.tmp',
    '00000000000001.tmp',
  ]
  for (const name of names) writeFileSync(`${old}/${name}`, '')
  for (const name of names.slice(0, -1)) utimesSync(`${old}/${name}`, 1, 1)
  assert.deepEqual(await open(path).purge({ maxTemp: 0 }), { temporary: 0, locks: 1, directories: 1 })
  assert.deepEqual(await open(path).purge(), { temporary: 1, locks: 0, directories: 0 })
  assert.deepEqual(readdirSync(old).sort(), ['00000000000001.tmp', '0000000000lck', 'abctmp', 'x.retry', 'x.tmp'])
  assert.ok(existsSync(`${path}/ffffffff`), 'the last directory stays though it is empty')
})

test('a record of claims that was written anew still says what a killed run had locked', async (t) => {
  const path = scratch(t)
  const options = { path, disk: createDisk(), clock: systemClock }
  // Nobody has this start time.
  const killed = createClaims({ ...options, identity: { ...thisProcess(), started: '1' } })
  killed.record('00000000/00000000000000', 1.5)
  for (let n = 0; n < 3000; n += 1) {
    killed.record('00000000/00000000000001', 2 + n)
    killed.forget('00000000/00000000000001')
  }
  const [name] = readdirSync(`${path}/.ssm/claims`)
  assert.ok(statSync(`${path}/.ssm/claims/${name ?? ''}`).size < 80_000, 'it was written anew')
  const asked: string[] = []
  await createClaims(options).recover((id, time) => {
    asked.push(`${id} ${time}`)
    return false
  })
  assert.ok(asked.includes('00000000/00000000000000 1.5'))
})
