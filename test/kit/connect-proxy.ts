/**
 * A web proxy that makes tunnels (CONNECT): to names that only it can resolve, with a login when told so, over TLS when told so.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface ConnectProxyOptions {
  /** `user:password` that it wants. */
  readonly login?: string
  /** What it answers instead of making a tunnel; '' = nothing. */
  readonly answer?: string
  /** Its side of TLS. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export interface ConnectProxy extends AsyncDisposable {
  readonly port: number
  /** Targets that were asked for, with what came along. */
  readonly requests: readonly { readonly target: string; readonly headers: IncomingHttpHeaders }[]
  /** Nothing passes any more, and nobody is told. */
  freeze(): void
}

/** Every name leads to this machine, at the port that was asked for. */
export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const requests: { target: string; headers: IncomingHttpHeaders }[] = []
  const sockets = new Set<Duplex>()
  const keep = (socket: Duplex): void => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  }
  const serve = ({ url = '', headers }: IncomingMessage, socket: Duplex): void => {
    keep(socket)
    requests.push({ target: url, headers })
    const expected = options.login === undefined ? undefined : `Basic ${Buffer.from(options.login).toString('base64')}`
    if (options.answer !== undefined) socket.write(options.answer)
    else if (headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n')
    } else {
      const onward = connect(Number(/:([0-9]+)$/.exec(url)?.[1]), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      keep(onward)
      onward.once('close', () => socket.destroy())
      socket.once('close', () => onward.destroy())
    }
  }
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls)
  server.on('connect', serve)
  server.on('connection', keep)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    freeze() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface FreezingProxy extends AsyncDisposable {
  readonly port: number
  /** Connections so far. */
  readonly connections: number
  /** What is connected now stays so, and nothing passes: as behind a firewall that forgot it. New connections work. */
  freeze(): void
}

/** Passes bytes on to a port of this machine. */
export async function startFreezingProxy(to: number): Promise<FreezingProxy> {
  const { createServer: createTcpServer } = await import('node:net')
  const pairs: [Socket, Socket][] = []
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    const onward = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true })
    for (const each of [socket, onward]) each.on('error', () => undefined)
    socket.pipe(onward).pipe(socket)
    pairs.push([socket, onward])
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.length
    },
    freeze() {
      for (const pair of pairs) for (const socket of pair) socket.unpipe().pause()
    },
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
