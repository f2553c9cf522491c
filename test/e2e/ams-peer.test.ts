/**
 * The Python SSM, and the AMS library by itself, at the other end of AMS: what they send we receive, what we send they
 * receive. These tests exist only with checkouts of them (`test/kit/python-ssm.ts`).
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { toPem } from '../../src/crypto/pem.js'
import { CONTENTS } from '../envelope/scene.js'
import { startAms, type Ams } from '../kit/ams/index.js'
import { sealed } from '../kit/bad-messages.js'
import { need } from '../kit/need.js'
import { startPythonAms } from '../kit/python-ams.js'
import { hasPythonSsm, needPythonSsm, pythonSend, startPythonReceiver } from '../kit/python-ssm.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, type Site } from '../kit/site.js'

/** What its sender can carry: ASCII, and no line ends but LF. */
const TEXTS = ['ascii lines', '10 KB of records'].map((name) => CONTENTS[name]!)
/** Quoted-printable arrives there byte for byte. */
const OURS = ['ascii lines', '10 KB of records', 'utf8', 'crlf', 'trailing blanks', 'nul'].map(
  (name) => CONTENTS[name]!,
)

interface Scene {
  readonly ams: Ams
  readonly site: Site
  /** Trusts the service's certificate. */
  readonly env: NodeJS.ProcessEnv
}

/** One pair of configuration files for both programs of both packages. */
async function scene(t: TestContext): Promise<Scene> {
  const site = createSite(scratch(t), 1)
  const ca = join(site.dir, 'ca.pem')
  writeFileSync(ca, toPem('CERTIFICATE', site.pki.ca.certificate.der))
  const ams = await startAms({ tls: site.pki.host })
  t.after(() => ams.stop())
  const common = { destination: 'ssm', ams_project: 'accounting' }
  site.configure({
    both: { broker: { host: `localhost:${ams.port}`, port: 5671, use_ssl: true, ca } },
    sender: { sender: { protocol: 'AMS' }, messaging: { ...common, token: ams.tokens.sender } },
    receiver: { receiver: { protocol: 'AMS' }, messaging: { ...common, token: ams.tokens.receiver } },
  })
  return { ams, site, env: { REQUESTS_CA_BUNDLE: ca } }
}

function fill(site: Site, contents: readonly Buffer[]): void {
  const folder = join(site.outgoing, '68000000')
  mkdirSync(folder, { recursive: true })
  for (const [n, body] of contents.entries()) {
    writeFileSync(join(folder, `68000000${n.toString(16).padStart(5, '0')}a`), body)
  }
}

const stored = (site: Site): string[] => site.incoming().map(({ body }) => body!.toString('utf8')).sort() // prettier-ignore
const texts = (contents: readonly Buffer[], asStored = (text: string) => text): string[] =>
  contents.map((body) => asStored(body.toString('utf8'))).sort()

/** Its receiver strips the white space at the end of what comes as plain text. */
const asPythonStores = (text: string): string => (/^[\t\n\x20-\x7e]*$/.test(text) ? text.trimEnd() : text)

function peerTests(): void {
  test('the Python sender to our receiver', async (t) => {
    const { site, env } = await scene(t)
    fill(site, TEXTS)
    const receiver = site.startReceiver()
    const sent = await pythonSend(site, env)
    assert.equal(sent.code, 0, sent.stderr + site.log('ssmsend'))
    await eventually('all arrive', () => site.countIncoming() >= TEXTS.length, 60)
    assert.equal((await receiver.stop()).code, 0)
    assert.deepEqual(stored(site).map((text) => text.trimEnd()).sort(), texts(TEXTS, (text) => text.trimEnd())) // prettier-ignore
    assert.deepEqual(new Set(site.incoming().map(({ signer }) => signer!.toString())), new Set([site.pki.host.dn]))
    assert.deepEqual(site.reject(), [])
  })

  test('our sender to the Python receiver', async (t) => {
    const { site, ams, env } = await scene(t)
    fill(site, OURS)
    const sent = await site.send()
    assert.equal(sent.code, 0, site.log('ssmsend'))
    const receiver = await startPythonReceiver(site, env)
    await eventually('all arrive', () => ams.subscription('ssm').offset === OURS.length, 60)
    await receiver.stop()
    assert.deepEqual(stored(site), texts(OURS, asPythonStores))
    assert.deepEqual(site.reject(), [])
  })

  test('what the library publishes we receive, with its id or without', async (t) => {
    const { site, ams, env } = await scene(t)
    const service = { endpoint: `localhost:${ams.port}`, token: ams.tokens.sender, project: 'accounting' }
    await using python = await startPythonAms(service, env.REQUESTS_CA_BUNDLE!)
    const wire = (await sealed(site.pki.host, 'from the library\n')).toString('base64')
    const message = `AmsMessage(data=base64.b64decode('${wire}')`
    await python.value(`ams.publish('ssm', ${message}, attributes={'empaid': 'by/hand'}))`)
    await python.value(`ams.publish('ssm', ${message}))`)
    const receiver = site.startReceiver()
    await eventually('both are handled', () => ams.subscription('ssm').offset === 2)
    assert.equal((await receiver.stop()).code, 0)
    assert.ok(stored(site).includes('from the library\n'))
    assert.match(site.log('ssmreceive'), /Received message. ID = by\/hand, Argo ID = 0\n/)
    assert.match(site.log('ssmreceive'), /Received message. ID = N\/A, Argo ID = 1\n/)
  })

  test('what we publish the library receives', async (t) => {
    const { site, ams, env } = await scene(t)
    fill(site, TEXTS)
    assert.equal((await site.send()).code, 0, site.log('ssmsend'))
    const service = { endpoint: `localhost:${ams.port}`, token: ams.tokens.receiver, project: 'accounting' }
    await using python = await startPythonAms(service, env.REQUESTS_CA_BUNDLE!)
    const pulled = await python.value(
      `[[m.get_attr()['empaid'], m.get_data().decode()] for i, m in ams.pull_sub('ssm', 5, return_immediately=True)]`,
    )
    const list = pulled as [string, string][]
    assert.equal(list.length, TEXTS.length)
    for (const [id, wire] of list) {
      assert.match(id, /^68000000\/68000000[0-9a-f]{5}a$/)
      assert.match(wire, /^MIME-Version: 1\.0\n/)
    }
  })
}

if (hasPythonSsm) {
  const skip = needPythonSsm() || need('python3-requests')
  describe('Python at the other end of AMS', { skip, timeout: 300_000 }, peerTests)
}
