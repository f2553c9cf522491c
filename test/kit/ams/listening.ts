/** The double's sockets: TLS or not, a port that stays the same from one start to the next, connections that can be cut. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createPlain, type RequestListener, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { createServer as createTcp, type AddressInfo, type Socket } from 'node:net'

/** PEM files of the server's certificate and key: a `TestHost` will do. */
export interface ServerTls {
  readonly certificateFile: string
  readonly keyFile: string
}

export interface Listening {
  readonly port: number
  readonly listening: boolean
  start(): Promise<void>
  /** Cuts all connections, and takes no more. */
  stop(): Promise<void>
  dropConnections(): void
}

export interface ListeningOptions {
  readonly tls: ServerTls | undefined
  /** 0: a free one, at the first start. */
  readonly port: number
  /** Idle connections are closed after so many ms. */
  readonly keepAlive: number
}

/** On the loopback; `start` it. */
export function createListening(
  { tls, port: wanted, keepAlive }: ListeningOptions,
  handler: RequestListener,
): Listening {
  let port = wanted
  const sockets = new Set<Socket>()
  const inner = tls === undefined ? createPlain(handler) : createSecure(tlsOptions(tls), handler)
  inner.keepAliveTimeout = keepAlive
  const outer = createTcp({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    if (tls === undefined) inner.emit('connection', socket)
    else withFirstByte(socket, inner)
  })
  const dropConnections = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    get port() {
      return port
    },
    get listening() {
      return outer.listening
    },
    dropConnections,
    async start() {
      outer.listen(port, '127.0.0.1')
      await once(outer, 'listening')
      // A TCP server's address.
      port = (outer.address() as AddressInfo).port
    },
    async stop() {
      dropConnections()
      if (!outer.listening) return
      const closed = once(outer, 'close')
      outer.close()
      await closed
    },
  }
}

const tlsOptions = ({ certificateFile, keyFile }: ServerTls) =>
  ({ cert: readFileSync(certificateFile), key: readFileSync(keyFile), minVersion: 'TLSv1.2' }) as const

/** A TLS server says so to who speaks plain HTTP. */
function withFirstByte(socket: Socket, inner: Server): void {
  socket.once('data', (chunk: Buffer) => {
    socket.pause()
    if (chunk[0] !== 0x16) {
      const text = 'Client sent an HTTP request to an HTTPS server.\n'
      socket.end(`HTTP/1.0 400 Bad Request\r\n\r\n${text}`)
      return
    }
    socket.unshift(chunk)
    inner.emit('connection', socket)
  })
}
