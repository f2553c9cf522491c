/** The main job over WebSocket: the real programs, RabbitMQ's web_stomp, TLS with client certificates. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { toPem } from '../../src/crypto/pem.js'
import { startConnectProxy } from '../kit/connect-proxy.js'
import { need } from '../kit/need.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { fillOutgoing, TEXT_KINDS } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, startProgram } from '../kit/site.js'

const COUNT = 200

test(`${COUNT} messages over wss, encrypted; then a wrong path`, { skip: need('rabbitmq') }, async (t) => {
  const site = createSite(scratch(t), 0)
  const { pki } = site
  const ca = join(site.dir, 'ca.pem')
  writeFileSync(ca, toPem('CERTIFICATE', pki.ca.certificate.der))
  await using broker = await startRabbitmq({
    web: true,
    tls: { ca, certificate: pki.other.certificateFile, key: pki.other.keyFile },
    users: { 'CN=host.example.org,O=Test,C=XX': '', 'CN=other.example.org,O=Test,C=XX': '' },
  })
  const at = (path: string) => ({
    both: {
      broker: {
        host: undefined,
        port: undefined,
        use_ssl: undefined,
        url: `wss://localhost:${broker.webTlsPort}${path}`,
      },
    },
    sender: { certificates: { server_cert: pki.other.certificateFile } },
  })
  site.configure(at('/ws'))
  const sent = fillOutgoing(site.outgoing, COUNT, TEXT_KINDS)
  const receiver = site.startReceiver()
  const ended = await site.send()
  assert.equal(ended.code, 0, ended.stderr + site.log('ssmsend'))
  await eventually('all arrived', () => site.countIncoming() >= COUNT)
  assert.equal((await receiver.stop()).code, 0)
  const got = site.incoming().map(({ body }) => body!.toString('base64'))
  assert.deepEqual(got.sort(), sent.map((body) => body.toString('base64')).sort())
  assert.deepEqual(site.reject(), [])

  // Through a web proxy with a login, to a name that only the proxy can look up.
  await using proxy = await startConnectProxy({ login: 'joe:s3cret' })
  const url = `wss://other.example.org:${broker.webTlsPort}/ws`
  site.configure({ both: { broker: { host: undefined, port: undefined, use_ssl: undefined, url } } })
  const [more] = fillOutgoing(site.outgoing, 1, ['ascii'])
  const env = { https_proxy: `http://joe:s3cret@127.0.0.1:${proxy.port}`, no_proxy: 'elsewhere.example.org' }
  const proxied = startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns, '--foreground'], { env })
  const viaProxy = await startProgram('ssmsend', ['-c', site.senderCfg], { env }).ended
  assert.equal(viaProxy.code, 0, viaProxy.stderr + site.log('ssmsend'))
  await eventually('it arrived', () => site.countIncoming() > COUNT)
  assert.equal((await proxied.stop()).code, 0)
  assert.ok(site.incoming().some(({ body }) => body!.equals(more!)))
  assert.deepEqual(new Set(proxy.requests.map(({ target }) => target)), new Set([url.slice(6, -3)]))
  assert.doesNotMatch(site.log('ssmsend') + site.log('ssmreceive'), /s3cret/)

  site.configure(at('/nowhere'))
  fillOutgoing(site.outgoing, 1, TEXT_KINDS)
  const refused = await site.send()
  assert.equal(refused.code, 75)
  assert.match(site.log('ssmsend'), /wss:\/\/localhost:\d+\/nowhere: there is nothing at this path.*answered 404/)
  site.configure(at('/ws'))
  assert.equal((await site.send()).code, 0)
})
