import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/os/clock.js'
import { createDisk } from '../../src/os/disk.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

async function text(args: readonly string[], input?: string | Uint8Array): Promise<string> {
  const { exit, stdout, stderr } = await ssmctl(args, input === undefined ? {} : { input })
  assert.deepEqual([exit, stderr], [0, ''], args.join(' '))
  return stdout.toString()
}

test('add, count, list, show: a dirq spool', async (t) => {
  const dir = join(scratch(t), 'outgoing')
  const file = join(scratch(t), 'record')
  writeFileSync(file, 'from a file\n')
  const [first = ''] = (await text(['spool', 'add', dir], 'Site: Grüße\n\x1b[31mred\n')).split('\n')
  const ids = (await text(['spool', 'add', dir, file, '-', file], 'x')).trim().split('\n')
  assert.equal(ids.length, 3)
  assert.match(first, /^[0-9a-f]{8}\/[0-9a-f]{14}$/u)
  assert.equal(readFileSync(join(dir, ids[0]!), 'utf8'), 'from a file\n')
  assert.equal(await text(['spool', 'count', dir]), '4\n')
  writeFileSync(join(dir, `${first}.lck`), '')
  const lines = (await text(['spool', 'list', dir])).trimEnd().split('\n')
  assert.equal(lines.length, 4)
  assert.match(lines[0]!, new RegExp(`^${first}\t23\t\\d+ s\tlocked \\d+ s\t-\t-\t-$`, 'u'))
  assert.match(lines[1]!, /\t12\t\d+ s\t-\t-\t-\t-$/u)
  const shown = await text(['spool', 'show', dir, first])
  assert.match(
    shown,
    /^id: {7}[0-9a-f/]+\nbytes: {4}23\nadded: {4}.*\nchanged: .*\nlock: {5}since .*\n\nSite: Grüße\n\\x1b\[31mred\n$/u,
  )
  assert.equal(await text(['spool', 'show', '--body', dir, first]), 'Site: Grüße\n\x1b[31mred\n')
  const json = (await text(['spool', 'list', '--json', dir])).trim().split('\n')
  assert.equal((JSON.parse(json[0]!) as { id: string }).id, first)
})

test('what the receiver wrote: signer, empaid and error, made safe, in incoming and reject', async (t) => {
  const dir = scratch(t)
  const common = { disk: createDisk(), clock: systemClock }
  const incoming = createSchemaQueue({
    path: join(dir, 'incoming'),
    schema: { body: 'string', signer: 'string', empaid: 'string?' },
    ...common,
  })
  const reject = createSchemaQueue({
    path: join(dir, 'reject'),
    schema: { body: 'binary', signer: 'string?', empaid: 'string?', error: 'string' },
    ...common,
  })
  await incoming.add({ body: 'good\n', signer: '/C=XX/CN=ok', empaid: 'a\x1b]0;x\x07' })
  await reject.add({ body: Buffer.from([0xff, 0x0a]), error: 'Failed to verify message: \u202eno' })
  assert.equal(await text(['spool', 'count', dir]), '2\n')
  const lines = (await text(['spool', 'list', dir])).trimEnd().split('\n')
  assert.match(lines[0]!, /^incoming\/\S+\t5\t\d+ s\t-\ta\\x1b\]0;x\\x07\t\/C=XX\/CN=ok\t-$/u)
  assert.match(lines[1]!, /^reject\/\S+\t2\t\d+ s\t-\t-\t-\tFailed to verify message: \\u202eno$/u)
  const id = lines[1]!.split('\t')[0]!
  assert.match(await text(['spool', 'show', dir, id]), /\nerror: {4}Failed to verify message: \\u202eno\n\n\\xff\n$/u)
  assert.deepEqual((await ssmctl(['spool', 'show', '--body', dir, id])).stdout, Buffer.from([0xff, 0x0a]))
  assert.equal((await text(['spool', 'list', join(dir, 'reject')])).split('\n').length, 2)
})

test('a plain directory: oldest first, odd names, folders ignored; add keeps the kind', async (t) => {
  const dir = scratch(t)
  mkdirSync(join(dir, 'folder'))
  writeFileSync(join(dir, 'b'), 'newer')
  writeFileSync(join(dir, 'a b\n'), 'older')
  utimesSync(join(dir, 'a b\n'), 1, 1)
  assert.equal(await text(['spool', 'count', dir]), '2\n')
  const ids = (await text(['spool', 'list', dir]))
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t')[0])
  assert.deepEqual(ids, ['a%20b%0A', 'b'])
  assert.match(await text(['spool', 'show', dir, 'a%20b%0A']), /\n\nolder\n$/u)
  await text(['spool', 'add', dir], 'third')
  assert.equal(await text(['spool', 'count', dir]), '3\n')
})

test('refusals: what is not there, empty messages, spools of another kind, ids that lead elsewhere', async (t) => {
  const dir = join(scratch(t), 'q')
  await text(['spool', 'add', dir], 'x')
  const secret = join(scratch(t), 'secret')
  writeFileSync(secret, 'not yours')
  const element = (await text(['spool', 'list', dir])).split('\t')[0]!
  const link = join(dir, element.slice(0, 8), 'ffffffffffffff')
  symlinkSync(secret, link)
  const dangling = join(scratch(t), 'dangling')
  symlinkSync('/nowhere/at/all', dangling)
  const cases: [readonly string[], number, RegExp][] = [
    [['spool', 'list', join(dir, 'nothing')], 64, /is not a directory/u],
    [['spool', 'count', secret], 64, /is not a directory/u],
    [['spool', 'show', dir, '00000000/00000000000000'], 1, /there is no 0{8}/u],
    [['spool', 'show', dir, '../../etc/passwd'], 1, /there is no/u],
    [['spool', 'show', '--body', dir, `${element.slice(0, 8)}/ffffffffffffff`], 1, /symbolic link/u],
    [['spool', 'add', dir], 1, /is empty/u],
    [['spool', 'add', dir, join(dir, 'nothing')], 78, /There is no file/u],
    [['spool', 'add', '--type', 'directory', dir, secret], 64, /another kind/u],
    [['spool', 'add', '--type', 'x', dir, secret], 64, /dirq or directory/u],
    [['spool', 'add', join(dangling, 'q'), secret], 75, /cannot create the directory .*a link that leads nowhere/u],
  ]
  for (const [args, exit, words] of cases) {
    const run = await ssmctl(args)
    assert.deepEqual([run.exit, run.stdout.toString()], [exit, ''], args.join(' '))
    assert.match(run.stderr, words)
    assert.doesNotMatch(run.stderr, /internal error|not yours/u)
  }
})
