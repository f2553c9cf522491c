/** STOMP over WebSocket against servers that behave and servers that do not. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocketServer, type WebSocket } from 'ws'
import { toPem } from '../../src/crypto/pem.js'
import type { ErrorCode } from '../../src/errors.js'
import { createStompTransport, type StompSettings } from '../../src/transport/stomp/index.js'
import { never, sealed, take } from '../contract/transport.js'
import { createTestPki } from '../kit/ca.js'
import { startFakeBroker } from '../kit/fake-broker.js'
import { scratch } from '../kit/scratch.js'
import { hurriedDeps, messageFrame, refusal, stompSettings, testDeps } from '../kit/transport.js'

const options = { timeout: 120_000 }

interface Web extends AsyncDisposable {
  readonly port: number
  readonly sockets: readonly Socket[]
}

async function serving(server: Server): Promise<Web> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A web server that answers every upgrade with these bytes. */
function answering(bytes: string | ((key: string) => string)): Promise<Web> {
  const server = createServer()
  server.on('upgrade', (request, socket) => {
    const key = String(request.headers['sec-websocket-key'])
    // An HTTP server's sockets stay half open by themselves.
    socket.once('end', () => socket.destroy()).resume()
    socket.write(typeof bytes === 'string' ? bytes : bytes(key))
  })
  return serving(server)
}

/** A STOMP broker by WebSocket: answers CONNECT, then hands over. `messages` are what came, one entry a message. */
async function startWebBroker(
  script: (web: WebSocket, text: string) => void,
  { greeting = '', onUpgrade }: { readonly greeting?: string; readonly onUpgrade?: (headers: string[]) => void } = {},
): Promise<Web & { readonly messages: readonly { readonly text: string; readonly binary: boolean }[] }> {
  const server = createServer()
  const messages: { text: string; binary: boolean }[] = []
  const sockets = new WebSocketServer({ server, handleProtocols: (names) => [...names][0] ?? false })
  if (onUpgrade !== undefined) sockets.on('headers', onUpgrade)
  sockets.on('connection', (web) => {
    web.on('error', () => undefined)
    web.on('message', (data, binary) => {
      const text = (data as Buffer).toString('latin1')
      messages.push({ text, binary })
      if (text.startsWith('CONNECT')) web.send(`CONNECTED\nversion:1.2\n${greeting}\n\0`, { binary: false })
      else script(web, text)
      const receipt = /^DISCONNECT\n(?:.*\n)*?receipt:(.*)\n/.exec(text)?.[1]
      if (receipt !== undefined) web.send(`RECEIPT\nreceipt-id:${receipt}\n\n\0`)
    })
  })
  return Object.assign(await serving(server), { messages })
}

const to = (port: number, settings: Partial<StompSettings> = {}): StompSettings =>
  stompSettings(port, { addresses: [{ scheme: 'ws', host: '127.0.0.1', port, path: '/ws' }], ...settings })

const html = '<html><body>proxy</body></html>'
const page = (status: string, headers = '') =>
  `HTTP/1.1 ${status}\r\n${headers}Content-Type: text/html\r\nContent-Length: ${html.length}\r\n\r\n${html}`

function accepted(key: string): string {
  const digest = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${digest}\r\n`
}

const REFUSALS: readonly (readonly [string, string | ((key: string) => string), ErrorCode, RegExp])[] = [
  ['a web page', page('200 OK'), 'not-the-protocol', /answers with a web page/],
  ['a redirect', page('301 Moved', 'Location: http://else/ws\r\n'), 'not-the-protocol', /301 Moved, to http:\/\/else/],
  ['401', page('401 Unauthorized'), 'login-refused', /wants a login of HTTP/],
  ['403', page('403 Forbidden'), 'login-refused', /does not let us in: ask its operator/],
  ['404', page('404 Not Found'), 'not-the-protocol', /nothing at this path: check \[broker\] url/],
  ['a proxy that wants a login', page('407 Proxy'), 'login-refused', /a proxy is in between/],
  ['a proxy without a broker', page('502 Bad Gateway'), 'unreachable', /does not reach the broker behind it/],
  ['a teapot', page('418 Teapot'), 'not-the-protocol', /does not make a WebSocket of this.*418 Teapot/],
  ['an SSH server', 'SSH-2.0-OpenSSH_9\r\n', 'not-the-protocol', /not a web server: it looks like an SSH server/],
  ['a STOMP port', 'ERROR\nmessage:what\n\n\0', 'not-the-protocol', /it is a STOMP port: use stomp:\/\//],
  [
    'a wrong proof',
    `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
    'not-the-protocol',
    /Accept/,
  ],
  ['no STOMP', (key) => `${accepted(key)}\r\n`, 'not-the-protocol', /does not speak STOMP over WebSocket/],
  [
    'a broken frame right behind the answer',
    (key) => `${accepted(key)}Sec-WebSocket-Protocol: v12.stomp\r\n\r\n\x7f\x7f\x7f`,
    'not-the-protocol',
    /breaks the rules of WebSocket/,
  ],
  [
    'another protocol',
    (key) => `${accepted(key)}Sec-WebSocket-Protocol: mqtt\r\n\r\n`,
    'not-the-protocol',
    /does not speak STOMP over WebSocket/,
  ],
]

