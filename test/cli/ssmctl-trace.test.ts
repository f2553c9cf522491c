/** `ssmctl trace` after real runs: by each name a message has, through rotated logs, in the order of time. */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Names, type TraceEvent } from '../../src/cli/trace/event.js'
import { createLogLook } from '../../src/cli/trace/log-lines.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Site } from '../kit/site.js'
import { ssmctl } from '../kit/ssmctl.js'

interface Traced {
  readonly time: string
  readonly where: string
  readonly text: string
  readonly lasts?: true
}

async function trace(site: Site, id: string, ...args: readonly string[]): Promise<readonly Traced[]> {
  const run = await ssmctl(['trace', id, '--json', '-c', site.senderCfg, '-c', site.receiverCfg, ...args])
  assert.deepEqual([run.exit, run.stderr], [0, ''])
  return run.stdout.toString().trim().split('\n').map((line) => JSON.parse(line) as Traced) // prettier-ignore
}

/** One message accepted, one rejected, one set aside; a copy of what was sent; logs rotated twice. */
async function createScene(t: TestContext): Promise<{ site: Site; ids: readonly string[] }> {
  const port = await freePort()
  const site = createSite(scratch(t), port)
  const listen = { broker: { listen: `127.0.0.1:${port}`, host: undefined, port: undefined } }
  site.configure({ receiver: listen, sender: { messaging: { sent_keep: '30 d' } } })
  const receiver = site.startReceiver()
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  const add = async (input: string | Buffer) => (await ssmctl(['spool', 'add', site.outgoing], { input })).stdout.toString().trim() // prettier-ignore
  const ids = [await add('one\n')]
  assert.equal((await site.send()).code, 0)
  const log = join(site.dir, 'ssmsend.log')
  writeFileSync(`${log}-20260101.gz`, gzipSync(readFileSync(log)))
  writeFileSync(log, '')
  site.allow(site.pki.other)
  receiver.child.kill('SIGHUP')
  await eventually('it reads again', () => site.log('ssmreceive').includes('Refreshing valid DNs'))
  ids.push(await add('two\n'), await add(Buffer.from([0xff])))
  assert.equal((await site.send()).code, 1)
  renameSync(log, `${log}.1`)
  await receiver.stop()
  return { site, ids }
}

test('by each of its names, in the order of time', async (t) => {
  const { site, ids } = await createScene(t)
  const [one = '', two = '', odd = ''] = ids
  const life = await trace(site, one)
  assert.deepEqual([life.at(-1)?.where, life.at(-1)?.lasts], ['incoming', true])
  const times = life.slice(0, -1).map(({ time }) => time)
  assert.deepEqual(times, [...times].sort())
  const has = (events: readonly Traced[], where: RegExp, text: RegExp): void => {
    assert.ok(events.some((each) => where.test(each.where) && text.test(each.text)), `${String(where)} ${String(text)}\n${JSON.stringify(events, undefined, 1)}`) // prettier-ignore
  }
  has(life, /^ssmsend\.log-20260101\.gz$/u, /^INFO Sending message: /u)
  has(life, /^ssmsend\.log-20260101\.gz$/u, /^INFO Sent /u)
  has(life, /^ssmreceive\.log$/u, /^INFO Received message\. ID = /u)
  has(life, /^ssmreceive\.log$/u, /^INFO Valid signer: /u)
  has(life, /^ssmreceive\.log$/u, /^INFO Message saved to incoming queue as /u)
  has(life, /^incoming$/u, /^it lies here as .* signer \/C=XX/u)
  has(life, /^journal$/u, /^stored in incoming as /u)
  has(life, /^sent$/u, /^a copy of 4 bytes/u)
  const name = /as ([0-9a-f]{8}\/[0-9a-f]{14})/u.exec(life.find(({ where }) => where === 'incoming')!.text)![1]!
  assert.deepEqual(await trace(site, `incoming/${name}`), life, 'by the name of its element')
  assert.deepEqual(await trace(site, name), life)
  const refused = await trace(site, two)
  has(refused, /^ssmsend\.log\.1$/u, /^INFO Sent /u)
  has(refused, /^ssmreceive\.log$/u, /^WARNING Message rejected: Signer not in/u)
  has(refused, /^reject$/u, /\[not-listed\]$/u)
  assert.ok(!refused.some(({ text }) => text.includes(one) || text.includes('Valid signer')))
  // Accepted since, while no receiver ran: the same life, under all its names.
  site.allow(site.pki.host)
  const requeued = await ssmctl(['spool', 'requeue', site.spool, '-c', site.receiverCfg, '-d', site.dns])
  assert.equal(requeued.exit, 0)
  const mended = await trace(site, two)
  has(mended, /^ssmreceive\.log$/u, /^INFO Message saved to reject queue as /u)
  has(mended, /^ssmreceive\.log$/u, /^INFO Message .* of reject, which came as .*, is accepted: /u)
  has(mended, /^journal$/u, /^stored in reject as /u)
  assert.deepEqual([mended.at(-1)?.where, mended.at(-1)?.lasts], ['incoming', true])
  assert.deepEqual(await trace(site, /as ([0-9a-f/]{23})/u.exec(mended.at(-1)!.text)![1]!), mended)
  const aside = await trace(site, odd)
  has(aside, /^ssmsend\.log\.1$/u, /^ERROR Message .* was set aside: /u)
  has(aside, /^set aside$/u, /\[cannot-seal\]$/u)
})

