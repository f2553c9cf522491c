/** Several brokers: the order in which they are tried, and addresses of IPv6. */
import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { describe, test } from 'node:test'
import { createHealth, UNWELL_MS } from '../../src/transport/stomp/health.js'
import { createStompTransport, type Address } from '../../src/transport/stomp/index.js'
import { addressText } from '../../src/transport/stomp/settings.js'
import { never } from '../contract/transport.js'
import { startFakeBroker } from '../kit/fake-broker.js'
import { freePorts } from '../kit/rabbitmq.js'
import { refusal, stompSettings, testDeps } from '../kit/transport.js'

const named = (...hosts: readonly string[]): Address[] => hosts.map((host) => ({ host, port: 1 }))
const tries = (lines: readonly string[]) => lines.filter((line) => /Failed to connect|Established/.test(line))

describe('several brokers', { timeout: 120_000 }, () => {
  test('one that failed is tried last, for five minutes', () => {
    let now = 0
    const [a, b, c] = named('a', 'b', 'c') as [Address, Address, Address]
    const health = createHealth([a, b, c], { monotonic: () => now })
    const order = () => health.inOrder().map(({ host }) => host)
    assert.deepEqual(order(), ['a', 'b', 'c'])
    health.failed(a)
    assert.deepEqual(order(), ['b', 'c', 'a'])
    now = 1000
    health.failed(b)
    assert.deepEqual(order(), ['c', 'a', 'b'])
    health.worked(b)
    assert.deepEqual(order(), ['b', 'c', 'a'])
    now = UNWELL_MS
    assert.deepEqual(order(), ['a', 'b', 'c'])
  })

  test('the second is taken when the first is down, and first of all the next time', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
    })
    const [dead = 0] = await freePorts(1)
    const deps = testDeps()
    const addresses = [dead, broker.port].map((port) => ({ host: '127.0.0.1', port }))
    const transport = createStompTransport(stompSettings(0, { addresses }), deps)
    for (const expected of [
      [/^WARNING Failed to connect to 127\.0\.0\.1:\d+: .*nothing listens/, /^INFO Established/],
      [/^INFO Established/],
    ]) {
      deps.log.lines.length = 0
      await (await transport.openPublisher(never()))[Symbol.asyncDispose]()
      const seen = tries(deps.log.lines)
      assert.equal(seen.length, expected.length, seen.join('\n'))
      for (const [index, words] of expected.entries()) assert.match(seen[index]!, words)
    }
  })

  test('when none can be used, the sentence is that of the one that says most', async () => {
    await using stranger = await startFakeBroker((peer) => {
      peer.send('SSH-2.0-x\r\n')
    })
    const [dead = 0] = await freePorts(1)
    const addresses = [stranger.port, dead].map((port) => ({ host: '127.0.0.1', port }))
    await assert.rejects(
      createStompTransport(stompSettings(0, { addresses }), testDeps()).openPublisher(never()),
      refusal('not-the-protocol', /none of 2 brokers can be used: .*SSH/),
    )
  })

  test('IPv6: in brackets wherever a port follows', async (t) => {
    assert.equal(addressText({ host: '::1', port: 61613 }), '[::1]:61613')
    assert.equal(addressText({ host: '::1', port: 80, scheme: 'ws', path: '/ws' }), 'ws://[::1]:80/ws')
    const there = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
    if (!there) {
      t.diagnostic('this machine has no ::1: nothing was connected')
      return
    }
    const [dead = 0] = await freePorts(1)
    const deps = testDeps()
    const transport = createStompTransport(stompSettings(0, { addresses: [{ host: '::1', port: dead }] }), deps)
    await assert.rejects(transport.openPublisher(never()), refusal('unreachable', /^\[::1\]:\d+: nothing listens/))
    assert.match(deps.log.lines.join(), /Failed to connect to \[::1\]:\d+: /)
  })
})
