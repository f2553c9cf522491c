/** Sending to brokers that refuse, forget, confuse and stall. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/os/clock.js'
import type { Frame } from '../../src/transport/frame.js'
import { createStompTransport } from '../../src/transport/stomp/index.js'
import { StompSocket } from '../../src/transport/stomp/socket.js'
import { never, sealed } from '../contract/transport.js'
import { startFakeBroker, type FakeBroker } from '../kit/fake-broker.js'
import { eventually } from '../kit/site.js'
import { refusal, stompSettings, testDeps, transportTo } from '../kit/transport.js'

const options = { timeout: 120_000 }

/** What is to be done at the end of this turn of the event loop, and the next one, is done; a busy machine's timers may come before. */
const turns = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

/** It greets, reads nothing until `released`, and then confirms so many messages. */
function startUnread(released: AbortSignal, count: number, look?: (frame: Frame) => void): Promise<FakeBroker> {
  return startFakeBroker(async (peer) => {
    await peer.greet()
    peer.socket.pause()
    if (!released.aborted) await once(released, 'abort')
    peer.socket.resume()
    for (let n = 0; n < count; n++) {
      const frame = await peer.expect('SEND')
      look?.(frame)
      peer.send(`RECEIPT\nreceipt-id:${frame.headers.get('receipt') ?? ''}\n\n\0`)
    }
  })
}