describe('what answers instead of a WebSocket', options, () => {
  for (const [name, answer, code, words] of REFUSALS) {
    test(`${name}: one sentence with the address`, async () => {
      await using server = await answering(answer)
      const transport = createStompTransport(to(server.port), testDeps())
      await assert.rejects(transport.openPublisher(never()), (error) => {
        refusal(code, words, /^ws:\/\/127\.0\.0\.1:\d+\/ws: /)(error)
        assert.doesNotMatch(String(error), /\n|proxy<|<html>/)
        return true
      })
      while (server.sockets.some(({ destroyed }) => !destroyed)) await sleep(5)
    })
  }

  test('silence: given up in time, and when aborted', async () => {
    await using server = await answering('')
    const late = createStompTransport(to(server.port), hurriedDeps())
    await assert.rejects(late.openPublisher(never()), refusal('unreachable', /not connected within 10 s/))
    const stop = new AbortController()
    const opening = createStompTransport(to(server.port), testDeps()).openPublisher(stop.signal)
    while (server.sockets.length < 2) await sleep(5)
    stop.abort()
    await assert.rejects(opening, refusal('aborted'))
    while (server.sockets.some(({ destroyed }) => !destroyed)) await sleep(5)
  })

  test('an endless answer is limited', async () => {
    await using server = await answering(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`)
    await assert.rejects(
      createStompTransport(to(server.port), testDeps()).openPublisher(never()),
      refusal('not-the-protocol', /answer of the web server cannot be read/),
    )
  })

  test('a certificate for another host: refused before the request', async () => {
    const pki = createTestPki(scratch())
    const host = pki.add('elsewhere', { san: ['DNS:elsewhere.example.org'] })
    const files = { cert: readFileSync(host.certificateFile), key: readFileSync(host.keyFile) }
    await using broker = await startFakeBroker(() => undefined, files)
    const material = {
      certificate: readFileSync(pki.other.certificateFile, 'utf8'),
      key: readFileSync(pki.other.keyFile, 'utf8'),
      ca: [toPem('CERTIFICATE', pki.ca.certificate.der)],
      verify: 'true' as const,
    }
    const settings = stompSettings(0, {
      addresses: [{ scheme: 'wss', host: '127.0.0.1', port: broker.port, path: '/ws' }],
      tls: () => Promise.resolve(material),
    })
    await assert.rejects(
      createStompTransport(settings, testDeps()).openPublisher(never()),
      refusal('peer-certificate', /wss:\/\/127\.0\.0\.1:\d+\/ws/, /not made for this host name/, /nothing was sent/),
    )
    await Promise.all(broker.peers.map(({ closed }) => closed))
    assert.deepEqual(
      broker.peers.map(({ socket }) => socket.bytesRead),
      broker.peers.map(() => 0),
    )
  })
})

describe('over a WebSocket', options, () => {
  const receipts = (web: WebSocket, text: string) => {
    const receipt = /^SEND\n(?:.*\n)*?receipt:(.*)\n/.exec(text)?.[1]
    if (receipt !== undefined) web.send(`RECEIPT\nreceipt-id:${receipt}\n\n\0`)
  }

  test('each STOMP frame is one binary message', async () => {
    await using broker = await startWebBroker(receipts)
    const publisher = await createStompTransport(to(broker.port), testDeps()).openPublisher(never())
    const sent = Array.from({ length: 50 }, (_, index) =>
      publisher.publish({ id: `m${index}`, body: sealed(Buffer.alloc(index * 3000, 0xfe)) }, never()),
    )
    await Promise.all(sent)
    await publisher[Symbol.asyncDispose]()
    assert.ok(broker.messages.every(({ binary, text }) => binary && text.endsWith('\0') && /^[A-Z]+\n/.test(text)))
    const commands = broker.messages.map(({ text }) => text.slice(0, text.indexOf('\n')))
    assert.deepEqual(commands, ['CONNECT', ...sent.map(() => 'SEND'), 'DISCONNECT'])
  })

  test('a message that calls itself text arrives byte for byte', async () => {
    const body = Buffer.from([0xff, 0xc0, 0x00, 0x80, 0x0a])
    await using broker = await startWebBroker((web, text) => {
      if (!text.startsWith('SUBSCRIBE')) return
      const head = 'MESSAGE\nsubscription:1\nmessage-id:1\nack:1\nempa-id:x\ncontent-length:5\n\n'
      web.send(Buffer.concat([Buffer.from(head), body, Buffer.from('\0')]), { binary: false })
    })
    await using subscriber = await createStompTransport(to(broker.port), testDeps()).openSubscriber(never())
    assert.deepEqual((await take(subscriber, 1))[0]?.body, body)
  })

  test('who does not take deliveries slows the broker down, and gets all of them later', async () => {
    const count = 400
    const body = 'x'.repeat(100_000)
    let flooding: WebSocket | undefined
    await using broker = await startWebBroker((web, text) => {
      if (!text.startsWith('SUBSCRIBE')) return
      flooding = web
      for (let index = 0; index < count; index++) web.send(messageFrame(`f${index}`, body))
    })
    const window = { messages: 4, bytes: 200_000 }
    const transport = createStompTransport(to(broker.port, { window }), testDeps())
    await using subscriber = await transport.openSubscriber(never())
    await sleep(300)
    // Of 40 MB, socket buffers hold some.
    assert.ok((flooding?.bufferedAmount ?? 0) > 20_000_000, String(flooding?.bufferedAmount))
    assert.equal((await take(subscriber, count)).length, count)
  })

  test('a message beyond the limit ends the connection in words', async () => {
    await using broker = await startWebBroker((_web, text) => {
      if (!text.startsWith('SUBSCRIBE')) return
      // A binary frame that announces 200 MiB.
      const head = Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0])
      head.writeBigUInt64BE(200n * 1024n * 1024n, 2)
      broker.sockets[0]?.write(head)
    })
    await using subscriber = await createStompTransport(to(broker.port), testDeps()).openSubscriber(never())
    await assert.rejects(subscriber[Symbol.asyncIterator]().next(), refusal('connection-lost', /max_message_size/))
  })

  for (const [name, cut, words] of [
    [
      'closed in order',
      (web: WebSocket) => {
        web.close(1000)
      },
      /closed the connection/,
    ],
    [
      'closed with a code',
      (web: WebSocket) => {
        web.close(1011, 'out of order')
      },
      /1011 out of order/,
    ],
    [
      'cut',
      (web: WebSocket) => {
        web.terminate()
      },
      /closed the connection/,
    ],
  ] as const) {
    test(`a connection that is ${name} is lost`, async () => {
      await using broker = await startWebBroker((web) => {
        cut(web)
      })
      const publisher = await createStompTransport(to(broker.port), testDeps()).openPublisher(never())
      await assert.rejects(
        publisher.publish({ id: 'a', body: sealed('x') }, never()),
        refusal('connection-lost', words),
      )
      await publisher[Symbol.asyncDispose]()
    })
  }

  test('heart-beats are sent, and a broker without any is given up after two', async () => {
    await using broker = await startWebBroker(() => undefined, { greeting: 'heart-beat:100,100\n' })
    const transport = createStompTransport(to(broker.port, { heartBeat: 100 }), testDeps())
    const publisher = await transport.openPublisher(never())
    const lost = publisher.publish({ id: 'a', body: sealed('x') }, never())
    await assert.rejects(lost, refusal('connection-lost', /no heart-beat from the broker for 200 ms/))
    assert.ok(broker.messages.some(({ text }) => text === '\n'))
    await publisher[Symbol.asyncDispose]()
  })

  test('a clock that is off is warned about', async () => {
    const dated = (minutes: number) =>
      startWebBroker(receipts, {
        onUpgrade: (headers) => {
          headers.push(`Date: ${new Date(Date.now() + minutes * 60_000).toUTCString()}`)
        },
      })
    for (const [minutes, warnings] of [
      [7, 1],
      [-60, 1],
      [4, 0],
    ] as const) {
      await using broker = await dated(minutes)
      const deps = testDeps()
      const publisher = await createStompTransport(to(broker.port), deps).openPublisher(never())
      await publisher[Symbol.asyncDispose]()
      const lines = deps.log.lines.filter((line) => line.startsWith('WARNING The clock here and that of ws://'))
      assert.equal(lines.length, warnings, lines.join('\n'))
    }
  })
})
