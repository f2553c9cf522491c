/** `--check` at real brokers: what it can see, and that nothing is sent or taken. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startActivemq } from '../kit/activemq.js'
import { BROKERS } from '../kit/brokers.js'
import { need } from '../kit/need.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { fillOutgoing, TEXT_KINDS } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, startProgram, type Site } from '../kit/site.js'

async function check(site: Site, role: 'sender' | 'receiver', ...more: readonly string[]) {
  const file = role === 'sender' ? site.senderCfg : site.receiverCfg
  const ended = await startProgram('ssmctl', ['check', '-c', file, '-d', site.dns, ...more]).ended
  return { code: ended.code, text: Buffer.from(ended.stdout, 'latin1').toString() + ended.stderr }
}

for (const { name, skip, start } of BROKERS) {
  test(`a message that waits at ${name} is still there after every check`, { skip }, async (t) => {
    await using broker = await start()
    const site = createSite(scratch(t), broker.port)
    fillOutgoing(site.outgoing, 2, TEXT_KINDS)
    assert.equal((await site.send()).code, 0)
    for (const role of ['sender', 'receiver'] as const) {
      const plain = await check(site, role)
      assert.equal(plain.code, 0, plain.text)
      assert.match(plain.text, /✓ broker .*: login: STOMP 1\.2/)
      const tried = await check(site, role, '--try-destination')
      assert.equal(tried.code, 0, tried.text)
      assert.match(tried.text, /✓ broker .*: destination: /)
    }
    const receiver = site.startReceiver()
    await eventually('both arrived', () => site.countIncoming() === 2)
    await new Promise((resolve) => setTimeout(resolve, 500))
    await receiver.stop()
    assert.equal(site.countIncoming(), 2)
    assert.deepEqual(site.reject(), [])
  })
}

const MAY_NOT = /✗ broker .*: destination: .*does not allow us this destination[\s\S]*→ .*ask the broker’s operator/
const joe = { username: 'joe', password: 'secret' }

test('no right to a destination at RabbitMQ is found when it is tried', { skip: need('rabbitmq') }, async (t) => {
  await using broker = await startRabbitmq({ users: { joe: 'secret' }, rights: { joe: '^$' } })
  const site = createSite(scratch(t), broker.port)
  site.configure({ both: { broker: joe } })
  for (const role of ['sender', 'receiver'] as const) {
    assert.equal((await check(site, role)).code, 0)
    const tried = await check(site, role, '--try-destination')
    assert.equal(tried.code, 1, tried.text)
    assert.match(tried.text, MAY_NOT)
  }
})

test('no right to a destination at ActiveMQ likewise', { skip: need('activemq', 'openssl') }, async (t) => {
  await using broker = await startActivemq({ users: { joe: 'secret' }, rights: { joe: 'other' } })
  const site = createSite(scratch(t), broker.port)
  site.configure({ both: { broker: joe } })
  for (const role of ['sender', 'receiver'] as const) {
    const tried = await check(site, role, '--try-destination')
    assert.equal(tried.code, 1, tried.text)
    assert.match(tried.text, MAY_NOT)
  }
})

test('a certificate that RabbitMQ does not know is found, with whom to ask', { skip: need('rabbitmq') }, async (t) => {
  const site = createSite(scratch(t), 0)
  const { pki } = site
  const tls = {
    ca: join(
      pki.capath,
      readdirSync(pki.capath).find((name) => name.endsWith('.0'))!,
    ),
    certificate: pki.other.certificateFile,
    key: pki.other.keyFile,
  }
  await using broker = await startRabbitmq({ tls, users: { 'CN=other.example.org,O=Test,C=XX': '' } })
  site.configure({ both: { broker: { port: broker.tlsPort, use_ssl: true } } })
  const sender = await check(site, 'sender')
  assert.equal(sender.code, 1, sender.text)
  assert.match(sender.text, /✓ broker .*: tls: verified[\s\S]*✗ broker .*: login: [\s\S]*→ .*operator/)
  const receiver = await check(site, 'receiver')
  assert.equal(receiver.code, 0, receiver.text)
})
