/**
 * A STOMP server that does what a test tells it: each connection runs a script, so that misbehaviour reads as a dialogue.
 *
 *     await using broker = await startFakeBroker(async (peer) => {
 *       await peer.expect('CONNECT')
 *       peer.send('HTTP/1.1 400 Bad Request\r\n\r\n')
 *     })
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFrameParser, HEAD_LIMITS, type Frame } from '../../src/transport/frame.js'

/** One connection, seen from the broker. */
export interface Peer {
  readonly socket: Socket
  /** All frames received so far. */
  readonly frames: readonly Frame[]
  /** The next frame; fails when it is another command, or none within 5 s. */
  expect(command: string): Promise<Frame>
  send(text: string | Uint8Array): void
  /** One byte at a time, each in a write of its own. */
  drip(text: string | Uint8Array): Promise<void>
  /** Answers CONNECT. */
  greet(headers?: string): Promise<Frame>
  /** Leaves DISCONNECT unanswered. */
  mute(): void
  /** Until the other end closes. */
  closed: Promise<void>
}

export interface FakeBroker extends AsyncDisposable {
  readonly port: number
  readonly peers: readonly Peer[]
  /** What scripts threw. */
  readonly errors: readonly unknown[]
}

/** Serves on a free loopback port, or on `port`; with `tls`, over TLS. */
export async function startFakeBroker(
  script: (peer: Peer, number: number) => Promise<void> | void,
  tls?: TlsOptions,
  port = 0,
): Promise<FakeBroker> {
  const peers: Peer[] = []
  const errors: unknown[] = []
  const sockets = new Set<Socket>()
  const serve = (socket: Socket) => {
    const peer = createPeer(socket)
    peers.push(peer)
    Promise.resolve(script(peer, peers.length)).catch((error: unknown) => errors.push(error))
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    peers,
    errors,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function createPeer(socket: Socket): Peer {
  const frames: Frame[] = []
  let read = 0
  let mute = false
  let wake = (): void => undefined
  const parser = createFrameParser(
    { ...HEAD_LIMITS, bodyBytes: 2 ** 30 },
    {
      frame: (frame) => {
        frames.push(frame)
        if (frame.command === 'DISCONNECT' && !mute) {
          socket.write(`RECEIPT\nreceipt-id:${frame.headers.get('receipt') ?? ''}\n\n\0`)
        }
        wake()
      },
    },
  )
  socket.on('data', (chunk: Buffer) => {
    // Garbage is the test's own affair: it looks at `frames`.
    try {
      parser.push(chunk)
    } catch {
      parser.stop()
    }
  })
  // Tests cut connections: what that does here is no news.
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })
  const next = async (command: string): Promise<Frame> => {
    const deadline = Date.now() + 5_000
    while (frames.length <= read) {
      if (Date.now() > deadline) throw new Error(`no ${command} came`)
      await Promise.race([new Promise<void>((resolve) => (wake = resolve)), sleep(100, undefined, { ref: false })])
    }
    const frame = frames[read++]!
    if (frame.command !== command) throw new Error(`${frame.command} instead of ${command}`)
    return frame
  }
  return {
    socket,
    frames,
    closed,
    expect: next,
    mute: () => {
      mute = true
    },
    send: (text) => void socket.write(text),
    async drip(text) {
      for (const byte of Buffer.from(text as string)) {
        socket.write(Buffer.from([byte]))
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    async greet(headers = 'version:1.2\n') {
      const frame = await next('CONNECT')
      const version = /^version:(1\.[012])$/m.exec(headers)?.[1]
      if (version === '1.1' || version === '1.2' || version === '1.0') parser.version = version
      socket.write(`CONNECTED\n${headers}\n\0`)
      return frame
    },
  }
}
