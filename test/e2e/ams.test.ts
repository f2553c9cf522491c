/** The main job through the ARGO Messaging Service, with the real programs: token, token file, certificate, trouble. */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { startAms, startAuthn, type Ams, type AmsOptions } from '../kit/ams/index.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, type Sections, type Site } from '../kit/site.js'
import { QueueSimple } from '../../src/index.js'

interface Scene extends AsyncDisposable {
  readonly ams: Ams
  readonly site: Site
}

/** `tls`: as in production; without it, plain on the loopback. */
async function scene(t: TestContext, options: AmsOptions & { readonly secure?: boolean } = {}): Promise<Scene> {
  const site = createSite(scratch(t), 1)
  const { secure = false, ...rest } = options
  const ams = await startAms({ ...rest, ...(secure ? { tls: site.pki.host } : {}) })
  return { ams, site, [Symbol.asyncDispose]: () => ams.stop() }
}

function configure({ site, ams }: Scene, changes: { readonly sender?: Sections; readonly receiver?: Sections } = {}) {
  const broker = { host: undefined, port: undefined, use_ssl: undefined, url: ams.url, ca: 'capath' }
  const both = (token: string) => ({ ams_project: 'accounting', destination: 'ssm', token })
  const outgoing = { path: site.outgoing }
  const spool = { path: site.spool, poll_max: '200 ms' }
  site.configure({
    sender: {
      ...changes.sender,
      sender: { protocol: 'AMS' },
      broker: { ...broker, ...changes.sender?.broker },
      messaging: { ...outgoing, ...both(ams.tokens.sender), ...changes.sender?.messaging },
    },
    receiver: {
      ...changes.receiver,
      receiver: { protocol: 'AMS' },
      broker: { ...broker, ...changes.receiver?.broker },
      messaging: { ...spool, ...both(ams.tokens.receiver), ...changes.receiver?.messaging },
    },
  })
}

async function fill(site: Site, count: number): Promise<string[]> {
  const queue = new QueueSimple(site.outgoing)
  const texts = Array.from({ length: count }, (_, index) => `record ${index}\n`)
  for (const text of texts) await queue.add(Buffer.from(text))
  return texts.sort()
}

/** Elements that wait in the outgoing spool. */
function left({ outgoing }: Site): number {
  const folders = readdirSync(outgoing).filter((name) => /^[0-9a-f]{8}$/u.test(name))
  return folders.flatMap((folder) => readdirSync(join(outgoing, folder))).length
}

const bodies = (site: Site) =>
  site
    .incoming()
    .map(({ body }) => body?.toString())
    .sort()

