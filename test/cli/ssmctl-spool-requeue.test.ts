/** `ssmctl spool requeue` with the real programs: rejects after a DN was added. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../src/os/clock.js'
import { createDisk } from '../../src/os/disk.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Running, type Sections, type Site } from '../kit/site.js'
import { ssmctl, type CtlRun } from '../kit/ssmctl.js'
import { treeOf } from '../kit/tree.js'

interface Scene {
  readonly site: Site
  readonly receiver: Running
  readonly requeue: (...args: readonly string[]) => Promise<CtlRun>
}

/** Three messages were rejected, because their signer is not in the list; since then it is. */
async function createScene(t: TestContext, receiver: Sections = {}): Promise<Scene> {
  const port = await freePort()
  const site = createSite(scratch(t), port)
  const listen = { broker: { listen: `127.0.0.1:${port}`, host: undefined, port: undefined }, ...receiver }
  site.configure({ receiver: listen })
  site.allow(site.pki.other)
  const running = site.startReceiver()
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  for (const n of [1, 2, 3]) await ssmctl(['spool', 'add', site.outgoing], { input: `record ${n}\n` })
  assert.equal((await site.send()).code, 0)
  assert.equal(site.reject().length, 3)
  site.allow(site.pki.host)
  return {
    site,
    receiver: running,
    requeue: (...args) =>
      ssmctl(['spool', 'requeue', site.spool, '-c', site.receiverCfg, '-d', site.dns, ...args], { timeout: 60_000 }),
  }
}

const lines = ({ stdout }: CtlRun): readonly (readonly string[])[] =>
  stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))

/** The reject spool for others to write into, what a receiver put there, and the same with another content. */
function oddities(site: Site) {
  const queue = createSchemaQueue({
    path: join(site.spool, 'reject'),
    schema: { body: 'binary', signer: 'string?', empaid: 'string?', error: 'string' },
    disk: createDisk(),
    clock: systemClock,
  })
  const wire = Buffer.from(site.reject()[0]!.body!)
  const forged = Buffer.from(wire.toString('latin1').replace('record', 'RECORD'), 'latin1')
  return { queue, wire, forged }
}

