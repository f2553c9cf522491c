/** Whoever can write into the spool can neither have our files sent nor foreign ones deleted. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isSsmError } from '../../src/errors.js'
import { createDisk } from '../../src/os/disk.js'
import { systemClock as clock } from '../../src/os/clock.js'
import { createFailed } from '../../src/spool/failed.js'
import { createMessageDirectory } from '../../src/spool/message-directory.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import type { Outgoing } from '../../src/spool/simple-queue.js'
import { collect } from '../contract/spool.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'

const disk = createDisk()
const isDamaged = (error: unknown): boolean => isSsmError(error, 'element-damaged')
const KINDS = ['simple', 'directory'] as const

function open(kind: (typeof KINDS)[number], path: string, maxSize = 1000): Outgoing {
  const options = { path, disk, clock, maxSize }
  return kind === 'simple' ? createSimpleQueue(options) : createMessageDirectory(options)
}

/** The id of the nth odd thing in that kind of spool. */
function idOf(kind: (typeof KINDS)[number], n: number): string {
  const name = `0000000000000${n}`
  return kind === 'simple' ? `00000000/${name}` : name
}

for (const kind of KINDS) {
  test(
    `${kind}: links, FIFOs and oversized files are refused unread and moved out of the way`,
    { skip: need('python3') },
    async (t) => {
      const home = scratch(t)
      const path = `${home}/spool`
      mkdirSync(`${path}/00000000`, { recursive: true })
      writeFileSync(`${home}/secret`, 'host key')
      const [link, fifo, large] = [idOf(kind, 1), idOf(kind, 2), idOf(kind, 3)]
      symlinkSync(`${home}/secret`, `${path}/${link}`)
      spawnSync('mkfifo', [`${path}/${fifo}`])
      writeFileSync(`${path}/${large}`, Buffer.alloc(1001))
      const spool = open(kind, path)
      const failed = createFailed({ path, disk, clock })
      for (const id of [link, fifo, large]) {
        const claim = await spool.claim(id)
        assert.ok(claim !== null, id)
        await assert.rejects(claim.read(), isDamaged, id)
        await failed.setAside(claim, `damaged ${id}`)
        assert.ok(!existsSync(`${path}/${id}`), id)
      }
      assert.ok(existsSync(`${home}/secret`))
      const away = readdirSync(`${path}/.ssm/damaged`).map((name) => lstatSync(`${path}/.ssm/damaged/${name}`))
      assert.deepEqual([away.length, away.filter((stats) => stats.isFile()).map(({ size }) => size)], [3, [1001]])
      assert.deepEqual(
        readdirSync(kind === 'simple' ? `${path}/00000000` : `${path}/.ssm/locks`).filter(
          (name) => name !== '00000000',
        ),
        [],
        'no lock is left',
      )
      const notes = await collect(failed.queue.ids())
      assert.equal(notes.length, 3)
      const claim = await failed.queue.claim(notes[0] ?? '')
      const note = await claim?.read()
      assert.equal(note?.error, `damaged ${link}`)
      assert.equal(note.body, undefined)
    },
  )

  test(`${kind}: an element swapped for a link after the claim is not followed`, async (t) => {
    const home = scratch(t)
    const path = `${home}/spool`
    writeFileSync(`${home}/secret`, 'host key')
    const spool = open(kind, path)
    const id = await spool.add(Buffer.from('good'))
    const claim = await spool.claim(id)
    assert.ok(claim !== null)
    renameSync(`${path}/${id}`, `${path}/${id}.away`)
    symlinkSync(`${home}/secret`, `${path}/${id}`)
    const read = await claim.read().catch((error: unknown) => error)
    if (read instanceof Uint8Array) assert.equal(Buffer.from(read).toString(), 'good')
    else assert.ok(isSsmError(read, 'element-damaged', 'lock-lost'))
    await claim.release()
    assert.ok(existsSync(`${home}/secret`))
  })
}

test('simple: a folder that is a link is not entered by listing, counting, claiming or purging', async (t) => {
  const home = scratch(t)
  const path = `${home}/spool`
  const foreign = `${home}/foreign`
  mkdirSync(path)
  mkdirSync(foreign)
  for (const name of ['00000000000000', '00000000000000.lck', '00000000000001.tmp']) {
    writeFileSync(`${foreign}/${name}`, 'theirs')
    utimesSync(`${foreign}/${name}`, 1, 1)
  }
  symlinkSync(foreign, `${path}/deadbeef`)
  const queue = open('simple', path)
  await queue.add(Buffer.from('x'))
  assert.equal(await queue.count(), 1)
  assert.equal((await collect(queue.ids())).length, 1)
  assert.equal(await queue.claim('deadbeef/00000000000000'), null)
  await queue.purge()
  assert.equal(readdirSync(foreign).length, 3)
})

