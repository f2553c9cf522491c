/** `ssmctl ams` and the checks, against the double: what it says, and that nothing moves without --yes. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { startAms, startAuthn, type Ams, type AmsOptions } from '../kit/ams/index.js'
import { scratch } from '../kit/scratch.js'
import { createSite, startProgram, type Ended, type Site } from '../kit/site.js'

interface Scene extends AsyncDisposable {
  readonly ams: Ams
  readonly site: Site
  /** Runs `ssmctl ams ARGS -c RECEIVER'S CONFIGURATION`. */
  ctl(...args: readonly string[]): Promise<Ended>
}

interface Options extends AmsOptions {
  readonly who?: 'admin' | 'sender' | 'receiver' | 'puller'
  readonly destination?: string
  readonly secure?: boolean
  readonly token?: 'value' | 'file' | 'none'
  readonly key?: string
}

async function scene(t: TestContext, options: Options = {}): Promise<Scene> {
  const { who = 'admin', destination = 'ssm', secure = false, token = 'value', key, ...rest } = options
  const site = createSite(scratch(t), 1)
  const ams = await startAms({ ...rest, ...(secure ? { tls: site.pki.host } : {}) })
  const tokenFile = join(site.dir, 'token')
  writeFileSync(tokenFile, `${ams.tokens[who]}\n`, { mode: 0o600 })
  const source = { value: { token: ams.tokens[who] }, file: { token_file: tokenFile }, none: { authn_port: 1 } }[token]
  const messaging = { ams_project: 'accounting', destination, ...source }
  const broker = { host: undefined, port: undefined, use_ssl: undefined, url: ams.url, ca: 'capath' }
  site.configure({
    both: { broker, messaging, ...(key === undefined ? {} : { certificates: { key } }) },
    sender: { sender: { protocol: 'AMS' }, messaging: { path: site.outgoing } },
    receiver: { receiver: { protocol: 'AMS' }, messaging: { path: site.spool } },
  })
  return {
    ams,
    site,
    ctl: (...args) => startProgram('ssmctl', ['ams', ...args, '-c', site.receiverCfg]).ended,
    [Symbol.asyncDispose]: () => ams.stop(),
  }
}

function fill(ams: Ams, count: number): void {
  for (let index = 0; index < count; index++) ams.put('ssm', `body ${index}`, { empaid: `id/${index}` })
}

