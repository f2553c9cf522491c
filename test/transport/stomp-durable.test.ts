/** What the receipt is worth: a broker that is killed has every message that it confirmed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { BROKERS } from '../kit/brokers.js'
import { stompSettings, testDeps } from '../kit/transport.js'

const COUNT = 100

for (const { name, skip, start } of BROKERS) {
  test(`100 confirmed messages survive kill -9 of ${name}`, { skip, timeout: 90_000 }, async () => {
    await using broker = await start()
    const transport = createStompTransport(stompSettings(broker.port, { destination: '/queue/durable' }), testDeps())
    const publisher = await transport.openPublisher(never())
    const ids = Array.from({ length: COUNT }, (_, index) => `m${index}`)
    // The queue is made by the first message, and a broker may write down a moment later that it has it.
    await publisher.publish({ id: ids[0]!, body: sealed(`body of ${ids[0]}`) }, never())
    await sleep(4000)
    await Promise.all(ids.slice(1).map((id) => publisher.publish({ id, body: sealed(`body of ${id}`) }, never())))
    await broker.kill()
    await publisher[Symbol.asyncDispose]()
    await broker.start()
    await using subscriber = await transport.openSubscriber(never())
    const taken = await take(subscriber, COUNT)
    assert.deepEqual(taken.map(({ id }) => id).sort(), ids.sort())
    for (const { id, body } of taken) assert.equal(Buffer.from(body).toString(), `body of ${id}`)
  })
}
