/** What `ssmctl spool retry` and `resend` write into the log of the sender, and how `ssmctl trace` follows it. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { systemClock } from '../../src/os/clock.js'
import { createDisk } from '../../src/os/disk.js'
import { createFailed } from '../../src/spool/failed.js'
import { createSent } from '../../src/spool/sent.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { createSite, type Sections, type Site } from '../kit/site.js'
import { SSMCTL, ssmctl } from '../kit/ssmctl.js'
import { treeOf } from '../kit/tree.js'

const common = { disk: createDisk(), clock: systemClock }

interface Scene {
  readonly site: Site
  readonly log: string
  /** A message that is set aside: its id, and its name there. */
  readonly setAside: (text: string) => Promise<{ readonly id: string; readonly name: string }>
  readonly again: (verb: 'retry' | 'resend', ...args: readonly string[]) => Promise<readonly string[][]>
}

function createScene(t: TestContext, sender: Sections = {}): Scene {
  const site = createSite(scratch(t), 1)
  site.configure({ sender })
  const queue = createSimpleQueue({ ...common, path: site.outgoing })
  return {
    site,
    log: join(site.dir, 'ssmsend.log'),
    async setAside(text) {
      const id = await queue.add(Buffer.from(text))
      const name = await createFailed({ ...common, path: site.outgoing }).setAside((await queue.claim(id))!, text)
      return { id, name }
    },
    async again(verb, ...args) {
      const run = await ssmctl(['spool', verb, site.outgoing, '-c', site.senderCfg, ...args])
      assert.deepEqual([run.exit, run.stderr], [0, ''])
      return run.stdout.toString().trim().split('\n').map((line) => line.split('\t')) // prettier-ignore
    },
  }
}

async function trace(id: string, cfg: string): Promise<readonly string[]> {
  const run = await ssmctl(['trace', id, '--json', '-c', cfg])
  assert.deepEqual([run.exit, run.stderr], [0, ''], id)
  return run.stdout.toString().trim().split('\n').map((line) => (JSON.parse(line) as { text: string }).text) // prettier-ignore
}

for (const format of ['ssm', 'json']) {
  test(`put back twice, between two rotations: found by each name it ever had; ${format}`, async (t) => {
    const { site, log, setAside, again } = createScene(t, { logging: { format } })
    const first = await setAside('one')
    await setAside('another')
    const [[, second = ''] = []] = await again('retry', first.name)
    writeFileSync(`${log}-20260101.gz`, gzipSync(readFileSync(log)))
    writeFileSync(log, '')
    const queue = createSimpleQueue({ ...common, path: site.outgoing })
    const failed = createFailed({ ...common, path: site.outgoing })
    const name = await failed.setAside((await queue.claim(second))!, 'one')
    const [[, third = ''] = []] = await again('retry', name)
    renameSync(log, `${log}.1`)
    const life = await trace(first.id, site.senderCfg)
    assert.deepEqual(life.slice(0, 4), [
      `INFO Putting back message ${first.id}, set aside as ${first.name}, as ${second}.`,
      `INFO Message ${first.id}, set aside as ${first.name}, was put back as ${second}.`,
      `INFO Putting back message ${second}, set aside as ${name}, as ${third}.`,
      `INFO Message ${second}, set aside as ${name}, was put back as ${third}.`,
    ])
    assert.match(life[4]!, new RegExp(`^it lies here as ${third}, 3 bytes`, 'u'))
    assert.equal(life.length, 5)
    for (const each of [first.name, second, name, third]) assert.deepEqual(await trace(each, site.senderCfg), life)
  })
}

