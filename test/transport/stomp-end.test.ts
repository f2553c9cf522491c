/** What a connection leaves behind: nothing. A file of its own, because other tests' time limits are timers too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { never, sealed } from '../contract/transport.js'
import { startFakeBroker } from '../kit/fake-broker.js'
import { stompSettings, testDeps } from '../kit/transport.js'

const waiting = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name.startsWith('TCP'))

test('nothing is left of connections: no timer, no socket', async () => {
  const before = waiting()
  {
    await using broker = await startFakeBroker(async (peer, number) => {
      if (number === 3) return
      await peer.greet('version:1.2\nheart-beat:1000,1000\n')
      if (number === 2) peer.socket.destroy()
    })
    const transport = createStompTransport(stompSettings(broker.port, { heartBeat: 1000 }), testDeps())
    const disposed = await transport.openPublisher(never())
    const waited = disposed.publish({ id: 'a', body: sealed('x') }, never())
    void assert.rejects(waited)
    const cut = await transport.openSubscriber(never())
    await assert.rejects(cut[Symbol.asyncIterator]().next())
    const silent = new AbortController()
    const opening = transport.openSubscriber(silent.signal)
    await sleep(20)
    silent.abort()
    await assert.rejects(opening)
    await disposed[Symbol.asyncDispose]()
    await cut[Symbol.asyncDispose]()
    assert.equal(broker.peers.length, 3)
  }
  await sleep(20)
  assert.deepEqual(waiting(), before)
})
