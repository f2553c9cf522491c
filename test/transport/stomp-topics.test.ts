/** A durable subscription to a topic, on real brokers: what is sent while nobody is subscribed comes later. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { BROKERS } from '../kit/brokers.js'
import { stompSettings, testDeps } from '../kit/transport.js'

const RABBITMQ_ONLY = ['/exchange/amq.topic/durable.exchange']

for (const { name, skip, start } of BROKERS) {
  const destinations = ['/topic/durable', ...(name === 'RabbitMQ' ? RABBITMQ_ONLY : [])]
  test(`a durable subscription: ${name}`, { skip, timeout: 90_000 }, async () => {
    await using broker = await start()
    for (const [index, destination] of destinations.entries()) {
      const to = (durable?: string) => {
        const settings = stompSettings(broker.port, { destination, ...(durable === undefined ? {} : { durable }) })
        return createStompTransport(settings, testDeps())
      }
      const keeper = to(`keeper-${index}`)
      const first = await keeper.openSubscriber(never())
      const publisher = await to().openPublisher(never())
      // SUBSCRIBE is not confirmed: what is sent before the broker has read it has no subscriber yet.
      await sleep(1000)
      await publisher.publish({ id: 'seen', body: sealed('1') }, never())
      assert.equal((await take(first, 1))[0]?.id, 'seen')
      await first[Symbol.asyncDispose]()
      await publisher.publish({ id: 'kept', body: sealed('2') }, never())
      const second = await keeper.openSubscriber(never())
      assert.equal((await take(second, 1))[0]?.id, 'kept')
      for (const each of [publisher, second]) await each[Symbol.asyncDispose]()
    }
  })
}