test('sent again: found by both ids', async (t) => {
  const { site, again } = createScene(t)
  const sent = createSent({ path: site.outgoing, ...common })
  const id = '69a42b40/69a42b40000001'
  ;(await sent.keep(id, Buffer.from('x'))).confirm()
  const [[day, , fresh = ''] = []] = await again('resend', '--since', '2026-01-01')
  const life = await trace(fresh, site.senderCfg)
  assert.ok(life.includes(`INFO Adding again message ${id}, sent on ${day}, as ${fresh}.`), life.join('\n'))
  assert.ok(life.includes(`INFO Message ${id}, sent on ${day}, was added again as ${fresh}.`), life.join('\n'))
  assert.ok(life.includes('a copy of 1 bytes is kept'), 'the copy of the first time')
  assert.deepEqual(await trace(id, site.senderCfg), life)
})

/** Kills the process that it is imported into, before or after a name of the outgoing spool is linked. */
function killer(t: TestContext, when: 'before' | 'after', name: string): string {
  const file = join(scratch(t), 'kill.mjs')
  const kill = "process.kill(process.pid, 'SIGKILL')"
  writeFileSync(
    file,
    `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const link = fs.linkSync
fs.linkSync = (from, to) => {
  const isIt = ${name}.test(String(to))
  ${when === 'before' ? `if (isIt) ${kill}` : ''}
  link(from, to)
  if (isIt) ${kill}
}
syncBuiltinESMExports()
`,
  )
  return file
}

const KINDS = [
  ['dirq', '/\\/[0-9a-f]{8}\\/[0-9a-f]{14}$/'],
  ['directory', '/outgoing\\/[0-9a-f]{14}$/'],
] as const

for (const [type, name] of KINDS) {
  test(`killed before the message is there, or right after: the log tells of its new name, and no more; ${type}`, async (t) => {
    const { site, log, setAside } = createScene(t, { messaging: { path_type: type } })
    const { id, name: aside } = await setAside('one')
    rmSync(join(site.outgoing, id.split('/')[0]!), { recursive: true })
    for (const when of ['before', 'after'] as const) {
      writeFileSync(log, '')
      const hook = pathToFileURL(killer(t, when, name)).href
      const args = ['spool', 'retry', site.outgoing, aside, '-c', site.senderCfg, '--type', type]
      const run = spawnSync(process.execPath, ['--import', hook, SSMCTL, ...args], { encoding: 'utf8' })
      assert.equal(run.signal, 'SIGKILL', run.stderr)
      const said = readFileSync(log, 'utf8')
      const fresh = /Putting back message (\S+), set aside as (\S+), as (\S+)\.\n$/u.exec(said)
      assert.ok(fresh !== null, said)
      assert.deepEqual(fresh.slice(1, 3), [id, aside])
      assert.ok(!said.includes('was put back'), said)
      assert.equal(existsSync(join(site.outgoing, fresh[3] ?? '')), when === 'after')
      const life = await trace(id, site.senderCfg)
      assert.equal(life.some((line) => line.startsWith(`it lies here as ${fresh[3]}`)), when === 'after', life.join('\n')) // prettier-ignore
      assert.ok(life.some((line) => line.includes('set aside')), life.join('\n')) // prettier-ignore
      // Its lock would hold for ten minutes.
      const elements = join(site.outgoing, '.ssm/failed', aside)
      rmSync(join(elements, 'locked'), { recursive: true, force: true })
    }
  })
}

test('a log that is not to be had: it is said, and the work is done', async (t) => {
  const { site, setAside } = createScene(t)
  const fifo = join(site.dir, 'fifo')
  symlinkSync('/dev/stdout', fifo)
  const cases: readonly (readonly [string, RegExp])[] = [
    [join(site.dir, 'nowhere', 'x.log'), /cannot be opened: create its directory/u],
    [site.dir, /is not a file in which lines stay/u],
    ['/dev/stdout', /is not a file in which lines stay/u],
    [fifo, /is not a file in which lines stay/u],
  ]
  for (const [logfile, words] of cases) {
    site.configure({ sender: { logging: { logfile } } })
    const { name } = await setAside('x')
    const run = await ssmctl(['spool', 'retry', site.outgoing, '-c', site.senderCfg])
    assert.equal(run.exit, 0)
    assert.match(run.stdout.toString(), new RegExp(`^${name}\t[0-9a-f/]{23}\n$`, 'u'), 'no line of a log')
    assert.match(run.stderr, /^ssmctl spool retry: done, but no log tells of it, for ssmctl trace to follow: /u)
    assert.match(run.stderr, words)
  }
  await setAside('x')
  assert.match((await ssmctl(['spool', 'retry', site.outgoing])).stderr, /no log tells of it.*with -c\n$/u)
  const none = await ssmctl(['spool', 'retry', site.outgoing])
  assert.deepEqual([none.exit, none.stderr], [0, ''], 'nothing was done, and there is nothing to tell')
})

