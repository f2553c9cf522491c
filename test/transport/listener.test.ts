import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { systemClock } from '../../src/os/clock.js'
import { createListenerTransport } from '../../src/transport/listener/index.js'
import { DESTINATION, openListening } from '../kit/listening.js'
import { connectStomp, sendFrame } from '../kit/stomp-client.js'

test('RECEIPT goes out only when the message is stored, in any order', async () => {
  await using listening = await openListening()
  await using client = await connectStomp(listening.port)
  assert.match(await client.greet('accept-version:1.0,1.1,1.2'), /^CONNECTED\nversion:1\.2\n/)
  client.send(Buffer.concat([sendFrame(DESTINATION, 'a', 'one'), sendFrame(DESTINATION, 'b', 'two\0bytes', 'r-b')]))
  const first = await listening.take()
  const second = await listening.take()
  assert.deepEqual([first.id, Buffer.from(first.body).toString()], ['a', 'one'])
  assert.deepEqual([second.id, Buffer.from(second.body).toString()], ['b', 'two\0bytes'])
  await assert.rejects(client.next(100), /not within/)
  second.stored()
  assert.equal(await client.next(), 'RECEIPT\nreceipt-id:r-b\n\n')
  first.stored()
  first.release()
  assert.equal(await client.next(), 'RECEIPT\nreceipt-id:a\n\n')
})

test('a released message gets no RECEIPT: the connection ends when the others are answered', async () => {
  await using listening = await openListening()
  await using client = await connectStomp(listening.port)
  await client.greet('accept-version:1.1')
  client.send(Buffer.concat(['a', 'b'].map((id) => sendFrame(DESTINATION, id, id))))
  const first = await listening.take()
  const second = await listening.take()
  first.release()
  client.send(sendFrame(DESTINATION, 'c', 'c'))
  second.stored()
  assert.equal(await client.next(), 'RECEIPT\nreceipt-id:b\n\n')
  const error = await client.next()
  assert.match(error, /^ERROR\nmessage:messages cannot be stored now/)
  assert.doesNotMatch(error, /receipt-id/)
  client.socket.end()
  await client.closed()
  assert.ok(await listening.quiet(50))
})

test('the window bounds what is handed out, by messages and by bytes', async () => {
  for (const window of [
    { messages: 2, bytes: 1_000_000 },
    { messages: 100, bytes: 25 },
  ]) {
    await using listening = await openListening({ window })
    await using client = await connectStomp(listening.port)
    await client.greet('accept-version:1.2')
    for (const id of ['a', 'b', 'c']) client.send(sendFrame(DESTINATION, id, '0123456789'))
    const first = await listening.take()
    await listening.take()
    assert.ok(await listening.quiet(100))
    first.stored()
    assert.equal((await listening.take()).id, 'c')
  }
})

test('a message larger than the window of bytes comes alone', async () => {
  await using listening = await openListening({ window: { messages: 10, bytes: 5 } })
  await using client = await connectStomp(listening.port)
  await client.greet('accept-version:1.2')
  client.send(sendFrame(DESTINATION, 'a', '0123456789'))
  client.send(sendFrame(DESTINATION, 'b', '0123456789'))
  const first = await listening.take()
  assert.ok(await listening.quiet(50))
  first.stored()
  assert.equal((await listening.take()).id, 'b')
})

test('a client that goes: what it has no receipt for is not delivered any more, what asked for none is', async () => {
  await using listening = await openListening({ window: { messages: 1, bytes: 1000 } })
  const client = await connectStomp(listening.port)
  await client.greet('accept-version:1.2')
  const frames = [
    sendFrame(DESTINATION, 'a', 'x'),
    sendFrame(DESTINATION, 'b', 'x'),
    sendFrame(DESTINATION, 'c', 'x', null),
  ]
  client.send(Buffer.concat(frames))
  const first = await listening.take()
  await using other = await connectStomp(listening.port)
  await other.greet('accept-version:1.2')
  client.socket.resetAndDestroy()
  await client.closed()
  await new Promise((resolve) => setTimeout(resolve, 50))
  first.stored()
  assert.equal((await listening.take()).id, 'c')
})

