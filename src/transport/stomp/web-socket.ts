/**
 * A WebSocket as a byte stream: what is written in one call is one binary message, what comes in messages of either kind
 * is read as bytes.
 *
 * Binary: RabbitMQ 3.10 ends the connection with 1007 when a text message is not UTF-8, and itself sends whatever a body
 * holds as text (both seen); so ours are never text, and theirs are never checked for UTF-8. One STOMP frame a message:
 * RabbitMQ would take any pieces, other brokers take each message for a whole frame.
 */
import { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { SsmError } from '../../errors.js'

const HIGH_WATER_MARK = 64 * 1024

/** RFC 6455 section 7.4.1: in order, going away, no code, cut. An ERROR frame before it has said why. */
const PLAIN_ENDS: readonly number[] = [1000, 1001, 1005, 1006]

type Written = Readonly<{ chunk: Buffer }>
type Done = (error?: Error | null) => void

export class WebSocketStream extends Duplex {
  readonly #web: WebSocket
  readonly #socket: Socket

  /** `web` is about to open over `socket`. */
  constructor(web: WebSocket, socket: Socket) {
    super({ readableHighWaterMark: HIGH_WATER_MARK, writableHighWaterMark: HIGH_WATER_MARK })
    this.#web = web
    this.#socket = socket
    web.on('message', (data) => {
      // `nodebuffer` is set: each message is one Buffer.
      if (!this.push(data)) web.pause()
    })
    web.on('error', (error) => {
      this.destroy(error)
    })
    web.on('close', (code, reason) => {
      if (PLAIN_ENDS.includes(code)) this.push(null)
      else this.destroy(new SsmError('connection-lost', `the WebSocket was closed: ${code} ${reason.toString('utf8')}`))
    })
  }

  override _read(): void {
    if (this.#web.isPaused) this.#web.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#web.send(chunk, { binary: true }, done)
  }

  /** What waited goes out together: one system call for many messages. */
  override _writev(waiting: readonly Written[], done: Done): void {
    this.#socket.cork()
    for (const [index, { chunk }] of waiting.entries()) {
      this.#web.send(chunk, { binary: true }, index === waiting.length - 1 ? done : undefined)
    }
    this.#socket.uncork()
  }

  override _final(done: Done): void {
    if (this.#web.readyState === this.#web.CLOSED) {
      done()
      return
    }
    this.#web.once('close', () => {
      done()
    })
    this.#web.close(1000)
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#web.terminate()
    done(error)
  }
}