describe('sending', options, () => {
  test('what goes over the wire', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      const { headers } = await peer.expect('SEND')
      peer.send(`RECEIPT\nreceipt-id:${(headers.get('receipt') ?? '').replaceAll(':', '\\c')}\n\n\0`)
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    await publisher.publish({ id: 'a:b', body: sealed('x\0y') }, never())
    const send = broker.peers[0]!.frames[1]!
    assert.deepEqual(Object.fromEntries(send.headers), {
      destination: '/queue/test',
      receipt: 'a:b',
      'empa-id': 'a:b',
      persistent: 'true',
      'content-length': '3',
    })
    assert.equal(send.body.toString(), 'x\0y')
  })

  test('receipts of others, doubled receipts and receipts without an id are ignored', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SEND')
      await peer.expect('SEND')
      peer.send('RECEIPT\nreceipt-id:other\n\n\0RECEIPT\n\n\0RECEIPT\nreceipt-id:b\n\n\0RECEIPT\nreceipt-id:b\n\n\0')
    })
    const deps = testDeps()
    await using publisher = await transportTo(broker, {}, deps).openPublisher(never())
    let first = 'waiting'
    const a = publisher.publish({ id: 'a', body: sealed('x') }, never()).then(
      () => (first = 'confirmed'),
      () => (first = 'lost'),
    )
    await publisher.publish({ id: 'b', body: sealed('x') }, never())
    await sleep(50)
    assert.equal(first, 'waiting')
    assert.deepEqual(
      deps.log.lines.filter((line) => line.includes('nobody waits')).map((line) => line.split(': ')[1]),
      ['other', '', 'b'],
    )
    broker.peers[0]!.socket.destroy()
    await a
    assert.equal(first, 'lost')
  })

  test('a receipt that does not come is late', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
    })
    let now = 0
    const clock = {
      ...systemClock,
      monotonic: () => now,
      sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(10, signal),
    }
    const deps = { ...testDeps(), clock }
    // CONNECTED has come before the hurried clock says that it is late.
    const publisher = await createStompTransport(stompSettings(broker.port), {
      ...deps,
      clock: {
        ...clock,
        sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms === 10_000 ? ms : 10, signal),
      },
    }).openPublisher(never())
    const late = publisher.publish({ id: 'a', body: sealed('x') }, never())
    now = 59_000
    await sleep(50)
    now = 61_000
    await assert.rejects(late, refusal('receipt-late', /confirm a in time/))
    broker.peers[0]!.socket.destroy()
    await publisher[Symbol.asyncDispose]()
  })

  test('an ERROR that names a receipt refuses that message; the others are only lost', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SEND')
      await peer.expect('SEND')
      peer.send('ERROR\nmessage:too rude\nreceipt-id:b\n\nnot this one\0')
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    const a = publisher.publish({ id: 'a', body: sealed('x') }, never())
    const b = publisher.publish({ id: 'b', body: sealed('x') }, never())
    await assert.rejects(b, refusal('message-refused', /too rude: not this one/))
    await assert.rejects(a, refusal('connection-lost', /too rude/))
  })

  test('ActiveMQ’s refusal of a right is about the destination, whichever message it names', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet()
      await peer.expect('SEND')
      peer.send(
        'ERROR\nmessage:User u is not authorized to write to\\c queue\\c//x\nreceipt-id:a\n\njava.lang.SecurityException\0',
      )
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    await assert.rejects(
      publisher.publish({ id: 'a', body: sealed('x') }, never()),
      refusal('destination-refused', /not authorized to write/),
    )
  })

  test('a broker that does not read slows us down without a loss', async () => {
    const released = new AbortController()
    await using broker = await startUnread(released.signal, 40, ({ body }) => {
      assert.equal(body.length, 1_000_000)
    })
    await using publisher = await transportTo(broker).openPublisher(never())
    const body = sealed(Buffer.alloc(1_000_000, 'x'))
    const sent = Array.from({ length: 40 }, (_, index) => publisher.publish({ id: `m${index}`, body }, never()))
    await sleep(100)
    released.abort()
    await Promise.all(sent)
    assert.deepEqual(broker.errors, [])
  })

  test('a receipt for what has not gone out yet confirms nothing', async () => {
    const released = new AbortController()
    await using broker = await startUnread(released.signal, 21)
    const deps = testDeps()
    await using publisher = await transportTo(broker, {}, deps).openPublisher(never())
    const body = sealed(Buffer.alloc(1_000_000, 'x'))
    const sent = Array.from({ length: 20 }, (_, n) => publisher.publish({ id: `m${n}`, body }, never()))
    let last = 'waiting'
    const waiting = publisher.publish({ id: 'last', body }, never()).then(() => (last = 'confirmed'))
    await sleep(50)
    broker.peers[0]!.send('RECEIPT\nreceipt-id:last\n\n\0')
    await eventually('it was heard', () => deps.log.lines.some((line) => line.includes('nobody waits for: last')))
    assert.equal(last, 'waiting')
    released.abort()
    await Promise.all([...sent, waiting])
    assert.deepEqual(broker.errors, [])
    assert.equal(broker.peers[0]!.frames.filter(({ headers }) => headers.get('receipt') === 'last').length, 1)
  })

  test('the body of what could not be sent goes out with nothing else', async () => {
    await using broker = await startFakeBroker(async (peer) => {
      await peer.greet('version:1.2\n')
    })
    const publisher = await transportTo(broker, { destination: '/queue/a\0b' }).openPublisher(never())
    await assert.rejects(publisher.publish({ id: 'a', body: sealed('secret') }, never()), refusal('message-refused'))
    await publisher[Symbol.asyncDispose]()
    assert.deepEqual(
      broker.peers[0]!.frames.map(({ command, body }) => [command, body.toString()]),
      [
        ['CONNECT', ''],
        ['DISCONNECT', ''],
      ],
    )
  })

  test('messages of one turn go out together, until a good many wait', async () => {
    const calls: number[] = []
    let taken = (): void => undefined
    class Slow extends Duplex {
      override _read(): void {
        // nothing comes
      }
      override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
        this._writev([{ chunk }], done)
      }
      override _writev(waiting: readonly { readonly chunk: Buffer }[], done: () => void): void {
        calls.push(waiting.reduce((sum, { chunk }) => sum + chunk.length, 0))
        taken = done
      }
    }
    let drained = 0
    const nothing = (): void => undefined
    const events = { broken: nothing, closed: nothing, receipt: nothing, activity: nothing, drained: () => drained++ }
    const socket = new StompSocket(new Slow(), 'stomp://here', 1000, events)
    let sent = 0
    const send = (): void => {
      socket.nextBody = Buffer.alloc(10_000)
      socket.send('SEND\n\n\0')
      sent += 10_007
    }
    for (let n = 0; n < 10; n++) {
      assert.equal(socket.blocked, false)
      send()
    }
    await turns()
    assert.deepEqual(calls, [sent])
    // What the system has not taken yet counts.
    while (!socket.blocked) send()
    assert.ok(sent >= 256 * 1024 && sent < 280 * 1024, `${sent}`)
    for (let n = 0; n < 2; n++) {
      assert.equal(drained, 0)
      taken()
      await turns()
    }
    assert.deepEqual([calls.length, calls.reduce((sum, size) => sum + size, 0), drained], [2, sent, 1])
    assert.equal(socket.blocked, false)
    socket.terminate()
  })

  for (const [version, id, wire] of [
    ['1.1', 'a:b\\c\nd', 'a\\cb\\\\c\\nd'],
    ['1.2', 'a:b\\c\nd\r', 'a\\cb\\\\c\\nd\\r'],
    ['1.0', 'a:b\\c', 'a:b\\c'],
  ] as const) {
    test(`STOMP ${version} escapes ids as it should`, async () => {
      await using broker = await startFakeBroker(async (peer) => {
        await peer.greet(version === '1.0' ? 'session:1\n' : `version:${version}\n`)
        await peer.expect('SEND')
        peer.send(`RECEIPT\nreceipt-id:${wire}\n\n\0`)
      })
      await using publisher = await transportTo(broker).openPublisher(never())
      let raw = ''
      broker.peers[0]!.socket.on('data', (chunk: Buffer) => (raw += chunk.toString()))
      await publisher.publish({ id, body: sealed('x') }, never())
      assert.ok(raw.includes(`\nempa-id:${wire}\n`), raw)
    })
  }

  for (const [version, id] of [
    ['1.0', 'a\nb:c'],
    ['1.0', 'a\rb'],
    ['1.1', 'a\rb'],
    ['1.2', 'a\0b'],
  ] as const) {
    test(`STOMP ${version} cannot carry the id ${JSON.stringify(id)}: nothing is sent`, async () => {
      await using broker = await startFakeBroker(async (peer) => {
        await peer.greet(`version:${version}\n`)
      })
      await using publisher = await transportTo(broker).openPublisher(never())
      await assert.rejects(publisher.publish({ id, body: sealed('x') }, never()), refusal('message-refused'))
      await sleep(30)
      assert.equal(broker.peers[0]!.frames.length, 1)
    })
  }
})
