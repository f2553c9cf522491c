/** `ssmctl spool purge`, `unlock` and `export`, over spools of every kind. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/os/clock.js'
import { createDisk } from '../../src/os/disk.js'
import { createFailed } from '../../src/spool/failed.js'
import { createMessageDirectory } from '../../src/spool/message-directory.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl, type CtlRun } from '../kit/ssmctl.js'

const common = { disk: createDisk(), clock: systemClock }
const INCOMING = { body: 'binary', signer: 'string', empaid: 'string?' } as const
const KINDS = { dirq: createSimpleQueue, directory: createMessageDirectory } as const

const run = (...args: readonly string[]): Promise<CtlRun> => ssmctl(['spool', ...args])
const lines = ({ stdout }: CtlRun): string[][] =>
  stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))

/** Makes a lock as old as a purge would break it. */
function age(path: string, seconds: number): void {
  const at = Date.now() / 1000 - seconds
  utimesSync(path, at, at)
}

for (const kind of ['dirq', 'directory'] as const) {
  test(`purge says what it would do, and with --yes does it; what is locked stays: ${kind}`, async (t) => {
    const dir = join(scratch(t), 'out')
    const queue = KINDS[kind]({ ...common, path: dir })
    const ids: string[] = []
    for (const n of [1, 2, 3]) ids.push(await queue.add(Buffer.from('x'.repeat(n))))
    const claim = await queue.claim(ids[2]!)
    const bare = await run('purge', dir)
    assert.deepEqual([bare.exit, bare.stdout.length], [64, 0])
    const dry = await run('purge', dir, '--all')
    assert.equal(dry.exit, 1)
    assert.deepEqual(lines(dry), ids.map((id) => [id, 'would be removed'])) // prettier-ignore
    assert.match(dry.stderr, /nothing was done; --yes removes messages: 3/u)
    assert.equal(await queue.count(), 3)
    const one = await run('purge', dir, '--smaller', '2b', '--yes')
    assert.deepEqual([one.exit, lines(one)], [0, [[ids[0], 'removed']]])
    const rest = await run('purge', dir, '--all', '--yes')
    assert.equal(rest.exit, 1)
    assert.deepEqual(lines(rest), [[ids[1], 'removed'], [ids[2], 'skipped: another process has it, or it is gone']]) // prettier-ignore
    assert.equal(await queue.count(), 1)
    await claim!.release()
    queue.close()
  })

  test(`unlock: a claim of a run that lives stays, what was left goes: ${kind}`, async (t) => {
    const dir = join(scratch(t), 'out')
    const queue = KINDS[kind]({ ...common, path: dir })
    const [ours, left] = [await queue.add(Buffer.from('a')), await queue.add(Buffer.from('b'))]
    const claim = await queue.claim(ours)
    // As another program leaves it.
    await (await queue.claim(left))!.release()
    const lock = kind === 'dirq' ? join(dir, `${left}.lck`) : join(dir, '.ssm/locks', createHash('sha256').update(left).digest('hex').slice(0, 32)) // prettier-ignore
    writeFileSync(lock, '')
    const young = await run('unlock', dir, '--all', '--yes')
    assert.equal(young.exit, 1)
    assert.deepEqual(lines(young).map(([id, words]) => [id, words?.replace(/\d+/gu, 'N')]), [[ours, `stays locked by process N on ${hostname()}`], [left, 'stays locked by somebody, for N s']]) // prettier-ignore
    age(lock, 120)
    const dry = await run('unlock', dir, left)
    assert.deepEqual([dry.exit, lines(dry)], [1, [[left, 'would be unlocked']]])
    assert.ok(existsSync(lock))
    assert.deepEqual(lines(await run('unlock', dir, left, '--yes')), [[left, 'unlocked']])
    assert.ok(!existsSync(lock))
    assert.deepEqual(lines(await run('unlock', dir, left, '--yes')), [[left, 'is not locked']])
    assert.equal((await run('list', dir)).stdout.toString().match(/\tlocked /gu)?.length, 1)
    await claim!.remove()
    queue.close()
  })
}

function hostname(): string {
  return readFileSync('/proc/sys/kernel/hostname', 'utf8').trim()
}

