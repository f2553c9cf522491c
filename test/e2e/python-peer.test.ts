/**
 * The Python SSM at the other end, in both directions, with the same configuration files; and at the same spool.
 * These tests exist only with a checkout of it (`test/kit/python-ssm.ts`).
 */
import assert from 'node:assert/strict'
import { linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startActivemq } from '../kit/activemq.js'
import { CONTENTS } from '../envelope/scene.js'
import { hasPythonSsm, needPythonSsm, pythonSend, startPythonReceiver, startPythonSender } from '../kit/python-ssm.js'
import { need } from '../kit/need.js'
import { startRabbitmq, type Rabbit, type RabbitOptions } from '../kit/rabbitmq.js'
import { elementsLeft } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Site } from '../kit/site.js'

/** It refuses content that is only white space. */
const READABLE = Object.values(CONTENTS).filter((body) => body.toString('utf8').trim() !== '')
/** It takes a message for encrypted when these words are anywhere in it: ours carry them in quoted-printable. */
const seemsEncrypted = (body: Buffer): boolean => /application\/(?:x-)?pkcs7-mime/.test(body.toString('latin1'))
/** Enough where the content is not what may go wrong: its receiver takes its time. */
const SOME = ['10 KB of records', 'utf8', 'crlf', 'trailing blanks', 'nul'].map((name) => CONTENTS[name]!)
/** It sends ASCII only, and `openssl smime -text` carries no line ends but LF. */
const SENDABLE = READABLE.filter((body) =>
  body.every((octet) => octet === 9 || octet === 10 || (octet > 31 && octet < 127)),
)

const isPlainAscii = (body: Buffer): boolean => SENDABLE.includes(body) && body.every((octet) => octet !== 13)
const longest = (body: Buffer): number =>
  Math.max(
    ...body
      .toString('latin1')
      .split('\n')
      .map((line) => line.length),
  )

/** As its receiver stores it: byte for byte what comes in quoted-printable; of plain text the white space at the end is stripped. */
function asPythonStores(body: Buffer): string {
  const text = body.toString('utf8')
  return isPlainAscii(body) && longest(body) <= 998 && !seemsEncrypted(body) ? text.trimEnd() : text
}

const sorted = (texts: readonly string[]): string[] => [...texts].sort()
const bodies = (site: Site): string[] => sorted(site.incoming().map(({ body }) => body!.toString('utf8')))

const reasons = (site: Site): string[] => site.reject().map(({ error }) => error!.toString('utf8'))

/** Elements as any dirq writer names them. */
function fill(outgoing: string, contents: readonly Buffer[]): void {
  const folder = join(outgoing, '68000000')
  mkdirSync(folder, { recursive: true })
  for (const [n, body] of contents.entries()) {
    writeFileSync(join(folder, `68000000${n.toString(16).padStart(5, '0')}a`), body)
  }
}

/** Both ways over one set of configuration files; `endpoint` is what the ends connect to. */
function configure(site: Site, destination: string, endpoint: object, encrypted: boolean, listen?: string): void {
  const broker = listen === undefined ? endpoint : { ...endpoint, host: undefined, port: undefined, listen }
  site.configure({
    both: { messaging: { destination } },
    sender: {
      broker: { ...endpoint },
      certificates: { server_cert: encrypted ? site.pki.other.certificateFile : undefined },
    },
    receiver: { broker: { ...broker } },
  })
}

function pythonTests(name: string, skip: false | string, body: () => void): void {
  if (hasPythonSsm) describe(name, { skip: needPythonSsm() || skip }, body)
}

/** One site for all tests of a broker: its TLS wants to know the CA. */
function brokerTests(name: 'rabbitmq' | 'activemq', startBroker: (options: RabbitOptions) => Promise<Rabbit>): void {
  let site: Site
  let broker: Rabbit
  before(async () => {
    site = createSite(scratch(), 0)
    const { pki } = site
    const ca = readdirSync(pki.capath).find((each) => each.endsWith('.0'))!
    broker = await startBroker({
      tls: { ca: join(pki.capath, ca), certificate: pki.other.certificateFile, key: pki.other.keyFile },
      users: { 'CN=host.example.org,O=Test,C=XX': '', 'CN=other.example.org,O=Test,C=XX': '' },
    })
  })
  after(() => broker[Symbol.asyncDispose]())

  for (const tls of [false, true]) {
    const over = tls ? 'TLS with client certificates' : 'plain TCP'
    const endpoint = () => ({ host: '127.0.0.1', port: tls ? broker.tlsPort : broker.port, use_ssl: tls })
    test(`it receives what we send, signed and encrypted: ${over}`, async () => {
      rmSync(site.spool, { recursive: true, force: true })
      const destination = `/queue/to-python-${String(tls)}`
      configure(site, destination, endpoint(), false)
      const receiver = await startPythonReceiver(site)
      const expected: string[] = []
      for (const encrypted of [false, true]) {
        configure(site, destination, endpoint(), encrypted)
        const contents = tls || name !== 'rabbitmq' ? SOME : READABLE
        fill(site.outgoing, contents)
        expected.push(...contents.map(asPythonStores))
        const ended = await site.send()
        assert.equal(ended.code, 0, ended.stdout + ended.stderr + site.log('ssmsend'))
      }
      await eventually('all arrived', () => site.countIncoming() + site.reject().length >= expected.length, 60)
      await receiver.stop()
      assert.deepEqual(reasons(site), [])
      assert.deepEqual(bodies(site), sorted(expected))
      assert.ok(site.incoming().every(({ signer }) => signer?.toString() === site.pki.host.dn))
    })
    test(`we receive what it sends, signed and encrypted: ${over}`, async () => {
      rmSync(site.spool, { recursive: true, force: true })
      const destination = `/queue/from-python-${String(tls)}`
      configure(site, destination, endpoint(), false)
      const receiver = site.startReceiver()
      for (const encrypted of [false, true]) {
        configure(site, destination, endpoint(), encrypted)
        fill(site.outgoing, SENDABLE)
        const ended = await pythonSend(site)
        assert.equal(ended.code, 0, ended.stdout + ended.stderr + site.log('ssmsend'))
      }
      await eventually('all arrived', () => site.countIncoming() + site.reject().length >= 2 * SENDABLE.length, 60)
      assert.equal((await receiver.stop()).code, 0)
      assert.deepEqual(reasons(site), [])
      assert.deepEqual(bodies(site), sorted([...SENDABLE, ...SENDABLE].map(String)))
      assert.ok(site.incoming().every(({ signer }) => signer?.toString() === site.pki.host.dn))
    })
  }
}

