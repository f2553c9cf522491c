/** Names with several addresses, and IPv6: looked up at each attempt, and whichever address answers is good. */
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, test, type TestContext } from 'node:test'
import { createListenerTransport, createStompTransport } from '../../src/transport/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { stompSettings, testDeps, refusal } from '../kit/transport.js'

const loopbacks = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
const skip = loopbacks.some(({ address }) => address === '::1') ? false : 'there is no ::1 here'

/** Says CONNECTED and gives receipts, at one address. */
async function startAt(
  t: TestContext,
  host: string,
  port = 0,
): Promise<{ server: Server; port: number; seen: string[] }> {
  const seen: string[] = []
  const server = createServer((socket) => {
    seen.push(socket.localAddress ?? '?')
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (text.startsWith('CONNECT')) socket.write('CONNECTED\nversion:1.2\n\n\0')
      const receipt = /^receipt:(\S+)$/mu.exec(text)?.[1]
      if (receipt !== undefined) socket.write(`RECEIPT\nreceipt-id:${receipt}\n\n\0`)
      text = ''
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  t.after(() => server.close())
  return { server, port: (server.address() as AddressInfo).port, seen }
}

/** What the system's resolver answers for this name from now on; each answer once, the last one for ever. */
function resolveAs(t: TestContext, name: string, ...answers: readonly (readonly string[])[]): () => number {
  const left = [...answers]
  let asked = 0
  const real = dns.lookup.bind(dns)
  const lookup = (host: string, options: dns.LookupAllOptions, done: (error: Error | null, all: unknown) => void) => {
    if (host !== name) {
      real(host, options, done)
      return
    }
    asked += 1
    const answer = (left.length > 1 ? left.shift() : left[0]) ?? []
    const all = answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    process.nextTick(() => {
      done(null, all)
    })
  }
  // The cast: of the forms that lookup has this is the one that connecting uses.
  t.mock.method(dns, 'lookup', lookup as unknown as typeof dns.lookup)
  return () => asked
}

async function publishTo(host: string, port: number): Promise<readonly string[]> {
  const deps = testDeps()
  const transport = createStompTransport(stompSettings(port, { addresses: [{ host, port }] }), deps)
  await using publisher = await transport.openPublisher(never())
  await publisher.publish({ id: 'a', body: sealed('x') }, never())
  return deps.log.lines
}

describe('addresses', { skip, timeout: 60_000 }, () => {
  test('::1, as it is written', async (t) => {
    const { port, seen } = await startAt(t, '::1')
    const lines = await publishTo('::1', port)
    assert.deepEqual(seen, ['::1'])
    assert.ok(lines.includes(`INFO Established connection to ::1, port ${port}`))
  })

  test('the first address refuses, the second answers', async (t) => {
    const { port, seen } = await startAt(t, '127.0.0.1')
    resolveAs(t, 'broker.example.org', ['::1', '127.0.0.1'])
    await publishTo('broker.example.org', port)
    assert.deepEqual(seen, ['127.0.0.1'])
  })

  test('of several of one family, too', async (t) => {
    const { port, seen } = await startAt(t, '127.0.0.3')
    resolveAs(t, 'broker.example.org', ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    await publishTo('broker.example.org', port)
    assert.deepEqual(seen, ['127.0.0.3'])
  })

  test('none answers: one refusal, in words', async (t) => {
    const { port, server } = await startAt(t, '127.0.0.1')
    server.close()
    resolveAs(t, 'broker.example.org', ['::1', '127.0.0.1'])
    await assert.rejects(publishTo('broker.example.org', port), refusal('unreachable', /nothing listens on this port/))
  })

  test('the name is looked up at each attempt', async (t) => {
    const { port, seen } = await startAt(t, '127.0.0.1')
    const asked = resolveAs(t, 'broker.example.org', ['::1'], ['127.0.0.1'])
    const settings = stompSettings(port, { addresses: [{ host: 'broker.example.org', port }] })
    const transport = createStompTransport(settings, testDeps())
    await assert.rejects(transport.openPublisher(never()), refusal('unreachable'))
    await using _publisher = await transport.openPublisher(never())
    assert.deepEqual([asked(), seen], [2, ['127.0.0.1']])
  })

  test('a listener at ::1', async () => {
    const transport = createListenerTransport(
      {
        listen: { host: '::1', port: 0 },
        tls: null,
        destination: '/queue/test',
        window: { messages: 64, bytes: 2 ** 25 },
        maxConnections: 10,
        maxMessageSize: 2 ** 20,
      },
      testDeps(),
    )
    await using subscriber = await transport.openSubscriber(never())
    const { host, port } = transport.address() ?? { host: '', port: 0 }
    assert.equal(host, '::1')
    const publishing = publishTo('::1', port)
    const [delivery] = await take(subscriber, 1)
    await publishing
    assert.equal(delivery?.id, 'a')
  })
})