test('purge and unlock in the parts of a receiver, and in what was set aside', async (t) => {
  const dir = scratch(t)
  const incoming = createSchemaQueue({ ...common, path: join(dir, 'incoming'), schema: INCOMING })
  const reject = createSchemaQueue({ ...common, path: join(dir, 'reject'), schema: { ...INCOMING, error: 'string' } })
  const good = await incoming.add({ body: Buffer.from('x'), signer: '/CN=a' })
  const bad = await reject.add({ body: Buffer.from('y'), signer: '/CN=b', error: 'no [banned]' })
  await incoming.claim(good)
  age(join(dir, 'incoming', good, 'locked'), 120)
  assert.deepEqual(lines(await run('unlock', dir, '--all', '--yes')), [[`incoming/${good}`, 'unlocked']])
  assert.deepEqual(lines(await run('purge', dir, '--reason', 'banned', '--yes')), [[`reject/${bad}`, 'removed']])
  assert.deepEqual([await incoming.count(), await reject.count()], [1, 0])
  const own = join(dir, 'out')
  const queue = createSimpleQueue({ ...common, path: own })
  const failed = createFailed({ ...common, path: own })
  const aside = await failed.setAside((await queue.claim(await queue.add(Buffer.from('z'))))!, 'x [cannot-seal]')
  const claim = await failed.queue.claim(aside)
  const busy = await run('retry', own)
  assert.deepEqual([busy.exit, busy.stdout.length], [1, 0])
  assert.match(busy.stderr, /is locked by another process/u)
  assert.equal((await run('unlock', join(own, '.ssm/failed'), aside, '--yes')).exit, 1)
  await claim!.release()
  assert.equal((await run('retry', own, '--reason', 'message-refused')).stdout.length, 0)
  assert.equal(lines(await run('retry', own, '--reason', 'cannot-seal')).length, 1)
  queue.close()
})

test('export: files and a manifest, from several spools; the spools stay as they are', async (t) => {
  const dir = scratch(t)
  const reject = createSchemaQueue({ ...common, path: join(dir, 'reject'), schema: { ...INCOMING, error: 'string' } })
  const body = Buffer.from([0xff, 0x00, 0x0a])
  const id = await reject.add({ body, signer: '/CN=b\x1b', empaid: 'e', error: 'no [banned]' })
  const files = scratch(t)
  for (const name of ['.x', 'manifest.jsonl', 'a b']) writeFileSync(join(files, name), name)
  mkdirSync(join(files, 'folder'))
  const target = join(scratch(t), 'new')
  const done = await run('export', dir, files, '--to', target)
  assert.deepEqual([done.exit, done.stdout.toString(), done.stderr], [0, '4\n', ''])
  const name = `reject-${id.replace('/', '-')}`
  assert.deepEqual(readdirSync(target).sort(), ['_.x', '_manifest.jsonl', 'a%20b', 'manifest.jsonl', name].sort())
  assert.deepEqual(readFileSync(join(target, name)), body)
  assert.equal(statSync(target).mode & 0o777, 0o700)
  assert.equal(statSync(join(target, name)).mode & 0o777, 0o600)
  const manifest = readFileSync(join(target, 'manifest.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>) // prettier-ignore
  const sha256 = createHash('sha256').update(body).digest('hex')
  const { added, changed, ...rest } = manifest[0]!
  assert.ok(typeof added === 'string' && typeof changed === 'string')
  assert.deepEqual(rest, { file: name, spool: dir, empaid: 'e', signer: '/CN=b\\x1b', error: 'no [banned]', id: `reject/${id}`, size: 3, reason: 'banned', sha256 }) // prettier-ignore
  assert.equal(await reject.count(), 1)
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[dir, '--to', target], /is not empty/u],
    [[dir, '--to', join(dir, 'inside')], /lies in/u],
    [[join(dir, 'no'), '--to', join(target, 'x')], /is not a directory/u],
  ]
  for (const [args, words] of cases) {
    const refused = await run('export', ...args)
    assert.deepEqual([refused.exit, refused.stdout.length], [64, 0])
    assert.match(refused.stderr, words)
  }
})

test('started as root, they act as the owner of the spool', { skip: need('root') }, async (t) => {
  const nobody = 65_534
  const dir = join(scratch(t), 'out')
  const ids: string[] = []
  for (const n of [1, 2]) ids.push((await ssmctl(['spool', 'add', dir], { input: `${n}` })).stdout.toString().trim())
  const all = () => readdirSync(dir, { recursive: true }).map((name) => join(dir, String(name)))
  for (const file of [dir, ...all()]) chownSync(file, nobody, nobody)
  chmodSync(join(dir, '..'), 0o711)
  writeFileSync(join(dir, `${ids[1]!}.lck`), '')
  age(join(dir, `${ids[1]!}.lck`), 120)
  assert.deepEqual(lines(await run('purge', dir, ids[0]!, '--yes')), [[ids[0], 'removed']])
  assert.deepEqual(lines(await run('unlock', dir, '--all', '--yes')), [[ids[1], 'unlocked']])
  const foreign = all().filter((file) => statSync(file).uid !== nobody)
  assert.deepEqual(foreign, [])
  assert.ok(existsSync(join(dir, '.ssm/claims')))
})