test('dispose: what was taken and not stored is not confirmed by the RECEIPT of DISCONNECT either', async () => {
  const listening = await openListening({ window: { messages: 1, bytes: 1000 } })
  await using client = await connectStomp(listening.port)
  await client.greet('accept-version:1.2')
  const goodbye = Buffer.from('DISCONNECT\nreceipt:bye\n\n\0')
  client.send(Buffer.concat([...['a', 'b'].map((id) => sendFrame(DESTINATION, id, 'x', null)), goodbye]))
  const first = await listening.take()
  const disposed = listening[Symbol.asyncDispose]()
  first.stored()
  await assert.rejects(client.next(), /closed/)
  client.socket.destroy()
  await disposed
})

test('dispose: no new clients, iteration ends, what was handed out is still answered', async () => {
  const listening = await openListening()
  await using client = await connectStomp(listening.port)
  await client.greet('accept-version:1.2')
  client.send(sendFrame(DESTINATION, 'a', 'x'))
  const delivery = await listening.take()
  const disposed = listening[Symbol.asyncDispose]()
  await assert.rejects(connectStomp(listening.port))
  delivery.stored()
  assert.equal(await client.next(), 'RECEIPT\nreceipt-id:a\n\n')
  client.socket.end()
  await disposed
})

test('dispose has a deadline: a consumer and clients that do nothing cannot hold it up', async () => {
  const listening = await openListening({ limits: { drainMs: 100, lingerMs: 100 } })
  await using client = await connectStomp(listening.port)
  await using silent = await connectStomp(listening.port)
  await client.greet('accept-version:1.2')
  client.socket.allowHalfOpen = true
  client.send(sendFrame(DESTINATION, 'a', 'x'))
  await listening.take()
  const started = performance.now()
  await listening[Symbol.asyncDispose]()
  assert.ok(performance.now() - started < 2000)
  await silent.closed()
})

const deps = {
  log: {
    debug: () => undefined,
    info: () => undefined,
    warning: () => undefined,
    error: () => undefined,
    critical: () => undefined,
  },
  clock: systemClock,
}

const settings = {
  tls: null,
  destination: DESTINATION,
  window: { messages: 1, bytes: 1 },
  maxConnections: 1,
  maxMessageSize: 1,
}

test('without TLS only loopback addresses', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org', '1.127.0.0']) {
    const transport = createListenerTransport({ ...settings, listen: { host, port: 0 } }, deps)
    await assert.rejects(transport.openSubscriber(new AbortController().signal), (error) => {
      return isSsmError(error, 'configuration') && error.message.includes('without TLS')
    })
  }
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost', '::ffff:127.0.0.1']) {
    const transport = createListenerTransport({ ...settings, listen: { host, port: 0 } }, deps)
    await using subscriber = await transport.openSubscriber(new AbortController().signal)
    assert.ok(subscriber)
    assert.notEqual(transport.address(), null)
  }
})

test('an address in use is temporary; a second listener, a publisher and an abort end in words', async () => {
  await using listening = await openListening()
  const transport = createListenerTransport({ ...settings, listen: { host: '127.0.0.1', port: listening.port } }, deps)
  await assert.rejects(transport.openSubscriber(new AbortController().signal), (e) => isSsmError(e, 'unreachable'))
  await assert.rejects(transport.openPublisher(new AbortController().signal), (e) => isSsmError(e, 'usage'))
  await assert.rejects(transport.openSubscriber(AbortSignal.abort()), (e) => isSsmError(e, 'aborted'))
})

test('abort ends the iteration quietly and frees the port', async () => {
  const transport = createListenerTransport({ ...settings, listen: { host: '127.0.0.1', port: 0 } }, deps)
  const abort = new AbortController()
  const subscriber = await transport.openSubscriber(abort.signal)
  const ended = (async () => {
    for await (const delivery of subscriber) delivery.release()
  })()
  abort.abort()
  await ended
  await subscriber[Symbol.asyncDispose]()
  assert.equal(transport.address(), null)
})