describe('ssmctl ams', () => {
  test('status, topics, subscriptions, offsets: as text and as JSON, without the token', async (t) => {
    await using all = await scene(t)
    fill(all.ams, 7)
    const status = await all.ctl('status')
    assert.equal(status.code, 0, status.stderr)
    assert.match(
      status.stdout,
      /^service\thttp:\/\/127.0.0.1:\d+\nstatus\tok\nproject\taccounting\nuser\tadmin\nroles\tproject_admin\n/u,
    )
    assert.ok(!status.stdout.includes(all.ams.tokens.admin))
    const json = JSON.parse((await all.ctl('status', '--json')).stdout) as Record<string, unknown>
    assert.deepEqual([json.status, json.user, json.roles], ['ok', 'admin', ['project_admin']])
    assert.match((await all.ctl('topics')).stdout, /^ssm\t\d{4}-/u)
    assert.equal((await all.ctl('subscriptions')).stdout, 'ssm\tssm\t10 s\t7\t-\n')
    assert.equal((await all.ctl('offsets')).stdout, 'ssm\t0\t0\t7\t7\n')
    const offsets = JSON.parse((await all.ctl('offsets', '--json')).stdout) as unknown
    assert.deepEqual(offsets, { subscription: 'ssm', min: 0, current: 0, max: 7, backlog: 7 })
  })

  for (const token of ['value', 'file'] as const) {
    test(`a token alone is enough, over TLS too: the key is not looked at (${token})`, async (t) => {
      await using all = await scene(t, { secure: true, token, key: '/no/such/key.pem' })
      fill(all.ams, 3)
      const status = await all.ctl('status')
      assert.deepEqual([status.code, status.stderr], [0, ''])
      assert.match(status.stdout, /\nuser\tadmin\n/u)
      for (const args of [
        ['topics'],
        ['subscriptions'],
        ['offsets'],
        ['peek'],
        ['seek', '1', '--yes'],
        ['drain', '--discard', '--yes'],
      ]) {
        // prettier-ignore
        const ended = await all.ctl(...args)
        assert.deepEqual([ended.code, ended.stderr], [0, ''], args.join(' '))
      }
    })
  }

  test('without a token the key is needed, and named', async (t) => {
    await using all = await scene(t, { secure: true, token: 'none', key: '/no/such/key.pem' })
    const status = await all.ctl('status')
    assert.equal(status.code, 78)
    assert.match(status.stderr, /\/no\/such\/key\.pem/u)
  })

  test('long lists come in pages, all of them', async (t) => {
    await using all = await scene(t)
    for (let index = 0; index < 450; index++) all.ams.addTopic(`topic-${index}`)
    const { topics } = JSON.parse((await all.ctl('topics', '--json')).stdout) as { topics: unknown[] }
    assert.equal(topics.length, 451)
  })

  test('seek: says what it would do, does it with --yes, never out of bounds', async (t) => {
    await using all = await scene(t)
    fill(all.ams, 10)
    const offset = () => all.ams.subscription('ssm').offset
    const dry = await all.ctl('seek', '4')
    assert.equal(dry.stdout, 'ssm would be moved (--yes does it) from 0 to 4: 4 messages are never received\n')
    assert.equal(offset(), 0)
    assert.equal(
      (await all.ctl('seek', '4', '--yes')).stdout,
      'ssm was moved from 0 to 4: 4 messages are never received\n',
    )
    assert.equal(offset(), 4)
    assert.equal((await all.ctl('seek', 'begin', '--yes')).stdout, 'ssm was moved from 4 to 0: 4 messages come again\n')
    await all.ctl('seek', '+3', '--yes')
    assert.equal(offset(), 3)
    await all.ctl('seek', 'end', '--yes')
    assert.equal(offset(), 10)
    const far = await all.ctl('seek', '11', '--yes')
    assert.deepEqual([far.code, far.stderr, offset()], [64, 'ssmctl ams seek: 11 is not within 0 and 10\n', 10])
    assert.equal((await all.ctl('seek', 'yesterday', '--yes')).code, 64)
    assert.equal(all.ams.count('subscriptions:modifyOffset'), 4)
    const time = new Date(all.ams.topic('ssm').times[0] ?? 0).toISOString()
    assert.match((await all.ctl('seek', time, '--yes')).stdout, /from 10 to 0/u)
    const late = await all.ctl('seek', '2999-01-01', '--yes')
    assert.equal(late.code, 64)
    assert.match(late.stderr, /it knows of nothing that was published at that time or later/u)
    assert.match((await all.ctl('seek', '1')).stdout, /from 0 to 1: 1 message is never received$/mu)
  })

  test('peek leaves all there; bodies are safe to print', async (t) => {
    await using all = await scene(t, { who: 'puller' })
    fill(all.ams, 3)
    all.ams.put('ssm', 'two\n\u001b[31mlines', { empaid: 'x' })
    const some = await all.ctl('peek', '-n', '2')
    assert.match(some.stdout, /^0\t\S+\t6\tid\/0\n1\t\S+\t6\tid\/1\n$/u)
    const bodies = await all.ctl('peek', '--body')
    assert.match(bodies.stdout, /3\t\S+\t14\tx\n {2}two\n {2}\\x1b\[31mlines\n$/u)
    assert.equal(all.ams.subscription('ssm').offset, 0)
    assert.equal((await all.ctl('peek', '-n', '0')).code, 64)
  })

  test('drain: only with --yes, into files or away, no further than what waited', async (t) => {
    await using all = await scene(t, { shortPulls: 0.3 })
    fill(all.ams, 250)
    const to = join(all.site.dir, 'out')
    mkdirSync(to)
    assert.match((await all.ctl('drain', '--to', to)).stdout, /^250 messages of ssm would be taken and put into /u)
    assert.equal((await all.ctl('drain')).code, 64)
    assert.equal((await all.ctl('drain', '--discard', '--to', to)).code, 64)
    assert.equal((await all.ctl('drain', '--to', join(to, 'nowhere'))).code, 64)
    assert.deepEqual(readdirSync(to), [])
    assert.equal(all.ams.subscription('ssm').offset, 0)
    assert.match((await all.ctl('drain', '--to', to, '-n', '3', '--yes')).stdout, /^3 messages of ssm were taken/u)
    assert.deepEqual(readdirSync(to).sort(), ['0.msg', '1.msg', '2.msg'])
    assert.equal(readFileSync(join(to, '2.msg'), 'utf8'), 'body 2')
    const away = await all.ctl('drain', '--discard', '--yes', '--json')
    assert.deepEqual(JSON.parse(away.stdout), { subscription: 'ssm', waiting: 247, taken: 247, to: null })
    assert.equal(all.ams.subscription('ssm').offset, 250)
  })

  test('refusals in words, exit code 75; a configuration for STOMP is none', async (t) => {
    await using all = await scene(t, { who: 'puller' })
    const topics = await all.ctl('topics')
    assert.equal(topics.code, 75)
    assert.match(topics.stderr, /^ssmctl ams topics: http:.*no right to this.*403/u)
    const sender = startProgram('ssmctl', ['ams', 'offsets', '-c', all.site.senderCfg])
    assert.match((await sender.ended).stderr, /--subscription/u)
    all.site.configure()
    assert.match((await all.ctl('topics')).stderr, /protocol is not AMS/u)
  })
})

describe('checks of AMS', () => {
  const check = async (site: Site, cfg: 'senderCfg' | 'receiverCfg'): Promise<Ended> => {
    const ended = await startProgram('ssmctl', ['check', '-c', site[cfg], '-d', site.dns]).ended
    return { ...ended, stdout: Buffer.from(ended.stdout, 'latin1').toString() }
  }
  const lines = ({ stdout }: Ended) => stdout.split('\n').filter((line) => / AMS | {4}→/u.test(line))

  test('a good sender and a good receiver, by certificate and TLS; nothing is changed', async (t) => {
    await using all = await scene(t, { secure: true, who: 'receiver' })
    await using authn = await startAuthn({ tls: all.site.pki.host, pki: all.site.pki, ams: all.ams })
    authn.bind(all.site.pki.host, 'sender')
    authn.bind(all.site.pki.other, 'receiver')
    const messaging = { ams_project: 'accounting', destination: 'ssm', authn_port: authn.port }
    const broker = { host: undefined, port: undefined, use_ssl: undefined, url: all.ams.url, ca: 'capath' }
    all.site.configure({
      both: { broker, messaging },
      sender: { sender: { protocol: 'AMS' }, messaging: { path: all.site.outgoing } },
      receiver: { receiver: { protocol: 'AMS' }, messaging: { path: all.site.spool } },
    })
    fill(all.ams, 5)
    const sender = (await check(all.site, 'senderCfg')).stdout
    assert.match(
      sender,
      /✓ AMS localhost:\d+: service: it answers, with a certificate that is accepted; its status is ok\n/u,
    )
    assert.match(
      sender,
      /✓ AMS localhost:\d+: who am I: the certificate, exchanged for a token, is user sender, in accounting publisher\n/u,
    )
    assert.match(sender, /✓ AMS localhost:\d+: access list of ssm: has sender\n/u)
    const receiver = (await check(all.site, 'receiverCfg')).stdout
    assert.match(receiver, /✓ AMS localhost:\d+: subscription ssm is there, of topic ssm\n/u)
    assert.match(receiver, /✓ AMS localhost:\d+: backlog: 5 messages \(offset 0 of 0 to 5\)\n/u)
    assert.match(receiver, /✓ AMS localhost:\d+: deadline for acknowledging: 10 s\n/u)
    const routes = new Set(all.ams.requests.map(({ method }) => method))
    assert.deepEqual([...routes], ['GET'])
  })

  test('with a token, a key that is bad is said once, and the service is looked at all the same', async (t) => {
    await using all = await scene(t, { secure: true, who: 'receiver', key: '/no/such/key.pem' })
    const { stdout } = await check(all.site, 'receiverCfg')
    assert.match(stdout, /✗ certificate: .*\/no\/such\/key\.pem/u)
    assert.match(stdout, /✓ AMS localhost:\d+: who am I: /u)
  })

  test('a token that may only pull and acknowledge: good, and what it may not see is said', async (t) => {
    await using all = await scene(t, { who: 'puller' })
    const ended = await check(all.site, 'receiverCfg')
    assert.deepEqual(
      lines(ended).filter((line) => line.startsWith('✗')),
      [],
    )
    assert.match(ended.stdout, /– AMS .*: deadline for acknowledging: the token may not ask; 10 s are assumed\n/u)
    assert.match(ended.stdout, /– AMS .*: backlog: /u)
  })

  test('a wrong token, a wrong name, the other role, nobody there: ✗ with what to do', async (t) => {
    await using wrongRole = await scene(t, { who: 'sender' })
    assert.match(
      (await check(wrongRole.site, 'receiverCfg')).stdout,
      /! AMS .*who am I: .*publisher\n +→ ask the operator for the role consumer/u,
    )
    await using wrongName = await scene(t, { who: 'receiver', destination: 'nowhere' })
    assert.match(
      (await check(wrongName.site, 'receiverCfg')).stdout,
      /✗ AMS .*subscription nowhere|not in that of nowhere/u,
    )
    wrongName.ams.refreshToken('receiver')
    const token = await check(wrongName.site, 'receiverCfg')
    assert.match(token.stdout, /✗ AMS .*token: .*401.*\n +→ check token or token_file/u)
    assert.equal(token.code, 1)
    await wrongName.ams.stop()
    assert.match(
      (await check(wrongName.site, 'receiverCfg')).stdout,
      /✗ AMS .*nothing listens on this port: .*\n +→ check \[broker\] host/u,
    )
  })
})