test('accepted once a DN was added; what a loader wrote and what is forged stays', async (t) => {
  const { site, receiver, requeue } = await createScene(t)
  await receiver.stop()
  const { queue, forged } = oddities(site)
  await queue.add({ body: Buffer.from('Site: x\n'), signer: site.pki.host.dn, error: 'cannot load' })
  await queue.add({ body: forged, signer: site.pki.host.dn, empaid: 'e', error: 'x' })
  const one = await requeue('--json', '--reason', 'not-listed', '--smaller', '1b')
  assert.deepEqual([one.exit, one.stdout.toString(), one.stderr], [0, '', ''])
  const run = await requeue()
  assert.deepEqual([run.exit, run.stderr], [1, ''])
  const said = lines(run).map(([, words]) => words)
  assert.deepEqual(said, ['accepted', 'accepted', 'accepted', 'skipped: not S/MIME', 'stays: signature'])
  const bodies = site.incoming().map(({ body }) => String(body))
  assert.deepEqual(bodies.sort(), ['record 1\n', 'record 2\n', 'record 3\n'])
  assert.deepEqual(new Set(site.incoming().map(({ signer }) => String(signer))), new Set([site.pki.host.dn]))
  for (const [id, words, where] of lines(run).slice(0, 3)) {
    assert.match(id!, /^reject\//u, words)
    assert.ok(readFileSync(join(site.spool, where!, 'body'), 'utf8').startsWith('record'))
  }
  assert.equal(site.reject().length, 2)
  assert.match(site.log('ssmreceive'), /INFO - Judging message reject\/[0-9a-f/]+ again\.\n.*Valid signer: /u)
})

test('while the receiver runs it is asked, with the list of DNs as it is now', async (t) => {
  const { site, receiver, requeue } = await createScene(t)
  const [first] = lines(await ssmctl(['spool', 'list', site.spool]))
  const one = await requeue(first![0]!.slice('reject/'.length))
  assert.deepEqual([one.exit, lines(one).map(([id, words]) => [id, words])], [0, [[first![0], 'accepted']]])
  const rest = await requeue('--json', '--reason', 'not-listed')
  const outcomes = rest.stdout.toString().trim().split('\n').map((line) => JSON.parse(line) as { outcome: string; again: boolean }) // prettier-ignore
  assert.deepEqual(outcomes.map(({ outcome, again }) => [outcome, again]), [['stored', false], ['stored', false]]) // prettier-ignore
  assert.deepEqual([rest.exit, site.countIncoming(), site.reject().length], [0, 3, 0])
  assert.equal((await receiver.stop()).code, 0)
  assert.equal(site.log('ssmreceive').match(/Starting receiving/gu)?.length, 1)
})

test('a receiver that cannot be asked keeps its lock: nothing is done', async (t) => {
  const { site, receiver, requeue } = await createScene(t, { daemon: { status_socket: '/dev/null/s' } })
  const run = await requeue()
  assert.deepEqual([run.exit, run.stdout.toString()], [75, ''])
  assert.match(run.stderr, /Another ssmreceive is storing into .*\(pid \d+ since .*\)\. It has no status socket/u)
  assert.equal(site.reject().length, 3)
  await receiver.stop()
  assert.equal((await requeue()).exit, 0)
})

test('--dry-run: each one judged as it would be, and nothing on the disk changes, while a receiver runs or none', async (t) => {
  const { site, receiver, requeue } = await createScene(t)
  const { queue, wire, forged } = oddities(site)
  await queue.add({ body: Buffer.from('Site: x\n'), error: 'cannot load' })
  await queue.add({ body: forged, empaid: 'e', error: 'x' })
  const lockedName = await queue.add({ body: wire, empaid: 'e', error: 'x' })
  await using claim = await queue.claim(lockedName)
  assert.ok(claim)
  const expected = [
    ...Array.from({ length: 3 }, () => 'would be accepted'),
    'would be skipped: not S/MIME',
    'would stay: signature',
    'would be skipped: locked',
  ]
  const dry = async () => {
    const before = treeOf(site.dir)
    const run = await requeue('--dry-run')
    assert.deepEqual(treeOf(site.dir), before)
    assert.deepEqual([run.exit, run.stderr, lines(run).map(([, words]) => words)], [1, '', expected])
  }
  await dry()
  const json = await requeue('--dry-run', '--json', '--reason', 'not-listed')
  assert.equal(json.exit, 0)
  const objects = json.stdout.toString().trim().split('\n').map((line) => JSON.parse(line) as Record<string, string>) // prettier-ignore
  assert.deepEqual(objects.map(({ would, detail }) => [would, detail]), Array.from({ length: 3 }, () => ['accept', site.pki.host.dn])) // prettier-ignore
  await receiver.stop()
  await dry()
})

test('--dry-run of held ones: what is held still, what would be accepted', async (t) => {
  const { site, receiver, requeue } = await createScene(t)
  await receiver.stop()
  const queue = createSchemaQueue({
    path: join(site.spool, '.ssm', 'held'),
    schema: { body: 'binary', empaid: 'string', error: 'string', ca: 'string', since: 'string' },
    disk: createDisk(),
    clock: systemClock,
  })
  const body = Buffer.from(site.reject()[0]!.body!)
  const held = `held/${await queue.add({ body, empaid: 'e', error: 'x', ca: 'y', since: String(Date.now()) })}`
  assert.deepEqual(lines(await requeue('--dry-run')).length, 3, 'without --held those of reject alone')
  const good = await requeue('--dry-run', held)
  assert.deepEqual([good.exit, lines(good)], [0, [[held, 'would be accepted', site.pki.host.dn]]])
  site.allow(site.pki.other)
  const before = treeOf(site.dir)
  const bad = lines(await requeue('--dry-run', held))[0]
  assert.deepEqual([bad?.[1], treeOf(site.dir)], ['would be refused: not-listed', before])
})

test('refusals: another path, ids of incoming, no lock to rely on', async (t) => {
  const { site, receiver, requeue } = await createScene(t)
  await receiver.stop()
  const other = await ssmctl(['spool', 'requeue', site.outgoing, '-c', site.receiverCfg, '-d', site.dns])
  assert.equal(other.exit, 64)
  assert.match(other.stderr, /is not the path of/u)
  const incoming = await requeue('incoming/00000000/00000000000000')
  assert.equal(incoming.exit, 64)
  const gone = await requeue('00000000/00000000000000')
  assert.deepEqual([gone.exit, gone.stdout.length], [1, 0])
  assert.match(gone.stderr, /there is no reject\/0/u)
  site.configure({ receiver: { broker: { listen: '127.0.0.1:1', host: undefined, port: undefined }, messaging: { run_lock: false } } }) // prettier-ignore
  const unlocked = await requeue()
  assert.equal(unlocked.exit, 78)
  assert.match(unlocked.stderr, /run_lock = false/u)
})