test('lines for people; what is not found, and what cannot be looked at', async (t) => {
  const { site, ids } = await createScene(t)
  const plain = await ssmctl(['trace', ids[0]!, '--log', join(site.dir, 'ssmreceive.log')])
  assert.match(
    plain.stdout.toString(),
    /^2\d{3}-\d\d-\d\dT[\d:.]+Z\tssmreceive\.log\tINFO Received message\. ID = .*\n/u,
  )
  assert.doesNotMatch(plain.stdout.toString(), /\x1b/u) // eslint-disable-line no-control-regex -- colours are looked for
  const none = await ssmctl(['trace', '00000000/00000000000000', '-c', site.receiverCfg])
  assert.deepEqual([none.exit, none.stdout.length], [1, 0])
  assert.match(none.stderr, /nothing tells of 00000000\/0{14} in .*spool, .*ssmreceive\.log/u)
  writeFileSync(join(site.dir, 'ssmreceive.log.1.gz'), 'not packed')
  const odd = await ssmctl(['trace', ids[0]!, '-c', site.receiverCfg])
  assert.equal(odd.exit, 0)
  assert.match(odd.stderr, /not looked at: .*ssmreceive\.log\.1\.gz: incorrect header/u)
})

test('lines without a name: only when no other message was in hand', () => {
  const line = (text: string) => `2026-11-20 14:18:06,423 - ssm.ssm2 - INFO - ${text}`
  const look = (id: string, lines: readonly string[]): readonly string[] => {
    const events: TraceEvent[] = []
    const it = createLogLook('/x.log', new Names(id), (event) => events.push(event))
    for (const each of lines) it.visit(line(each))
    return events.map(({ text }) => text.slice('INFO '.length))
  }
  const received = (id: string) => `Received message. ID = ${id}`
  const saved = (name: string) => `Message saved to incoming queue as ${name}`
  assert.deepEqual(look('a', [received('a'), saved('1'), received('b'), saved('2')]), [received('a'), saved('1')])
  assert.deepEqual(look('a', [received('a'), received('b'), saved('1'), saved('2'), received('a'), saved('3')]), [
    received('a'),
    received('a'),
    saved('3'),
  ])
  assert.deepEqual(look('a', [received('b'), received('a'), saved('1'), 'Valid signer: /CN=x', saved('2')]), [received('a')]) // prettier-ignore
  const known = [
    'Message a was already stored as 12345678/12345678901234.',
    'x 12345678/12345678901234',
    'x a.b',
    'x ba',
    'b/a.',
  ]
  assert.deepEqual(look('a', known), [known[0], known[1], known[4]])
})