const REFUSALS: readonly { readonly name: string; readonly sender: Sections; readonly says: RegExp }[] = [
  { name: 'a token that nobody has', sender: { messaging: { token: 'nobody' } }, says: /401.*Unauthorized/u },
  {
    name: 'a project that is not there',
    sender: { messaging: { ams_project: 'nothing' } },
    says: /check ams_project \(it answered 404/u,
  },
  {
    name: 'a topic that is not there',
    sender: { messaging: { destination: 'nowhere' } },
    says: /check \[messaging\] destination|no right to this/u,
  },
  {
    name: 'a service whose certificate is of a CA that is not trusted',
    sender: { broker: { ca: 'system' } },
    says: /the certificate of localhost:\d+ is not acceptable: .*nothing was sent; to accept it/u,
  },
]

describe('through AMS', () => {
  test('100 messages arrive once each, with the lines that operators know', async (t) => {
    await using all = await scene(t)
    const { site, ams } = all
    configure(all)
    const texts = await fill(site, 100)
    const receiver = site.startReceiver()
    const sent = await site.send()
    assert.equal(sent.code, 0, site.log('ssmsend'))
    await eventually('all arrive', () => site.countIncoming() >= 100)
    assert.deepEqual(await receiver.stop().then(({ code }) => code), 0)
    assert.deepEqual(bodies(site), texts)
    assert.equal(site.incoming()[0]?.signer?.toString(), site.pki.host.dn)
    assert.match(site.log('ssmsend'), /ssmsend - INFO - Setting up SSM with protocol: AMS\n/u)
    assert.match(site.log('ssmsend'), /ssm.ssm2 - INFO - Will connect to http:\/\/127.0.0.1:\d+\n/u)
    assert.match(site.log('ssmsend'), /ssm.ssm2 - INFO - Sent [0-9a-f]{8}\/[0-9a-f]{14}, Argo ID: \d+\n/u)
    assert.match(site.log('ssmreceive'), /INFO - Will subscribe to: ssm\n/u)
    assert.match(site.log('ssmreceive'), /INFO - Received message. ID = [0-9a-f]{8}\/[0-9a-f]{14}, Argo ID = \d+\n/u)
    for (const { query, headers, fault } of ams.requests) {
      assert.equal(query, '')
      assert.equal(fault, null)
      assert.notEqual(headers['x-api-key'], undefined)
    }
    for (const token of Object.values(ams.tokens)) {
      assert.ok(!(site.log('ssmsend') + site.log('ssmreceive')).includes(String(token)), 'a token is in a log')
    }
    assert.equal(ams.subscription('ssm').offset, 100)
  })

  test('with the certificate alone: exchanged for a token, and once more when the token is refreshed', async (t) => {
    await using all = await scene(t, { secure: true })
    const { site, ams } = all
    await using authn = await startAuthn({ tls: site.pki.host, pki: site.pki, ams })
    authn.bind(site.pki.host, 'sender')
    authn.bind(site.pki.other, 'receiver')
    const certificate = { messaging: { token: undefined, authn_port: authn.port } }
    configure(all, { sender: certificate, receiver: certificate })
    const receiver = site.startReceiver()
    await fill(site, 3)
    assert.equal((await site.send()).code, 0, site.log('ssmsend'))
    await eventually('the first arrive', () => site.countIncoming() >= 3)
    ams.refreshToken('receiver')
    ams.refreshToken('sender')
    await fill(site, 3)
    assert.equal((await site.send()).code, 0, site.log('ssmsend'))
    await eventually('the others arrive', () => site.countIncoming() >= 6)
    assert.equal((await receiver.stop()).code, 0)
    assert.deepEqual(authn.statuses, [200, 200, 200, 200])
    assert.match(site.log('ssmsend'), /ssmsend - INFO - No AMS token provided, using cert\/key pair instead.\n/u)
    assert.match(site.log('ssmreceive'), /ssmreceive - INFO - No AMS token provided, using cert/u)
    assert.doesNotMatch(site.log('ssmreceive'), /Connection lost/u)
  })

  test('token_file is read again when the service no longer knows the token', async (t) => {
    await using all = await scene(t, { secure: true })
    const { site, ams } = all
    const file = join(site.dir, 'token')
    writeFileSync(file, `${ams.tokens.receiver}\n`, { mode: 0o600 })
    configure(all, { receiver: { messaging: { token: undefined, token_file: file } } })
    const receiver = site.startReceiver()
    await fill(site, 2)
    assert.equal((await site.send()).code, 0, site.log('ssmsend'))
    await eventually('the first arrive', () => site.countIncoming() >= 2)
    writeFileSync(file, `${ams.refreshToken('receiver')}\n`)
    await fill(site, 2)
    assert.equal((await site.send()).code, 0, site.log('ssmsend'))
    await eventually('the others arrive', () => site.countIncoming() >= 4)
    assert.equal((await receiver.stop()).code, 0)
    assert.doesNotMatch(site.log('ssmreceive'), /Connection lost|No AMS token/u)
  })

  for (const { name, sender, says } of REFUSALS) {
    test(`${name}: all stays, exit code 75, in words`, async (t) => {
      await using all = await scene(t, { secure: true })
      const { site } = all
      configure(all, { sender })
      await fill(site, 5)
      const sent = await site.send()
      assert.equal(sent.code, 75)
      assert.match(site.log('ssmsend'), says)
      assert.equal(all.ams.lying('ssm').length, 0)
      assert.equal(left(site), 5)
    })
  }

  test('a message that the service refuses for its size is set aside, the others go', async (t) => {
    await using all = await scene(t, { server: 'present' })
    const { site } = all
    configure(all, { sender: { messaging: { max_message_size: 1_450_000 } } })
    const queue = new QueueSimple(site.outgoing)
    await queue.add(Buffer.alloc(1_200_000, 'a'))
    await queue.add(Buffer.alloc(900_000, 'b'))
    await fill(site, 20)
    const sent = await site.send()
    assert.equal(sent.code, 1, site.log('ssmsend'))
    assert.equal(all.ams.lying('ssm').length, 20)
    assert.match(site.log('ssmsend'), /set aside: it would take \d+ bytes at the service, more than max_message_size/u)
    assert.match(
      site.log('ssmsend'),
      /set aside: the service takes others meanwhile, and this message never.*Backend Error/u,
    )
    assert.equal(left(site), 0)
  })

  test('a receiver that is killed again and again: none lost, none stored twice', async (t) => {
    await using all = await scene(t)
    const { site } = all
    configure(all)
    const texts = await fill(site, 300)
    assert.equal((await site.send()).code, 0, site.log('ssmsend'))
    for (const least of [1, 60, 150]) {
      const receiver = site.startReceiver()
      await eventually(`${least} arrived`, () => site.countIncoming() >= least)
      await receiver.stop('SIGKILL')
    }
    const receiver = site.startReceiver()
    await eventually(
      'all arrived',
      () => new Set(bodies(site)).size === 300 && all.ams.subscription('ssm').offset === 300,
    )
    assert.equal((await receiver.stop()).code, 0)
    assert.deepEqual(bodies(site), texts)
  })
})