test('simple: a folder swapped for a link during the run', async (t) => {
  const home = scratch(t)
  const path = `${home}/spool`
  const queue = open('simple', path)
  const id = await queue.add(Buffer.from('x'))
  const claim = await queue.claim(id)
  assert.ok(claim !== null)
  const [directory = '', name = ''] = id.split('/')
  renameSync(`${path}/${directory}`, `${home}/away`)
  mkdirSync(`${home}/foreign`)
  writeFileSync(`${home}/foreign/${name}`, 'theirs')
  writeFileSync(`${home}/foreign/${name}.lck`, 'theirs')
  symlinkSync(`${home}/foreign`, `${path}/${directory}`)
  await assert.rejects(claim.read(), (error) => isSsmError(error, 'lock-lost'))
  await assert.rejects(claim.remove(), (error) => isSsmError(error, 'lock-lost'))
  await claim.release()
  assert.equal(readdirSync(`${home}/foreign`).length, 2)
})

test('a directory with an element’s name is moved away as a whole', async (t) => {
  const path = `${scratch(t)}/spool`
  mkdirSync(`${path}/00000000/00000000000000/inner`, { recursive: true })
  const queue = open('simple', path)
  const claim = await queue.claim('00000000/00000000000000')
  assert.ok(claim !== null)
  await assert.rejects(claim.read(), isDamaged)
  await claim.remove()
  assert.equal(await queue.count(), 0)
  assert.equal(readdirSync(`${path}/.ssm/damaged`).length, 1)
})

test('a hard link to a file of another user is refused', { skip: need('root') }, async (t) => {
  const home = scratch(t)
  const path = `${home}/spool`
  mkdirSync(`${path}/00000000`, { recursive: true })
  writeFileSync(`${home}/secret`, 'host key', { mode: 0o600 })
  chownSync(`${path}/00000000`, 65534, 65534)
  linkSync(`${home}/secret`, `${path}/00000000/00000000000000`)
  const queue = open('simple', path)
  const claim = await queue.claim('00000000/00000000000000')
  await assert.rejects(claim?.read() ?? Promise.resolve(), isDamaged)
  // A producer killed between link and unlink leaves two names too, both in the queue: that is a good element.
  writeFileSync(`${path}/00000000/00000000000001`, 'good')
  linkSync(`${path}/00000000/00000000000001`, `${path}/00000000/00000000000002.tmp`)
  const good = await queue.claim('00000000/00000000000001')
  assert.equal(Buffer.from((await good?.read()) ?? []).toString(), 'good')
})

test('schema: links in place of folders, elements, fields and stages lead nowhere', async (t) => {
  const home = scratch(t)
  const path = `${home}/queue`
  const queue = createSchemaQueue({ path, disk, clock, schema: { body: 'binary' } })
  const id = await queue.add({ body: Buffer.from('x') })
  mkdirSync(`${home}/foreign/00000000000000`, { recursive: true })
  writeFileSync(`${home}/foreign/00000000000000/body`, 'secret')
  symlinkSync(`${home}/foreign`, `${path}/deadbeef`)
  symlinkSync(`${home}/foreign/00000000000000`, `${path}/${id.slice(0, 8)}/00000000000001`)
  symlinkSync(`${home}/foreign`, `${path}/temporary/00000000000000`)
  assert.equal(await queue.claim('deadbeef/00000000000000'), null)
  assert.equal(await queue.claim(`${id.slice(0, 8)}/00000000000001`), null)
  await queue.purge({ maxTemp: 1e-9, maxLock: 1e-9 })
  assert.deepEqual(readdirSync(`${home}/foreign/00000000000000`), ['body'])
  renameSync(`${path}/${id}/body`, `${home}/body`)
  symlinkSync(`${home}/foreign/00000000000000/body`, `${path}/${id}/body`)
  const claim = await queue.claim(id)
  await assert.rejects(claim?.read() ?? Promise.resolve(), isDamaged)
})

test('.ssm that is a link, somebody else’s or writable by others is refused with a sentence', async (t) => {
  const home = scratch(t)
  const path = `${home}/spool`
  mkdirSync(path)
  mkdirSync(`${home}/elsewhere`)
  symlinkSync(`${home}/elsewhere`, `${path}/.ssm`)
  const refused = (words: RegExp) => (error: unknown) => isSsmError(error, 'configuration') && words.test(error.message)
  const queue = open('simple', path)
  await assert.rejects(queue.recover(), refused(/\.ssm is a symbolic link/))
  const other = `${home}/other`
  mkdirSync(`${other}/.ssm`, { recursive: true })
  chmodSync(`${other}/.ssm`, 0o777)
  await assert.rejects(open('simple', other).recover(), refused(/may be written by others/))
  if (process.getuid?.() !== 0) return
  chmodSync(`${other}/.ssm`, 0o700)
  chownSync(`${other}/.ssm`, 65534, 65534)
  await assert.rejects(open('simple', other).recover(), refused(/belongs to user 65534/))
})
