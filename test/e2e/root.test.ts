/**
 * What only root can try out: a spool of somebody else, and a disk that is full.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { need } from '../kit/need.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { elementsLeft, fillOutgoing } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, elementsOf, eventually, freePort, type Site } from '../kit/site.js'

const NOBODY = 65534

function giveAway(path: string): void {
  lchownSync(path, NOBODY, NOBODY)
  for (const name of readdirSync(path, { recursive: true })) lchownSync(join(path, String(name)), NOBODY, NOBODY)
}

/** Files and folders below that are not nobody's. */
function foreign(path: string): string[] {
  return readdirSync(path, { recursive: true })
    .map((name) => join(path, String(name)))
    .filter((file) => statSync(file).uid !== NOBODY)
}

const idsOf = (pid: number | undefined): string[] =>
  readFileSync(`/proc/${pid}/status`, 'utf8')
    .split('\n')
    .filter((line) => /^(?:Uid|Gid|Groups):/.test(line))
    .map((line) => line.replace(/\s+/g, ' ').trim())

test('started as root, both programs become the owner of their spool', { skip: need('root') }, async (t) => {
  const port = await freePort()
  const site = createSite(scratch(t), port)
  chmodSync(site.dir, 0o711)
  const run = join(site.dir, 'run')
  mkdirSync(run)
  chownSync(run, NOBODY, NOBODY)
  site.configure({
    receiver: {
      broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` },
      daemon: { pidfile: join(run, 'ssmreceive.pid') },
    },
  })
  fillOutgoing(site.outgoing, 50, ['ascii', 'utf8'], 500)
  giveAway(site.outgoing)
  giveAway(site.spool)
  assert.equal(statSync(site.pki.other.keyFile).mode & 0o777, 0o600)

  const receiver = site.startReceiver()
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  const nobody = String(NOBODY)
  assert.deepEqual(idsOf(receiver.child.pid), [
    `Uid: ${[nobody, nobody, nobody, nobody].join(' ')}`,
    `Gid: ${[nobody, nobody, nobody, nobody].join(' ')}`,
    `Groups: ${nobody}`,
  ])
  const sent = await site.send()
  assert.equal(sent.code, 0, sent.stdout + sent.stderr + site.log('ssmsend'))
  assert.deepEqual(elementsLeft(site.outgoing), [])
  assert.equal(site.countIncoming(), 50)
  assert.deepEqual(foreign(site.outgoing), [])
  assert.deepEqual(foreign(site.spool), [])

  // What it may no longer read stays as it was.
  receiver.child.kill('SIGHUP')
  await eventually('it refreshed', () => site.log('ssmreceive').includes('Refreshing valid DNs'))
  fillOutgoing(site.outgoing, 5, ['ascii'], 500)
  giveAway(site.outgoing)
  assert.equal((await site.send()).code, 0)
  assert.equal(site.countIncoming(), 55)
  assert.equal((await receiver.stop()).code, 0)
  assert.deepEqual(readdirSync(run), [])
})

test(
  'started as root, a program makes its log as the owner of its directory, and follows no link of his',
  { skip: need('root') },
  async (t) => {
    const site = createSite(scratch(t), await freePort())
    chmodSync(site.dir, 0o711)
    const logs = join(site.dir, 'logs')
    mkdirSync(logs)
    chownSync(logs, NOBODY, NOBODY)
    const logfile = join(logs, 'ssmsend.log')
    site.configure({ sender: { logging: { logfile } } })
    giveAway(site.outgoing)
    assert.equal((await site.send()).code, 0)
    assert.deepEqual(foreign(logs), [])

    // As root ran it before, or the Python program.
    chownSync(logfile, 0, 0)
    assert.equal((await site.send()).code, 0)
    assert.equal(readFileSync(logfile, 'utf8').split('Starting sending SSM').length, 3)

    const precious = join(site.dir, 'precious')
    for (const isThere of [true, false]) {
      rmSync(logfile)
      if (isThere) writeFileSync(precious, 'of root', { mode: 0o600 })
      else rmSync(precious)
      symlinkSync(precious, logfile)
      const refused = await site.send()
      assert.equal(refused.code, 78, refused.stderr)
      assert.match(refused.stderr, /ssmsend\.log cannot be opened: it is a symbolic link to what/)
      if (isThere) assert.equal(readFileSync(precious, 'utf8'), 'of root')
      else assert.ok(!existsSync(precious))
    }
  },
)

/** A file system of 1 MB; unmounted at the end of the test. */
function smallDisk(t: TestContext, path: string): void {
  mkdirSync(path, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { encoding: 'utf8' })
  assert.equal(mounted.status, 0, mounted.stderr)
  t.after(() => spawnSync('umount', ['--lazy', path]))
}

/** Takes out what is in incoming now, as a consumer does; what comes meanwhile stays. */
function consume(site: Site): string[] {
  return elementsOf(join(site.spool, 'incoming')).map((element) => {
    const body = readFileSync(join(element, 'body'), 'utf8')
    rmSync(element, { recursive: true })
    return body
  })
}

test('a full disk: nothing is lost, nothing is rejected', { skip: need('root', 'mount', 'rabbitmq') }, async (t) => {
  await using broker = await startRabbitmq()
  const site = createSite(scratch(t), broker.port)
  smallDisk(t, site.spool)
  // Otherwise it would stop before the disk is full.
  site.configure({ receiver: { messaging: { min_free_space: 0 } } })
  const sent = fillOutgoing(site.outgoing, 200, ['ascii'])
  assert.equal((await site.send()).code, 0)
  const receiver = site.startReceiver()
  const complaint = 'ERROR - Not taking messages for now; nothing is lost, they wait at the broker: '
  await eventually('it is full', () => site.log('ssmreceive').includes(complaint))
  assert.match(site.log('ssmreceive'), /Not taking messages.*(?:ENOSPC|no space|full)/i)
  const got: string[] = []
  await eventually(
    'all arrived',
    () => {
      // There is room again only now and then.
      if (site.countIncoming() > 20 || got.length + site.countIncoming() >= sent.length) got.push(...consume(site))
      return new Set(got).size === sent.length
    },
    60,
  )
  assert.equal((await receiver.stop()).code, 0)
  assert.deepEqual(site.reject(), [])
  assert.deepEqual([...new Set(got)].sort(), sent.map(String).sort())
  t.diagnostic(`${got.length - sent.length} came twice`)
})

const NEED_ROOM = { skip: need('root', 'mount', 'rabbitmq') }
test('a disk with less room than min_free_space: the messages wait at the broker', NEED_ROOM, async (t) => {
  await using broker = await startRabbitmq()
  const site = createSite(scratch(t), broker.port)
  smallDisk(t, site.spool)
  fillOutgoing(site.outgoing, 5, ['ascii'])
  assert.equal((await site.send()).code, 0)
  const refused = site.startReceiver()
  await eventually('it says so', () => site.log('ssmreceive').includes('min_free_space is 64 MiB: make room'))
  assert.equal((await refused.stop()).code, 0)
  assert.equal(site.countIncoming(), 0)
  site.configure({ receiver: { messaging: { min_free_space: '256 KiB' } } })
  const receiver = site.startReceiver()
  await eventually('all arrived', () => site.countIncoming() === 5)
  assert.equal((await receiver.stop()).code, 0)
})
