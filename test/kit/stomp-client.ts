/**
 * A client that knows no rules: it sends the bytes it is told to and gives back the frames it hears, as text. It has its own
 * few lines of parsing, so that a fault of our codec cannot hide itself.
 */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

export interface StompClient extends AsyncDisposable {
  readonly socket: Socket
  /** Text as Latin-1: `\0` and all other bytes as they stand. */
  send(bytes: string | Uint8Array): void
  /** The next frame without its NUL; heart-beats before it are skipped. Rejects after `ms`, or when the connection ends. */
  next(ms?: number): Promise<string>
  /** CONNECT with these header lines, then CONNECTED. */
  greet(...headers: readonly string[]): Promise<string>
  /** Resolves when the connection is closed, whatever comes before. */
  closed(ms?: number): Promise<void>
  /** Heart-beats heard so far. */
  readonly beats: number
}

function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`${what}: not within ${ms} ms`))
    }, ms)
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer)
    })
  })
}

/** A SEND with a content-length. */
export function sendFrame(
  destination: string,
  id: string,
  body: string | Uint8Array,
  receipt: string | null = id,
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const wants = receipt === null ? '' : `receipt:${receipt}\n`
  const head = `SEND\ndestination:${destination}\nempa-id:${id}\n${wants}content-length:${bytes.length}\n\n`
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from('\0')])
}

class Client implements StompClient {
  readonly socket: Socket
  readonly #frames: string[] = []
  #rest = ''
  #changed: () => void = () => undefined
  #ended = false
  beats = 0

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#read(chunk)
    })
    // A reset is an end like any other for these tests; `close` follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#ended = true
      this.#changed()
    })
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  async next(ms = 5000): Promise<string> {
    await within(
      ms,
      'a frame',
      this.#until(() => this.#frames.length > 0 || this.#ended),
    )
    const frame = this.#frames.shift()
    if (frame === undefined) throw new Error('the connection was closed')
    return frame
  }

  async greet(...headers: readonly string[]): Promise<string> {
    this.send(['CONNECT', ...headers, '', '\0'].join('\n'))
    return this.next()
  }

  closed(ms = 5000): Promise<void> {
    return within(
      ms,
      'the end of the connection',
      this.#until(() => this.#ended),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
    await this.closed()
  }

  #read(chunk: Buffer): void {
    this.#rest += chunk.toString('latin1')
    const frames = this.#rest.split('\0')
    this.#rest = frames.pop() ?? ''
    for (const frame of frames) this.#frames.push(this.#withoutBeats(frame))
    this.#rest = this.#withoutBeats(this.#rest)
    this.#changed()
  }

  #withoutBeats(text: string): string {
    const frame = text.replace(/^\n+/, '')
    this.beats += text.length - frame.length
    return frame
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const before = this.#changed
        this.#changed = () => {
          before()
          resolve()
        }
      })
    }
  }
}

/** Connects; with `tls`, over TLS (the server's certificate is not looked at unless the options say so). */
export function connectStomp(port: number, tls?: ConnectionOptions): Promise<StompClient> {
  return new Promise((resolve, reject) => {
    const host = '127.0.0.1'
    const socket =
      tls === undefined ? connectPlain({ host, port }) : connectTls({ host, port, rejectUnauthorized: false, ...tls })
    socket.once('error', reject)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      socket.off('error', reject)
      resolve(new Client(socket))
    })
  })
}