for (const [name, startBroker] of [
  ['rabbitmq', startRabbitmq],
  ['activemq', startActivemq],
] as const) {
  pythonTests(`the Python SSM through ${name}`, hasPythonSsm && need(name), () => {
    brokerTests(name, startBroker)
  })
}

pythonTests('the Python sender and our listener', false, () => {
  for (const tls of [false, true]) {
    test(`signed and encrypted, ${tls ? 'TLS with client certificates' : 'plain TCP'}`, async (t) => {
      const site = createSite(scratch(t), 0)
      const port = await freePort()
      const endpoint = { host: '127.0.0.1', port, use_ssl: tls }
      const listen = `127.0.0.1:${port}`
      configure(site, '/queue/ssm', endpoint, false, listen)
      const receiver = site.startReceiver()
      await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
      for (const encrypted of [false, true]) {
        configure(site, '/queue/ssm', endpoint, encrypted, listen)
        fill(site.outgoing, SENDABLE)
        const ended = await pythonSend(site)
        assert.equal(ended.code, 0, ended.stdout + ended.stderr + site.log('ssmsend') + site.log('ssmreceive'))
        assert.deepEqual(elementsLeft(site.outgoing), [])
      }
      // What it has a receipt for is durable: no waiting.
      assert.deepEqual(bodies(site), sorted([...SENDABLE, ...SENDABLE].map(String)))
      assert.deepEqual(reasons(site), [])
      assert.equal((await receiver.stop()).code, 0)
    })
  }
})

pythonTests('the Python sender at the same spool', false, () => {
  async function listening(site: Site, port: number) {
    configure(site, '/queue/ssm', { host: '127.0.0.1', port }, false, `127.0.0.1:${port}`)
    const receiver = site.startReceiver()
    await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
    return receiver
  }

  test('overlapping runs of both: each message is sent once', async (t) => {
    const site = createSite(scratch(t), 0)
    const receiver = await listening(site, await freePort())
    const contents = Array.from({ length: 400 }, (_, n) => Buffer.from(`record ${n}\n`.repeat(50)))
    fill(site.outgoing, contents)
    const python = [startPythonSender(site), startPythonSender(site)]
    await eventually('the Python senders are at it', () => site.countIncoming() >= 10)
    const ours = [site.startSender(), site.startSender()]
    const ended = await Promise.all([...ours, ...python].map((run) => run.ended))
    assert.deepEqual(
      ended.slice(0, 2).map(({ code }) => code),
      [0, 0],
      site.log('ssmsend'),
    )
    t.diagnostic(
      `exit codes of the Python senders: ${ended
        .slice(2)
        .map(({ code }) => code)
        .join(', ')}`,
    )
    // What a Python run had in its hands when it ended early is another run's.
    if (elementsLeft(site.outgoing).length > 0) t.diagnostic(`left by Python: ${elementsLeft(site.outgoing).join(' ')}`)
    assert.deepEqual(bodies(site), sorted(contents.map(String)))
    assert.equal((await receiver.stop()).code, 0)
  })

  test('a lock of a Python program is respected', async (t) => {
    const site = createSite(scratch(t), 0)
    const receiver = await listening(site, await freePort())
    fill(site.outgoing, [Buffer.from('one\n'), Buffer.from('two\n')])
    const locked = join(site.outgoing, '68000000', '6800000000000a')
    linkSync(locked, `${locked}.lck`)
    const ended = await site.send()
    assert.equal(ended.code, 0, site.log('ssmsend'))
    assert.deepEqual(bodies(site), ['two\n'])
    assert.deepEqual(elementsLeft(site.outgoing), ['6800000000000a', '6800000000000a.lck'])
    assert.match(site.log('ssmsend'), /WARNING - Message was locked\. 68000000\/6800000000000a will not be sent\./)
    assert.equal((await receiver.stop()).code, 0)
  })
})
