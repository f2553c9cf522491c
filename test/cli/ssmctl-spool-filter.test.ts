/** `ssmctl spool list|show|count` with filters, over spools of every kind. */
import assert from 'node:assert/strict'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/os/clock.js'
import { createDisk } from '../../src/os/disk.js'
import { createFailed } from '../../src/spool/failed.js'
import { openOwnDirectory } from '../../src/spool/own-directory.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { createManualClock } from '../kit/manual-clock.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

const disk = createDisk()
const DAY = 86_400_000
const REJECT = { body: 'binary', signer: 'string?', empaid: 'string?', error: 'string' } as const
const HELD = { body: 'binary', empaid: 'string', error: 'string', ca: 'string', since: 'string' } as const

async function text(...args: readonly string[]): Promise<string> {
  const { exit, stdout, stderr } = await ssmctl(['spool', ...args])
  assert.deepEqual([exit, stderr], [0, ''], args.join(' '))
  return stdout.toString()
}

/** The empaids of what passes. */
async function passing(...args: readonly string[]): Promise<string[]> {
  const lines = (await text('list', '--json', ...args)).split('\n').filter((line) => line !== '')
  return lines.map((line) => (JSON.parse(line) as { empaid: string }).empaid)
}

/** Rejects of some days: `a` ten days ago, `b` three days ago, `c` and `d` now. */
async function createReject(dir: string): Promise<void> {
  const add = async (days: number, empaid: string, size: number, fields: { signer?: string; error: string }) => {
    const clock = createManualClock(Date.now() - days * DAY)
    const queue = createSchemaQueue({ path: join(dir, 'reject'), schema: REJECT, disk, clock })
    await queue.add({ body: Buffer.alloc(size), empaid, ...fields })
  }
  await add(10, 'a', 10, { error: 'Failed to verify message: altered [signature]', signer: 'Not available.' })
  await add(3, 'b', 5000, { error: 'Signer not in valid DNs list: /C=UK/O=x/CN=b', signer: '/C=UK/O=x/CN=b' })
  await add(0, 'c', 70_000, { error: 'the signer is banned [banned]', signer: '/C=UK/O=X/CN=c [signature]' })
  const claimed =
    'Signer not in valid DNs list: /C=UK/O=z/CN=d (not verified); the nearest listed DN is /C=UK [not-listed]'
  await add(0, 'd', 11, { error: claimed, signer: 'Not available.' })
}

test('by age, signer, reason and size', async (t) => {
  const dir = scratch(t)
  await createReject(dir)
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', ['a', 'b', 'c', 'd']],
    ['--older 4d', ['a']],
    ['--older 2d --newer 5d', ['b']],
    ['--newer 1h', ['c', 'd']],
    ['--signer /C=UK/O=x/CN=b', ['b']],
    ['--signer /c=uk/o=x/*', ['b', 'c']],
    ['--signer *=uk*CN=c*', ['c']],
    ['--signer /C=UK', []],
    ['--signer /C=UK/O=x/CN=b*b', []],
    ['--reason signature', ['a']],
    ['--reason not-listed,banned', ['b', 'c', 'd']],
    ['--signer *cn=d --reason not-listed', ['d']],
    ['--reason expired', []],
    ['--larger 5kb', ['c']],
    ['--larger 5000', ['c']],
    ['--smaller 5000', ['a', 'd']],
    ['--reason banned --older 1d', []],
  ]
  for (const [flags, expected] of cases) {
    const words = flags === '' ? [] : flags.split(' ')
    assert.deepEqual(await passing(join(dir, 'reject'), ...words), expected, flags)
  }
  assert.equal(await text('count', join(dir, 'reject'), '--newer', '1h'), '2\n')
  assert.equal(await text('count', dir, '--newer', '1h', '--json'), '{"count":2}\n')
  const shown = await text('show', dir, '--reason', 'banned,signature')
  assert.equal(shown.match(/^id: {7}reject\//gmu)?.length, 2)
  assert.match(shown, /^added: .* \(10 d ago\)$/mu)
})

test('counted by reason and signer, the most first', async (t) => {
  const dir = scratch(t)
  await createReject(dir)
  assert.equal(await text('count', dir, '--by', 'reason'), '2\tnot-listed\n1\tbanned\n1\tsignature\n')
  await createReject(dir)
  assert.equal(await text('count', dir, '--by', 'reason', '--signer', '*b'), '2\tnot-listed\n')
  const json = JSON.parse(await text('count', dir, '--by', 'signer', '--json')) as unknown
  assert.deepEqual(json, {
    count: 8,
    signer: { '-': 2, '/C=UK/O=X/CN=c [signature]': 2, '/C=UK/O=x/CN=b': 2, '/C=UK/O=z/CN=d (not verified)': 2 },
  })
})

test('held, set aside, and files: each with what it has', async (t) => {
  const dir = scratch(t)
  mkdirSync(join(dir, 'incoming'))
  const held = createSchemaQueue({ path: openOwnDirectory(disk, dir, 'held'), schema: HELD, disk, clock: systemClock })
  await held.add({ body: Buffer.from('x'), empaid: 'h', error: 'old [crl-outdated]', ca: '/CN=CA', since: '1' })
  assert.deepEqual(await passing(dir, '--reason', 'crl-outdated'), ['h'])
  assert.match(await text('list', dir), /^held\//u)
  const own = join(dir, 'out')
  const queue = createSimpleQueue({ path: own, disk, clock: systemClock })
  const claim = await queue.claim(await queue.add(Buffer.from('x')))
  await createFailed({ path: own, disk, clock: systemClock }).setAside(claim!, 'too large [cannot-seal]')
  queue.close()
  assert.equal(await text('count', join(own, '.ssm/failed'), '--by', 'reason'), '1\tcannot-seal\n')
  const files = scratch(t)
  for (const [name, days] of [
    ['new', 0],
    ['old', 5],
  ] as const) {
    // prettier-ignore
    writeFileSync(join(files, name), name)
    const at = Date.now() / 1000 - days * 86_400
    utimesSync(join(files, name), at, at)
  }
  assert.match(await text('list', files, '--older', '2d'), /^old\t3\t5 d\t/u)
  assert.equal(await text('count', files, '--smaller', '4'), '2\n')
})

test('refusals: values that are none, ids that are not there beside ids that are', async (t) => {
  const dir = scratch(t)
  await createReject(dir)
  const [first = ''] = (await text('list', dir)).split('\t')
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['list', dir, '--older', 'long'], 64, /--older: .*30 s, 5 min/u],
    [['list', dir, '--larger', '-1'], 64, /--larger: .*64 KiB/u],
    [['count', dir, '--reason', 'not-lsited'], 64, /no reason not-lsited: did you mean not-listed\?/u],
    [['count', dir, '--reason', ','], 64, /names none/u],
    [['count', dir, '--by', 'age'], 64, /reason or signer/u],
    [['show', dir], 64, /name an id/u],
    [['show', dir, '--body', '--older', '1s'], 64, /one element/u],
    [['list', dir, first, 'reject/00000000/00000000000000'], 1, /there is no reject\/0{8}/u],
  ]
  for (const [args, exit, words] of cases) {
    const run = await ssmctl(['spool', ...args])
    assert.equal(run.exit, exit, args.join(' '))
    assert.match(run.stderr, words)
    assert.equal(run.stdout.length > 0, exit === 1)
  }
})
