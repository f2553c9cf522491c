/**
 * What `ssmsend` makes of something that is no broker, or a broker that it must not talk to: exit code 75, the spool as it
 * was, and one sentence in the log that names the setting to look at. Refusals that may pass by themselves (silence, nobody
 * there) take a minute of patience and are tested where time can be hurried (test/transport/stomp-connecting.test.ts).
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { issueCertificate } from '../../src/crypto/issue.js'
import { testKey, writeHost, type TestHost, type TestPki } from '../kit/ca.js'
import { startFakeBroker, type Peer } from '../kit/fake-broker.js'
import { fillOutgoing, TEXT_KINDS } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, type Site } from '../kit/site.js'

const options = { timeout: 300_000 }

/** Elements with content and time; locks would show as further names. */
function spoolOf(outgoing: string): string[] {
  return readdirSync(outgoing)
    .filter((name) => /^[0-9a-f]{8}$/.test(name))
    .flatMap((folder) => readdirSync(join(outgoing, folder)).map((name) => join(outgoing, folder, name)))
    .sort()
    .map((file) => `${file} ${statSync(file).nlink} ${readFileSync(file, 'base64')}`)
}

async function assertRefused(site: Site, words: readonly RegExp[]): Promise<void> {
  fillOutgoing(site.outgoing, 3, TEXT_KINDS)
  const before = spoolOf(site.outgoing)
  assert.equal(before.length, 3)
  const { code, stdout } = await site.send()
  const log = site.log('ssmsend')
  assert.equal(code, 75, log)
  assert.equal(stdout, 'SSM failed to complete successfully.  See log file for details.\n')
  assert.deepEqual(spoolOf(site.outgoing), before)
  const failures = log.split('\n').filter((line) => line.includes(' - ERROR - SSM failed to complete successfully: '))
  assert.equal(failures.length, 1, log)
  for (const word of words) assert.match(failures[0]!, word)
  assert.doesNotMatch(log, /Sending message|Traceback|\n {4}at /)
}

/** Says this at once, or when spoken to, and hangs up or not. */
const says =
  (text: string | Buffer, { first = false, stay = false } = {}) =>
  async (peer: Peer): Promise<void> => {
    if (!first) await new Promise((resolve) => peer.socket.once('data', resolve))
    if (stay) peer.send(text)
    else peer.socket.end(text)
    await peer.closed
  }

const PAGE = '<html><head><title>Proxy</title></head><body>Access denied</body></html>'
const PORT = /set \[broker\] port \(or url\)/

const STRANGERS: readonly (readonly [string, (peer: Peer) => Promise<void>, readonly RegExp[]])[] = [
  ['an AMQP broker', says(Buffer.from('AMQP\0\0\x09\x01', 'latin1')), [/AMQP port/, PORT]],
  ['an AMQP broker that stays', says(Buffer.from('AMQP\0\0\x09\x01', 'latin1'), { stay: true }), [/AMQP port/, PORT]],
  ['a web server', says('HTTP/1.1 400 Bad Request\r\nServer: x\r\nConnection: close\r\n\r\n'), [/web server/, PORT]],
  ['a proxy with a page', says(`HTTP/1.1 403 Forbidden\r\n\r\n${PAGE}`), [/web server/, PORT]],
  ['a proxy with a bare page', says(PAGE), [/web server/, PORT]],
  ['a mail server', says('220 mail.example.org ESMTP\r\n', { first: true, stay: true }), [/mail/, PORT]],
  ['an SSH server', says('SSH-2.0-OpenSSH_9.2\r\n', { first: true, stay: true }), [/SSH/, PORT]],
  ['a TLS port', says(Buffer.from([0x15, 3, 3, 0, 2, 2, 70])), [/use_ssl = true/]],
  ['noise', says(Buffer.alloc(5000, 0xa5)), [/not a STOMP broker/, PORT]],
  ['STOMP 1.3', says('CONNECTED\nversion:1.3\n\n\0', { stay: true }), [/STOMP 1\.3/, /1\.0, 1\.1, 1\.2/]],
  ['a broker without our versions', says('ERROR\nmessage:Version mismatch\n\nSupported versions are 2.0\n\0'), [/speaks none of STOMP 1\.0, 1\.1, 1\.2/]],
  ['a broker that does not know us', says("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'x'\n\0"), [/ask its operator to add it/]],
] // prettier-ignore

describe('what is no broker of ours', options, () => {
  for (const [name, script, words] of STRANGERS) {
    test(`${name} is refused in one sentence`, async (t) => {
      await using peer = await startFakeBroker(script)
      await assertRefused(createSite(scratch(t), peer.port), words)
    })
  }

  test('TLS to a port in the clear', async (t) => {
    await using peer = await startFakeBroker(says('ERROR\nmessage:Malformed\n\n\0'))
    const site = createSite(scratch(t), peer.port)
    site.configure({ both: { broker: { use_ssl: true } } })
    await assertRefused(site, [/use_ssl = false/])
  })
})

function selfSigned(dir: string): TestHost {
  const key = testKey('rsa2048', 5)
  const request = { subject: '/C=XX/O=Test/CN=self.example.org', san: ['DNS:localhost', 'IP:127.0.0.1'], key }
  return writeHost(dir, 'self', issueCertificate(request), key)
}

const CERTIFICATES: readonly (readonly [string, (pki: TestPki) => TestHost, readonly RegExp[]])[] = [
  ['for another host', (pki) => pki.add('elsewhere', { san: ['DNS:elsewhere.example.org'] }), [/not made for this host name/, /\[broker\] host/]],
  ['self-signed', ({ dir }) => selfSigned(dir), [/it is self-signed/, /\[broker\] ca = FILE/]],
  ['that has expired', ({ expired }) => expired, [/has expired/, /verify = warn/]],
  ['of an unknown CA', ({ unknown }) => unknown, [/a CA that we know/, /\[broker\] ca = FILE/]],
] // prettier-ignore

describe('a broker with a certificate', options, () => {
  for (const [name, hostOf, words] of CERTIFICATES) {
    test(`${name} is refused, and learns nothing`, async (t) => {
      const site = createSite(scratch(t), 0)
      const host = hostOf(site.pki)
      const tls = { cert: readFileSync(host.certificateFile), key: readFileSync(host.keyFile) }
      await using peer = await startFakeBroker((one) => one.closed, tls)
      site.configure({ both: { broker: { port: peer.port, use_ssl: true } } })
      await assertRefused(site, [/nothing was sent/, ...words])
      assert.deepEqual(peer.peers.flatMap(({ frames }) => frames), []) // prettier-ignore
    })
  }
})
