import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/os/clock.js'
import { createDisk } from '../../src/os/disk.js'
import { createFailed } from '../../src/spool/failed.js'
import { createMessageDirectory } from '../../src/spool/message-directory.js'
import { createSent } from '../../src/spool/sent.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { createManualClock } from '../kit/manual-clock.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

const common = { disk: createDisk(), clock: systemClock }
const KINDS = { dirq: createSimpleQueue, directory: createMessageDirectory } as const

async function text(args: readonly string[]): Promise<string[][]> {
  const { exit, stdout, stderr } = await ssmctl(args)
  // There is no configuration here, and so no log.
  assert.deepEqual([exit, stderr.replace(/^ssmctl spool re\w+: done, but no log .*\n$/u, '')], [0, ''], args.join(' '))
  const lines = stdout.toString().split('\n').slice(0, -1)
  return lines.map((line) => line.split('\t'))
}

async function contents(dir: string, kind: keyof typeof KINDS): Promise<string[]> {
  // Files of a plain directory must be still for a second first.
  const queue = KINDS[kind]({ ...common, path: dir, settleWait: 5000 })
  const found: string[] = []
  for await (const id of queue.ids()) {
    await using claim = await queue.claim(id)
    if (claim !== null) found.push(Buffer.from(await claim.read()).toString())
  }
  queue.close()
  return found.sort()
}

for (const kind of ['dirq', 'directory'] as const) {
  test(`retry puts back what was set aside, all or some, into a spool that is empty by now: ${kind}`, async (t) => {
    const dir = join(scratch(t), 'outgoing')
    const queue = KINDS[kind]({ ...common, path: dir })
    const failed = createFailed({ ...common, path: dir })
    for (const n of [1, 2, 3]) {
      const claim = await queue.claim(await queue.add(Buffer.from(`record ${n}\n`)))
      await failed.setAside(claim!, 'too large', n)
    }
    queue.close()
    if (kind === 'dirq')
      for (const name of readdirSync(dir)) if (name !== '.ssm') rmSync(join(dir, name), { recursive: true })
    const ids = (await text(['spool', 'list', join(dir, '.ssm/failed')])).map(([id]) => id!)
    assert.equal(ids.length, 3)
    const shown = (await ssmctl(['spool', 'show', join(dir, '.ssm/failed'), ids[2]!])).stdout.toString()
    assert.match(shown, /\nerror: {4}too large\nattempts: 3\ntime: {5}2\d{3}-.*Z\n/)
    const [one = []] = await text(['spool', 'retry', dir, ids[1]!])
    assert.equal(one[0], ids[1])
    assert.deepEqual(await contents(dir, kind), ['record 2\n'])
    assert.equal((await text(['spool', 'retry', dir])).length, 2)
    assert.deepEqual(await contents(dir, kind), ['record 1\n', 'record 2\n', 'record 3\n'])
    assert.deepEqual(await text(['spool', 'list', join(dir, '.ssm/failed')]), [])
    assert.deepEqual(await text(['spool', 'retry', dir]), [])
  })

  test(`resend adds what was sent in some days, under new ids: ${kind}`, async (t) => {
    const dir = join(scratch(t), 'outgoing')
    const queue = KINDS[kind]({ ...common, path: dir })
    const clock = createManualClock(Date.parse('2026-03-01T23:00:00Z'))
    const sent = createSent({ path: dir, disk: common.disk, clock })
    const ids: string[] = []
    for (const n of [1, 2, 3, 4]) {
      const claim = await queue.claim(await queue.add(Buffer.from(`record ${n}\n`)))
      const kept = await sent.keep(claim!.id, await claim!.read())
      ids.push(claim!.id)
      await claim!.remove()
      kept.confirm()
      clock.advance(86_400_000)
    }
    queue.close()
    const days = ['--since', '2026-03-02', '--until', '2026-03-03']
    const dry = await text(['spool', 'resend', dir, ...days, '--dry-run'])
    assert.deepEqual(dry, [
      ['2026-03-02', ids[1], '9 bytes'],
      ['2026-03-03', ids[2], '9 bytes'],
    ])
    assert.deepEqual(await contents(dir, kind), [])
    const done = await text(['spool', 'resend', dir, ...days])
    assert.deepEqual(done.map(([day, was]) => [day, was]), [['2026-03-02', ids[1]], ['2026-03-03', ids[2]]]) // prettier-ignore
    assert.ok(done.every(([, was, now]) => was !== now && !ids.includes(now!)))
    assert.deepEqual(await contents(dir, kind), ['record 2\n', 'record 3\n'])
    assert.equal((await text(['spool', 'resend', dir, '--since', '2026-03-04'])).length, 1)
    assert.deepEqual(await contents(dir, kind), ['record 2\n', 'record 3\n', 'record 4\n'])
  })
}

test('hundreds are added in their order', async (t) => {
  const dir = scratch(t)
  const sent = createSent({ path: dir, ...common })
  const all = Array.from({ length: 300 }, (_, n) => `69a42b40/69a42b40${n.toString(16).padStart(6, '0')}`)
  for (const id of all) (await sent.keep(id, Buffer.from(id))).confirm()
  const lines = await text(['spool', 'resend', dir, '--since', '2000-01-01'])
  assert.deepEqual(lines.map(([, was]) => was), all) // prettier-ignore
  for (const [, was, now] of lines) assert.equal(readFileSync(join(dir, now!), 'utf8'), was)
})

test('refusals: days that are none, ids that are not there, elements without content', async (t) => {
  const dir = join(scratch(t), 'q')
  const queue = createSimpleQueue({ ...common, path: dir })
  const id = await queue.add(Buffer.from('x'))
  rmSync(join(dir, id))
  mkdirSync(join(dir, id))
  const failed = createFailed({ ...common, path: dir })
  await failed.setAside((await queue.claim(id))!, 'not a file')
  const cases: [readonly string[], number, RegExp][] = [
    [['resend', dir], 64, /--since/],
    [['resend', dir, '--since', 'yesterday'], 64, /YYYY-MM-DD/],
    [['resend', dir, '--since', '2026-02-30'], 64, /YYYY-MM-DD/],
    [['resend', dir, '--since', '2026-02-03', '--until', '2026-02-02'], 64, /is before/],
    [['resend', join(dir, 'no'), '--since', '2026-02-03'], 64, /not a directory/],
    [['retry', join(dir, 'no')], 64, /not a directory/],
    [['retry', dir, '00000000/00000000000000'], 1, /there is no 0{8}/],
    [['retry', dir, '../../etc/passwd'], 1, /there is no/],
    [['retry', dir], 1, /has no content/],
  ]
  for (const [args, exit, words] of cases) {
    const run = await ssmctl(['spool', ...args])
    assert.deepEqual([run.exit, run.stdout.toString()], [exit, ''], args.join(' '))
    assert.match(run.stderr, words)
  }
  assert.equal((await text(['spool', 'list', join(dir, '.ssm/failed')])).length, 1, 'it stays')
})
