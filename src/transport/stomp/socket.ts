/**
 * The socket that stompjs believes to be a WebSocket, over any byte stream (TCP, TLS, or a WebSocket of `ws`).
 *
 * The library's own parser works byte by byte, has no limits, trims header values and un-escapes them in the wrong order:
 * 122 µs for a 13 KB message, gigabytes for a 100 MB one (both measured). So frames are read here, with limits, and the
 * library gets a stand-in: the same command with the headers that its state machine needs, made from constants and checked
 * values, and no body. Its callbacks run during the call, and find the real frame in `frame`. The same way out:
 * `nextBody` is written as it is after the head that the library makes, where it would copy it.
 */
import type { Duplex } from 'node:stream'
import { StompSocketState, type IStompSocket } from '@stomp/stompjs'
import { SsmError, messageOf } from '../../errors.js'
import { createFrameParser, HEAD_LIMITS, type Frame, type FrameParser, type StompVersion } from '../frame.js'
import { KEPT_OF_OVERSIZED } from './settings.js'
import { WebSocketStream } from './web-socket.js'

/** The receipt that DISCONNECT asks for. A constant: the library must recognise it, and no message id is taken for it. */
export const DISCONNECT_RECEIPT = 'ssm-disconnect'

const NUL = Buffer.from([0])
/**
 * Octets that may wait in the stream. With its own mark (16 KiB) there is one message of 10 KB in it at a time, and a system
 * call, a turn of the event loop and a wake-up of the broker for each.
 */
const WRITE_ROOM = 256 * 1024
/** The first bytes of a stream, for saying what answers when it is not STOMP. */
const FIRST_BYTES = 64

export interface SocketEvents {
  /** Bytes came that are no STOMP, or exceed a limit. */
  broken(error: SsmError): void
  /** The stream ended; the error when it had one. */
  closed(error: Error | null): void
  /** The stream takes more again after `blocked`. */
  drained(): void
  /** A receipt for a frame of ours, DISCONNECT excepted. Past the library, which would only call back: 8 us. */
  receipt(id: string): void
  /** Anything was received. */
  activity(): void
}

export class StompSocket implements IStompSocket {
  readonly url: string
  binaryType = 'arraybuffer'
  onopen: IStompSocket['onopen'] = null
  onclose: IStompSocket['onclose'] = null
  onerror: IStompSocket['onerror'] = null
  onmessage: IStompSocket['onmessage'] = null
  readyState: StompSocketState = StompSocketState.OPEN
  /** The frame that is being handed through the library. */
  frame: Frame | null = null
  /** Goes out with the next frame, in place of the empty body that the library knows of. */
  nextBody: Uint8Array | null = null
  readonly #stream: Duplex
  readonly #events: SocketEvents
  readonly #parser: FrameParser
  #first: Buffer = Buffer.alloc(0)
  #error: Error | null = null
  #corked = false

