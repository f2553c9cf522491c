/** `--check`: what is good is said to be good, each thing that is wrong is found and has a remedy, nothing is changed. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { Finding } from '../../../src/cli/check/finding.js'
import { startFakeBroker } from '../../kit/fake-broker.js'
import { scratch } from '../../kit/scratch.js'
import { need } from '../../kit/need.js'
import { createSite, startChild, startProgram, type Sections, type Site } from '../../kit/site.js'
import { root } from '../../kit/source.js'
import { treeOf } from '../../kit/tree.js'

const options = { timeout: 300_000 }
const DAY = 24 * 3600 * 1000

interface Result {
  readonly code: number | null
  readonly findings: readonly Finding[]
  readonly text: string
}

async function check(site: Site, role: 'sender' | 'receiver', ...more: readonly string[]): Promise<Result> {
  const [program, file] =
    role === 'sender' ? (['ssmsend', site.senderCfg] as const) : (['ssmreceive', site.receiverCfg] as const)
  const dns = role === 'sender' ? [] : ['-d', site.dns]
  const ended = await startProgram(program, ['--check', '--json', '-c', file, ...dns, ...more]).ended
  assert.equal(ended.stderr, '')
  const { good, checks } = JSON.parse(Buffer.from(ended.stdout, 'latin1').toString()) as {
    good: boolean
    checks: Finding[]
  }
  assert.equal(ended.code, good ? 0 : 1)
  return { code: ended.code, findings: checks, text: ended.stdout }
}

/** What failed, without what the place of these tests brings with it. */
const bad = ({ findings }: Result): string[] =>
  findings.filter(({ level }) => level === 'failed').map(({ about }) => about)
const doubtful = ({ findings }: Result): string[] =>
  findings.filter(({ level, text }) => level === 'warning' && !text.startsWith('/tmp ')).map(({ about }) => about)

/** A broker that lets everybody in, over TLS as `tls`. */
function broker(site: Site, host?: { readonly certificateFile: string; readonly keyFile: string }) {
  const { certificateFile, keyFile } = host ?? site.pki.host
  const tls = {
    cert: readFileSync(certificateFile),
    key: readFileSync(keyFile),
    requestCert: true,
    rejectUnauthorized: false,
  }
  return startFakeBroker(async (peer) => {
    await peer.greet()
  }, tls)
}

async function withSite(
  t: TestContext,
  prepare: (site: Site) => { both?: Sections; sender?: Sections; receiver?: Sections } | undefined,
  run: (site: Site) => Promise<void>,
): Promise<void> {
  const site = createSite(scratch(t), 1)
  await using peer = await broker(site)
  const { both = {}, ...more } = prepare(site) ?? {}
  const here = { ...both, broker: { port: peer.port, use_ssl: true, ...both.broker } }
  site.configure({ both: here, ...more })
  await run(site)
}

