/** A disk that is full, read-only, failing or not ours: one attempt, the path and what to do; nothing half-done is visible. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { isSsmError } from '../../src/errors.js'
import { createDisk } from '../../src/os/disk.js'
import type { Disk } from '../../src/os/disk.js'
import { systemClock as clock } from '../../src/os/clock.js'
import { thisProcess } from '../../src/os/process-identity.js'
import { readClaimRecord } from '../../src/spool/claim-record.js'
import type { Spool } from '../../src/spool/port.js'
import { createMessageDirectory } from '../../src/spool/message-directory.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { createFaultyDisk, systemError } from '../kit/disk.js'
import type { Operation } from '../kit/disk.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { collect } from '../contract/spool.js'

type Adding = Pick<Spool<never>, 'count' | 'purge'> & { add(bytes: Uint8Array): Promise<string> }

const SPOOLS: Readonly<Record<string, (path: string, disk: Disk) => Adding>> = {
  simple: (path, disk) => createSimpleQueue({ path, disk, clock }),
  directory: (path, disk) => createMessageDirectory({ path, disk, clock }),
  schema: (path, disk) => {
    const queue = createSchemaQueue({ path, disk, clock, schema: { body: 'binary', signer: 'string' } })
    return {
      add: (body) => queue.add({ body, signer: '/CN=x' }),
      count: () => queue.count(),
      purge: (limits) => queue.purge(limits),
    }
  },
}

const isDisk =
  (words: RegExp) =>
  (error: unknown): boolean =>
    isSsmError(error, 'disk') && words.test(error.message)

/** All files below. */
function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => entry.name)
}

const CODES: Readonly<Record<string, RegExp>> = {
  ENOSPC: /disk is full/,
  EDQUOT: /quota/,
  EROFS: /read-only/,
  EACCES: /permission denied/,
  EMFILE: /too many open files/,
  EIO: /disk reports an error/,
}

for (const [name, open] of Object.entries(SPOOLS)) {
  test(`${name}: each failing step of add is told once, in words, and leaves nothing behind`, async (t) => {
    const steps: readonly Operation[] = ['createFile', 'write', 'fsync', name === 'schema' ? 'rename' : 'link']
    for (const step of steps) {
      for (const [code, words] of Object.entries(CODES)) {
        const path = `${scratch(t)}/spool`
        const disk = createFaultyDisk()
        const spool = open(path, disk)
        await spool.add(Buffer.from('first'))
        const before = disk.calls.get(step) ?? 0
        disk.fail(step, code)
        await assert.rejects(spool.add(Buffer.from('second')), isDisk(words), `${step} ${code}`)
        const expected = name === 'schema' && step !== 'rename' ? 4 : 2
        assert.ok((disk.calls.get(step) ?? 0) - before <= expected, `${step} ${code}: within one attempt`)
        disk.reset()
        assert.equal(await spool.count(), 1, `${step} ${code}`)
        if (step !== 'rename') assert.equal(filesBelow(path).length, name === 'schema' ? 2 : 1, `${step} ${code}`)
        await spool.add(Buffer.from('third'))
        assert.equal(await spool.count(), 2)
      }
    }
  })

  test(`${name}: a directory whose fsync fails is an add that failed`, async (t) => {
    const disk = createFaultyDisk()
    const spool = open(`${scratch(t)}/spool`, disk)
    let syncs = 0
    // The file's own fsyncs pass; the first one after the element is visible is the directory's.
    let visible = false
    disk.before(name === 'schema' ? 'rename' : 'link', () => (visible = true))
    disk.before('fsync', () => {
      if (!visible) return
      syncs += 1
      throw Object.assign(new Error('EIO'), { code: 'EIO' })
    })
    await assert.rejects(spool.add(Buffer.from('x')), isDisk(/fsync the directory/))
    assert.ok(syncs > 0)
  })

  test(`${name}: short writes are continued`, async (t) => {
    const path = `${scratch(t)}/spool`
    const disk = createFaultyDisk()
    disk.shortWrites(3)
    const spool = open(path, disk)
    await spool.add(Buffer.from('0123456789'))
    const sizes = readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'signer')
      .map((entry) => statSync(`${entry.parentPath}/${entry.name}`).size)
    assert.deepEqual(sizes, [10])
  })

  test(`${name}: directories that vanish all the time end in an error, not in a loop`, async (t) => {
    const path = `${scratch(t)}/spool`
    const disk = createFaultyDisk()
    const spool = open(path, disk)
    await spool.add(Buffer.from('x'))
    disk.fail(name === 'simple' ? 'createFile' : name === 'schema' ? 'rename' : 'createFile', 'ENOENT')
    await assert.rejects(spool.add(Buffer.from('x')), isDisk(/vanish|does not exist/))
  })

  test(`${name}: a full disk, a real one`, { skip: need('root') }, async (t) => {
    const path = mountTmpfs(t)
    const spool = open(`${path}/spool`, createDisk())
    let added = 0
    await assert.rejects(
      async () => {
        for (; added < 100; added += 1) await spool.add(Buffer.alloc(50_000))
      },
      isDisk(/disk is full/),
    )
    assert.ok(added > 10)
    assert.equal(await spool.count(), added)
    // Room again: it goes on by itself.
    rmSync(`${path}/ballast`)
    await spool.add(Buffer.alloc(50_000))
    assert.equal(await spool.count(), added + 1)
  })

  test(`${name}: a read-only file system`, { skip: need('root') }, async (t) => {
    const path = mountTmpfs(t)
    const spool = open(`${path}/spool`, createDisk())
    await spool.add(Buffer.from('x'))
    assert.equal(spawnSync('mount', ['-o', 'remount,ro', path]).status, 0)
    await assert.rejects(spool.add(Buffer.from('x')), isDisk(/read-only/))
    assert.equal(await spool.count(), 1)
  })
}