  /** `stream` is connected and verified: the library sends CONNECT as soon as it has the socket. */
  constructor(stream: Duplex, url: string, maxBody: number, events: SocketEvents) {
    this.url = url
    this.#stream = stream
    this.#events = events
    this.#parser = createFrameParser(
      { ...HEAD_LIMITS, bodyBytes: maxBody, kept: Math.min(maxBody, KEPT_OF_OVERSIZED) },
      {
        frame: (frame) => {
          this.#hand(frame)
        },
      },
    )
    stream.on('data', (chunk: Buffer) => {
      this.#receive(chunk)
    })
    stream.on('drain', () => {
      events.drained()
    })
    stream.on('error', (error) => {
      this.#error ??= error
    })
    // The other end's FIN ends it: STOMP has no half-closed connections.
    stream.on('end', () => {
      this.terminate()
    })
    stream.on('close', () => {
      this.#close()
    })
  }

  /** The version that CONNECTED agreed on: from then on headers are escaped by its rules. */
  set version(version: StompVersion) {
    this.#parser.version = version
  }

  /** What came first, at most 64 bytes. */
  get first(): Buffer {
    return this.#first
  }

  /** Should more wait for `drained`? */
  get blocked(): boolean {
    return this.#stream.writableNeedDrain && this.#stream.writableLength >= WRITE_ROOM
  }

  get paused(): boolean {
    return this.#stream.isPaused()
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
    if (typeof data !== 'string') throw new SsmError('internal', 'internal error: the STOMP library sent no text')
    const body = this.nextBody
    this.nextBody = null
    if (this.#stream.destroyed || this.#stream.writableEnded) return
    this.#cork()
    if (body === null) {
      this.#stream.write(data)
      return
    }
    // The library closed the frame with a NUL: the body goes before it.
    if (this.#stream instanceof WebSocketStream) {
      this.#stream.write(Buffer.concat([Buffer.from(data.slice(0, -1)), body, NUL]))
      return
    }
    this.#stream.write(data.slice(0, -1))
    this.#stream.write(body)
    this.#stream.write(NUL)
  }

  close(): void {
    if (this.readyState === StompSocketState.CLOSED) return
    this.readyState = StompSocketState.CLOSING
    this.#uncork()
    this.#stream.end(() => {
      this.#stream.destroy()
    })
  }

  terminate(): void {
    this.readyState = this.readyState === StompSocketState.CLOSED ? StompSocketState.CLOSED : StompSocketState.CLOSING
    this.#parser.stop()
    this.#stream.destroy()
  }

  /** What is written during one turn of the event loop goes out together: one system call for many frames. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#stream.cork()
    setImmediate(() => {
      this.#uncork()
    })
  }

  #uncork(): void {
    if (!this.#corked) return
    this.#corked = false
    this.#stream.uncork()
  }

  #receive(chunk: Buffer): void {
    if (this.#first.length < FIRST_BYTES) {
      this.#first = Buffer.concat([this.#first, chunk.subarray(0, FIRST_BYTES - this.#first.length)])
    }
    this.#events.activity()
    try {
      this.#parser.push(chunk)
    } catch (error) {
      this.#events.broken(
        error instanceof SsmError ? error : new SsmError('internal', messageOf(error), { cause: error }),
      )
    }
  }

  #hand(frame: Frame): void {
    const receipt = frame.command === 'RECEIPT' ? (frame.headers.get('receipt-id') ?? '') : DISCONNECT_RECEIPT
    if (receipt !== DISCONNECT_RECEIPT) {
      this.#events.receipt(receipt)
      return
    }
    this.frame = frame
    this.onmessage?.({ data: standIn(frame) })
    this.frame = null
  }

  #close(): void {
    if (this.readyState === StompSocketState.CLOSED) return
    this.readyState = StompSocketState.CLOSED
    this.onclose?.({ code: 1000, reason: '' })
    this.#events.closed(this.#error)
  }
}

const STAND_INS: Readonly<Record<string, (frame: Frame) => string>> = {
  CONNECTED: ({ headers }) => `CONNECTED\nversion:${headers.get('version') ?? '1.0'}\n${heartBeat(headers)}\n\0`,
  MESSAGE: () => 'MESSAGE\nsubscription:1\nmessage-id:0\nack:0\n\n\0',
  RECEIPT: () => `RECEIPT\nreceipt-id:${DISCONNECT_RECEIPT}\n\n\0`,
  ERROR: () => 'ERROR\n\n\0',
}

/** Versions are checked by the session; a heart-beat is passed on only when its timer cannot overflow (2^31 ms). */
function heartBeat(headers: Frame['headers']): string {
  const value = headers.get('heart-beat') ?? ''
  return /^[0-9]{1,9},[0-9]{1,9}$/.test(value) ? `heart-beat:${value}\n` : ''
}

function standIn(frame: Frame): string {
  const make = Object.hasOwn(STAND_INS, frame.command) ? STAND_INS[frame.command] : undefined
  if (make === undefined) throw new SsmError('malformed', `not a frame that a broker sends: ${frame.command}`)
  return make(frame)
}