describe('--check', options, () => {
  test('a good set-up: exit 0, everything said, nothing changed, nothing sent', async (t) => {
    const site = createSite(scratch(t), 1)
    await using peer = await broker(site)
    mkdirSync(join(site.spool, 'incoming'))
    site.configure({ both: { broker: { port: peer.port, use_ssl: true, host: 'localhost' } } })
    const before = treeOf(site.dir)
    for (const role of ['sender', 'receiver'] as const) {
      const result = await check(site, role)
      assert.deepEqual([bad(result), doubtful(result), result.code], [[], [], 0], result.text)
      const about = new Set(result.findings.map(({ about }) => about))
      const common = ['configuration', 'certificate', 'key', 'CA directory', 'own path', 'spool', 'disk', 'backlog', 'log']
      const own = role === 'sender' ? ['server_cert'] : ['CRLs', 'DN list', 'pidfile']
      for (const concern of [...common, ...own, `broker localhost:${peer.port}`]) assert.ok(about.has(concern), concern)
      assert.match(result.text, /tls: verified, TLSv1\.3, it is \/C=XX\/O=Test\/CN=host.example.org.*valid from/)
      assert.match(result.text, /"unchecked".*was not tried.*--try-destination/)
    }
    assert.deepEqual(treeOf(site.dir), before)
    const commands = peer.peers.flatMap(({ frames }) => frames.map(({ command }) => command))
    assert.deepEqual(commands, ['CONNECT', 'DISCONNECT', 'CONNECT', 'DISCONNECT'])
  })

  test('--try-destination: a transaction that is taken back; a subscription that acknowledges nothing', async (t) => {
    const site = createSite(scratch(t), 1)
    await using peer = await broker(site)
    site.configure({ both: { broker: { port: peer.port, use_ssl: true } } })
    for (const [role, frames] of [
      ['sender', ['CONNECT', 'BEGIN', 'SEND', 'ABORT', 'DISCONNECT']],
      ['receiver', ['CONNECT', 'SUBSCRIBE', 'DISCONNECT']],
    ] as const) {
      const result = await check(site, role, '--try-destination')
      assert.equal(result.code, 0, result.text)
      assert.deepEqual(peer.peers.at(-1)!.frames.map(({ command }) => command), frames)
    }
  })

  test('a destination that is refused', async (t) => {
    const site = createSite(scratch(t), 1)
    await using peer = await startFakeBroker(async (peer) => {
      // DISCONNECT is answered after what came before it, by any broker.
      peer.mute()
      await peer.greet()
      await peer.expect('SUBSCRIBE')
      peer.send("ERROR\nmessage:access_refused\n\nACCESS_REFUSED - access to queue 's'\0")
    })
    site.configure({ both: { broker: { port: peer.port } } })
    const result = await check(site, 'receiver', '--try-destination')
    assert.deepEqual([bad(result), result.code], [[`broker 127.0.0.1:${peer.port}`], 1])
    assert.match(result.text, /destination: the broker does not allow us this destination/)
  })

  const WRONG: readonly (readonly [string, 'sender' | 'receiver', string, (site: Site) => Parameters<Site['configure']>[0] | undefined, RegExp])[] = [
    ['a key of another certificate', 'sender', 'certificate', ({ pki }) => ({ both: { certificates: { key: pki.revoked.keyFile } } }), /does not belong/],
    ['an expired certificate', 'sender', 'certificate', ({ pki: { expired } }) => ({ both: { certificates: { certificate: expired.certificateFile, key: expired.keyFile } } }), /expired on/],
    ['a revoked certificate', 'receiver', 'own path', ({ pki: { revoked } }) => ({ both: { certificates: { certificate: revoked.certificateFile, key: revoked.keyFile } } }), /revoked/],
    ['no CA directory', 'receiver', 'CA directory', () => ({ both: { certificates: { capath: '/nowhere' } } }), /cannot be read/],
    ['outdated CRLs', 'receiver', 'CRLs', ({ pki }) => { pki.writeCrl({ thisUpdate: Date.now() - 9 * DAY, nextUpdate: Date.now() - DAY }); return undefined }, /1 outdated.*Test CA.*since/],
    ['a clock that is behind', 'receiver', 'clock', ({ pki }) => { pki.writeCrl({ thisUpdate: Date.now() + DAY, nextUpdate: Date.now() + 9 * DAY }); return undefined }, /there is a CRL from/],
    ['no DN list', 'receiver', 'DN list', ({ dns }) => { rmSync(dns); return undefined }, /does not exist/],
    ['server_cert is our own', 'sender', 'server_cert', ({ pki }) => ({ sender: { certificates: { server_cert: pki.host.certificateFile } } }), /our own/],
    ['server_cert is Ed25519', 'sender', 'server_cert', ({ pki }) => ({ sender: { certificates: { server_cert: pki.add('ed', { keyKind: 'ed25519' }).certificateFile } } }), /a key of RSA or on P-256/],
    ['the spool is a file', 'sender', 'spool', ({ dir }) => { writeFileSync(join(dir, 'file'), ''); return { sender: { messaging: { path: join(dir, 'file') } } } }, /not a directory/],
    ['incoming for everybody', 'receiver', 'rights', ({ spool }) => { mkdirSync(join(spool, 'incoming')); chmodSync(join(spool, 'incoming'), 0o777); return undefined }, /incoming can be written by everybody.*chmod o-w/],
    ['.ssm for everybody', 'sender', 'rights', ({ outgoing }) => { mkdirSync(join(outgoing, '.ssm')); chmodSync(join(outgoing, '.ssm'), 0o702); return undefined }, /\.ssm can be written by everybody/],
    ['a parent for everybody', 'receiver', 'rights', ({ dir }) => { chmodSync(dir, 0o707); return undefined }, /can be written by everybody/],
    ['an outgoing spool for everybody', 'sender', 'rights', ({ outgoing }) => { chmodSync(outgoing, 0o777); return undefined }, /outgoing can be written by everybody/],
    ['a spool that is full', 'receiver', 'backlog', ({ spool }) => { for (const name of ['incoming', 'reject']) mkdirSync(join(spool, name, '69a42b40', '69a42b40000001'), { recursive: true }); return { receiver: { messaging: { max_spool_messages: 2 } } } }, /nothing is taken: 2 messages.*--by reason/],
    ['no directory for the log', 'sender', 'log', () => ({ sender: { logging: { logfile: '/nowhere/x.log' } } }), /there is no directory/],
    ['an unknown host', 'sender', 'broker nowhere.invalid:5', () => ({ both: { broker: { host: 'nowhere.invalid:5' } } }), /name: nowhere\.invalid/],
    ['nobody listens', 'sender', 'broker 127.0.0.1:1', () => ({ both: { broker: { host: '127.0.0.1:1' } } }), /tcp: .*nothing listens/],
  ] // prettier-ignore
  for (const [name, role, about, prepare, words] of WRONG) {
    test(`${name} is found`, async (t) => {
      await withSite(t, prepare, async (site) => {
        const result = await check(site, role)
        assert.ok(bad(result).includes(about), result.text)
        assert.match(JSON.stringify(result.findings.filter(({ level }) => level === 'failed')), words)
        assert.equal(result.code, 1)
      })
    })
  }

  const ODD: typeof WRONG = [
    ['a key for everybody', 'sender', 'key', ({ pki }) => { chmodSync(pki.host.keyFile, 0o644); return undefined }, /chmod 0400/],
    ['a certificate that ends soon', 'sender', 'certificate', ({ pki }) => { const soon = pki.add('soon', { notAfter: Date.now() + 10 * DAY }); return { both: { certificates: { certificate: soon.certificateFile, key: soon.keyFile } } } }, /\((9|10) days\)/],
    ['an EC key at the receiver', 'receiver', 'key', ({ pki: { ec } }) => ({ receiver: { certificates: { certificate: ec.certificateFile, key: ec.keyFile } } }), /Python senders cannot encrypt/],
    ['an EC server_cert', 'sender', 'server_cert', ({ pki: { ec } }) => ({ sender: { certificates: { server_cert: ec.certificateFile } } }), /Python receivers cannot read messages that are encrypted for/],
    ['a certificate of an unknown CA', 'sender', 'own path', ({ pki: { unknown } }) => ({ both: { certificates: { certificate: unknown.certificateFile, key: unknown.keyFile } } }), /would not be believed/],
    ['a bad DN line', 'receiver', 'DN list', ({ dns, pki }) => { writeFileSync(dns, `${pki.host.dn}\nx\u001b[31m\n`); return undefined }, /incorrect format.*x1b/],
    ['no directory for the pidfile', 'receiver', 'pidfile', () => ({ receiver: { daemon: { pidfile: '/nowhere/x.pid' } } }), /runs without it/],
    ['a spool with a long path', 'receiver', 'status socket', ({ dir }) => ({ receiver: { messaging: { path: join(dir, 'x'.repeat(100)) } } }), /at most 107/],
    ['metrics into no directory', 'sender', 'textfile', () => ({ sender: { monitoring: { textfile: '/nowhere/x.prom' } } }), /go on without it/],
    ['a spool that is not there', 'sender', 'spool', ({ dir }) => ({ sender: { messaging: { path: join(dir, 'a/b') } } }), /does not exist yet/],
    ['verify = false', 'sender', '127.0.0.1', () => ({ both: { broker: { verify: false } } }), /not verified/],
  ] // prettier-ignore
  for (const [name, role, about, prepare, words] of ODD) {
    test(`${name} is a warning`, async (t) => {
      await withSite(t, prepare, async (site) => {
        const result = await check(site, role)
        assert.ok(doubtful(result).some((each) => each.includes(about)), result.text)
        assert.match(JSON.stringify(result.findings.filter(({ level }) => level === 'warning')), words)
        assert.deepEqual([bad(result), result.code], [[], 0], result.text)
      })
    })
  }

  test('what is ours is not put down to the broker, and is said with its remedy', async (t) => {
    const site = createSite(scratch(t), 1)
    await using peer = await broker(site)
    site.configure({ both: { broker: { port: peer.port, use_ssl: true, ca: 'capath' }, certificates: { capath: '/nowhere' } } }) // prettier-ignore
    const { findings } = await check(site, 'sender')
    const found = findings.filter(({ about }) => about === `broker 127.0.0.1:${peer.port}`)
    assert.deepEqual(found.map(({ level, text, remedy }) => [level, text, remedy]), [['failed', 'the CA directory /nowhere cannot be read: it does not exist (ENOENT); set capath to a readable directory', undefined]]) // prettier-ignore
  })

  test('without the right to look: which path, and what to do, in words', { skip: need('root') }, async (t) => {
    const site = createSite(scratch(t), 1)
    site.configure({ receiver: { broker: { listen: '127.0.0.1:1', host: undefined, port: undefined } } })
    for (const path of [site.dir, join(site.dir, 'receiver.cfg'), site.pki.host.keyFile]) chmodSync(path, 0o755)
    for (const path of [site.spool, join(site.dir, 'closed')]) mkdirSync(path, { recursive: true, mode: 0o700 })
    chmodSync(site.spool, 0o700)
    const logfile = join(site.dir, 'ssmreceive.log')
    writeFileSync(logfile, '', { mode: 0o600 })
    const script = join(root, 'dist/src/bin/ssmctl.js')
    const { stdout } = await startChild(process.execPath, [script, 'check', '-c', site.receiverCfg, '-d', site.dns], { uid: 3_210_987 }).ended // prettier-ignore
    assert.doesNotMatch(stdout, /, (?:lstat|access|open) '/u, 'words of Node')
    assert.match(stdout, /cannot look at .*incoming: permission denied: give this user .* \(EACCES\)\n/u)
    assert.match(Buffer.from(stdout, 'latin1').toString(), /ssmreceive\.log cannot be written: permission denied\n +→ let this user write to .*ssmreceive\.log\n/u) // prettier-ignore
  })

  test('a broker of an unknown CA: which check failed, and the setting that would accept it', async (t) => {
    const site = createSite(scratch(t), 1)
    await using peer = await broker(site, site.pki.unknown)
    site.configure({ both: { broker: { port: peer.port, use_ssl: true } } })
    const result = await check(site, 'sender')
    assert.equal(result.code, 1)
    assert.match(result.text, /tls: .*does not end in a CA that we know.*`\[broker\] ca = FILE`/)
    site.configure({ both: { broker: { port: peer.port, use_ssl: true, verify: 'warn' } } })
    const warned = await check(site, 'sender')
    assert.equal(warned.code, 0, warned.text)
    assert.match(warned.text, /"warning".*verify = warn/)
  })

  test('all problems of the configuration, and no secret', async (t) => {
    const site = createSite(scratch(t), 1)
    await using peer = await startFakeBroker(async (peer) => {
      await peer.greet()
    })
    site.configure({ both: { broker: { port: 'x', use_ssl: 'perhaps' } } })
    const wrong = await check(site, 'sender')
    assert.deepEqual([bad(wrong), wrong.code], [['configuration', 'configuration'], 1])
    site.configure({ both: { broker: { port: peer.port, username: 'joe', password: 'hunter2' } } })
    const result = await check(site, 'sender')
    assert.equal(result.code, 0, result.text)
    assert.match(result.text, /accepted as user joe/)
    assert.doesNotMatch(result.text, /hunter2|PRIVATE/)
    assert.equal(peer.peers[0]!.frames[0]!.headers.get('passcode'), 'hunter2')
  })

  test('a listener: free, and taken by somebody else', async (t) => {
    const site = createSite(scratch(t), 1)
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    site.configure({ receiver: { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } } })
    assert.deepEqual(bad(await check(site, 'receiver')), ['listener'])
    await new Promise((resolve) => server.close(resolve))
    assert.deepEqual(bad(await check(site, 'receiver')), [])
  })

  test('ssmctl check knows the program by its section, and prints a list', async (t) => {
    await withSite(t, () => undefined, async (site) => {
      const run = (...args: string[]) => startProgram('ssmctl', ['check', ...args]).ended
      const sender = await run('-c', site.senderCfg)
      assert.deepEqual([sender.code, sender.stderr], [0, ''])
      const lines = Buffer.from(sender.stdout, 'latin1').toString().trimEnd().split('\n')
      assert.equal(lines[0], `sender with ${site.senderCfg}`)
      assert.match(lines.at(-1)!, /^\d+ good, \d+ to look at, 0 wrong$/)
      for (const line of lines.slice(1, -1)) assert.match(line, /^(?:[✓!✗–] .+: | {4}→ )/u)
      assert.equal((await run('-c', site.receiverCfg, '-d', site.dns)).code, 0)
      assert.equal((await run('-c', site.receiverCfg, '-d', '/nowhere')).code, 1)
      writeFileSync(site.senderCfg, '[sender]\n[receiver]\n')
      const both = await run('-c', site.senderCfg)
      assert.equal(both.code, 78)
      assert.match(both.stderr, /both of the sections/)
      assert.equal((await run('-c', '/nowhere')).code, 78)
    })
  })
}) // prettier-ignore