/** A file system of 1 MB with a quarter of it taken. */
function mountTmpfs(t: TestContext): string {
  const path = `${scratch(t)}/small`
  mkdirSync(path)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path])
  assert.equal(mounted.status, 0, `mount: ${mounted.stderr.toString()}`)
  t.after(() => spawnSync('umount', [path]))
  writeFileSync(`${path}/ballast`, Buffer.alloc(262_144))
  return path
}

test('claiming and removing tell disk errors too', async (t) => {
  const path = `${scratch(t)}/spool`
  const disk = createFaultyDisk()
  const queue = createSimpleQueue({ path, disk, clock })
  const id = await queue.add(Buffer.from('x'))
  for (const step of ['lstat', 'touch', 'link', 'append'] as const) {
    disk.fail(step, 'EROFS')
    await assert.rejects(queue.claim(id), isDisk(/read-only/), step)
    disk.reset()
  }
  const claim = await queue.claim(id)
  assert.ok(claim !== null)
  disk.fail('unlink', 'EACCES')
  await assert.rejects(claim.remove(), isDisk(/permission denied/))
  disk.reset()
  await claim.release()
  const again = await queue.claim(id)
  assert.ok(again !== null, 'the element is still there and free')
  disk.fail('fsync', 'EIO')
  await assert.rejects(again.remove(), isDisk(/fsync/))
})

test('a record of claims that cannot be written uses up no descriptors, and is whole when it can again', async (t) => {
  const path = `${scratch(t)}/spool`
  const real = createDisk()
  let room = 0
  const disk: Disk = {
    ...real,
    append(fd, line) {
      if (room >= line.length) {
        real.append(fd, line)
        return
      }
      real.append(fd, line.slice(0, room))
      throw systemError('ENOSPC')
    },
  }
  const queue = createSimpleQueue({ path, disk, clock })
  const ids = [await queue.add(Buffer.from('x')), await queue.add(Buffer.from('y'))]
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const before = descriptors()
  for (let n = 0; n < 50; n += 1) await assert.rejects(queue.claim(ids[0]!), isDisk(/disk is full/))
  assert.ok(descriptors() < before + 10)
  room = Number.POSITIVE_INFINITY
  await using first = await queue.claim(ids[0]!)
  room = 12
  await assert.rejects(queue.claim(ids[1]!), isDisk(/disk is full/))
  room = Number.POSITIVE_INFINITY
  await using second = await queue.claim(ids[1]!)
  assert.ok(first !== null && second !== null)
  const [name] = readdirSync(`${path}/.ssm/claims`)
  const record = await readClaimRecord(real, `${path}/.ssm/claims/${name ?? ''}`)
  assert.deepEqual(record?.holder, thisProcess())
  const recorded = record.lines.filter(
    ({ id, mtimeMs }) => statSync(`${path}/${id}.lck`, { throwIfNoEntry: false })?.mtimeMs === mtimeMs,
  )
  assert.deepEqual([...new Set(recorded.map(({ id }) => id))], ids)
})