test('a configuration of another spool is refused before anything is done', async (t) => {
  const { site, log, setAside } = createScene(t)
  const other = createScene(t).site
  await setAside('x')
  const before = treeOf(site.outgoing)
  const run = await ssmctl(['spool', 'retry', site.outgoing, '-c', other.senderCfg])
  assert.deepEqual([run.exit, run.stdout.toString()], [64, ''])
  assert.match(run.stderr, /is not the path of .*sender\.cfg, which is /u)
  const gone = await ssmctl(['spool', 'retry', site.outgoing, '-c', join(site.dir, 'no.cfg')])
  assert.deepEqual([gone.exit, treeOf(site.outgoing)], [78, before])
  assert.equal(existsSync(log), false)
})

test('--dry-run: says which, and nothing on the disk changes', async (t) => {
  const { site, setAside } = createScene(t)
  const ids = [await setAside('one'), await setAside('two\n')]
  const sent = createSent({ path: site.outgoing, ...common })
  ;(await sent.keep('69a42b40/69a42b40000001', Buffer.from('x'))).confirm()
  const queue = createFailed({ ...common, path: site.outgoing }).queue
  await using claim = await queue.claim(ids[1]!.name)
  assert.ok(claim)
  const before = treeOf(site.dir)
  const dry = async (...args: readonly string[]) => {
    const run = await ssmctl(['spool', ...args, '--dry-run', '-c', site.senderCfg])
    assert.equal(run.stderr, '')
    return [run.exit, run.stdout.toString()]
  }
  assert.deepEqual(await dry('retry', site.outgoing, ids[0]!.name), [
    0,
    `${ids[0]!.name}\twould be put back\t3 bytes\n`,
  ])
  const both = `${ids[0]!.name}\twould be put back\t3 bytes\n${ids[1]!.name}\twould stay\tit is locked\n`
  assert.deepEqual(await dry('retry', site.outgoing), [1, both])
  assert.equal((await dry('resend', site.outgoing, '--since', '2026-01-01'))[0], 0)
  assert.deepEqual(treeOf(site.dir), before)
})

test(
  'as root: a log that is there is written as it is; a new one is the spool owner’s',
  { skip: need('root') },
  async (t) => {
    const { site, log, setAside, again } = createScene(t)
    const owner = 3_210_987
    const hand = (path: string): void => {
      chownSync(path, owner, owner)
      for (const line of treeOf(path)) chownSync(join(path, line.split(' ')[0]!), owner, owner)
    }
    const [one] = [await setAside('one'), await setAside('two')]
    hand(site.outgoing)
    chmodSync(site.dir, 0o755)
    const logs = join(site.dir, 'logs')
    mkdirSync(logs)
    chownSync(logs, owner, owner)
    site.configure({ sender: { logging: { logfile: join(logs, 'x.log') } } })
    await again('retry', one.name)
    assert.deepEqual([statSync(join(logs, 'x.log')).uid, readFileSync(join(logs, 'x.log'), 'utf8').match(/put back/gu)?.length], [owner, 1]) // prettier-ignore
    // Of a sender that cron starts as root.
    writeFileSync(log, '')
    site.configure()
    await again('retry')
    assert.deepEqual([statSync(log).uid, readFileSync(log, 'utf8').match(/put back/gu)?.length], [0, 1])
  },
)