const CLAIM_STEPS: readonly Operation[] = [
  ...([
    'lstat',
    'fstat',
    'open',
    'close',
    'read',
    'append',
    'touch',
    'link',
    'rename',
    'unlink',
    'removeFile',
  ] as const),
  ...(['fsync', 'openDirectory'] as const),
]

for (const [name, create] of Object.entries({ simple: createSimpleQueue, directory: createMessageDirectory })) {
  test(`${name}: whichever step of a claim fails, what is still there is free afterwards`, async (t) => {
    const path = `${scratch(t)}/spool`
    const disk = createFaultyDisk()
    const spool = create({ path, disk, clock })
    let failed = ''
    for (let n = 1; n === 1 || failed !== ''; n += 1) {
      const id = await spool.add(Buffer.from('x'))
      let left = n
      failed = ''
      for (const step of CLAIM_STEPS) {
        disk.before(step, (at) => {
          left -= 1
          if (left !== 0) return
          failed = `${step} ${at}`
          throw systemError('ENOSPC')
        })
      }
      try {
        await using claim = await spool.claim(id)
        await claim?.read()
        await claim?.remove()
        assert.equal(spool.has(id), false)
      } catch (error) {
        if (failed === '') throw error
      }
      disk.reset()
      if (!spool.has(id)) continue
      const again = await spool.claim(id)
      assert.ok(again !== null, `locked after ${failed}`)
      await again.remove()
    }
  })
}

test('directories that vanish while they are listed are empty', async (t) => {
  const path = `${scratch(t)}/spool`
  const disk = createFaultyDisk()
  const queue = createSimpleQueue({ path, disk, clock })
  const id = await queue.add(Buffer.from('x'))
  disk.before('openDirectory', (at) => {
    if (at.endsWith(id.slice(0, 8))) rmSync(at, { recursive: true, force: true })
  })
  assert.deepEqual(await collect(queue.ids()), [])
  assert.equal(await queue.count(), 0)
  await queue.purge()
})

/** A program of ours as another user: prints what became of it. */
const AS_NOBODY = `
import { createDisk } from '${new URL('../../src/os/disk.js', import.meta.url).href}'
import { systemClock as clock } from '${new URL('../../src/os/clock.js', import.meta.url).href}'
import { createSimpleQueue } from '${new URL('../../src/spool/simple-queue.js', import.meta.url).href}'
const queue = createSimpleQueue({ path: process.argv[1], disk: createDisk(), clock })
try {
  const claim = await queue.claim(process.argv[2])
  if (claim === null) console.log('null')
  else {
    console.log(Buffer.from(await claim.read()).toString())
    await claim.remove()
  }
} catch (error) { console.log(error.code + ': ' + error.message) }
`

function asNobody(path: string, id: string): string {
  const who = ['--reuid=65534', '--regid=65534', '--clear-groups']
  const run = spawnSync('setpriv', [...who, process.execPath, '--input-type=module', '-e', AS_NOBODY, path, id])
  return run.stdout.toString() + run.stderr.toString()
}

test(
  'another user’s element: locked and removed with the right to write, explained without',
  { skip: need('root') },
  async (t) => {
    const home = scratch(t)
    chmodSync(home, 0o755)
    const path = `${home}/spool`
    mkdirSync(path)
    chownSync(path, 65534, 65534)
    const queue = createSimpleQueue({ path, disk: createDisk(), clock })
    const [open, closed] = [await queue.add(Buffer.from('open')), await queue.add(Buffer.from('closed'))]
    chmodSync(`${path}/${open.slice(0, 8)}`, 0o777)
    chmodSync(`${path}/${closed.slice(0, 8)}`, 0o777)
    chmodSync(`${path}/${open}`, 0o666)
    assert.equal(asNobody(path, open).trim(), 'open')
    assert.match(
      asNobody(path, closed),
      /^disk: cannot lock .*it belongs to user 0 \(mode 644\) and we are user 65534.*protected_hardlinks/,
    )
    assert.equal(await queue.count(), 1)
  },
)
