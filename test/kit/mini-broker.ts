/**
 * A small STOMP broker in this process: queues in memory, receipts, unacknowledged messages that go back when their
 * connection ends. It is fast, and says in which order it did what.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createFrameParser, HEAD_LIMITS, type Frame } from '../../src/transport/frame.js'

export interface BrokerEvents {
  /** The message is the broker's; the receipt goes out now. */
  onTaken?(id: string): void
  /** The receiver has acknowledged it: it will not come again. */
  onAcknowledged?(id: string): void
}

export interface MiniBroker extends AsyncDisposable {
  readonly port: number
  /** Messages that are not acknowledged, those under way included. */
  held(): number
  /** Ends all connections. */
  cut(): void
  /** Puts back what a receiver acknowledged but must get again: the power went while it did so. */
  putBack(messages: readonly Message[]): void
  /** Everything ever taken, in order. */
  readonly taken: readonly Message[]
}

export interface Message {
  readonly id: string
  readonly body: Buffer
}

interface Consumer {
  readonly socket: Socket
  readonly prefetch: number
  readonly subscription: string
  readonly unacknowledged: Map<string, Message>
}

/** One queue, whatever the destination. Loopback, a free port. `heartBeat`: ms in both directions, 0 for none. */
export async function startMiniBroker(events: BrokerEvents = {}, heartBeat = 0): Promise<MiniBroker> {
  const queue = new MiniQueue(events)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    // Tests cut connections: `close` follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      queue.leave(socket)
    })
    serve(socket, queue, heartBeat)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    held: () => queue.held(),
    cut,
    putBack: (messages) => {
      queue.putBack(messages)
    },
    taken: queue.taken,
    async [Symbol.asyncDispose]() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serve(socket: Socket, queue: MiniQueue, heartBeat: number): void {
  const parser = createFrameParser(
    { ...HEAD_LIMITS, bodyBytes: 2 ** 28 },
    {
      frame: (frame) => {
        if (frame.command === 'CONNECT' || frame.command === 'STOMP') {
          parser.version = '1.2'
          socket.write(`CONNECTED\nversion:1.2\nheart-beat:${heartBeat},${heartBeat}\n\n\0`)
          if (heartBeat > 0) beat(socket, heartBeat)
        } else answer(socket, frame, queue)
      },
    },
  )
  socket.on('data', (chunk: Buffer) => {
    try {
      parser.push(chunk)
    } catch {
      // Half a frame of a connection that was cut, or garbage: a broker hangs up.
      socket.destroy()
    }
  })
}

function beat(socket: Socket, interval: number): void {
  const timer = setInterval(() => socket.write('\n'), interval / 2)
  socket.on('close', () => {
    clearInterval(timer)
  })
}

function answer(socket: Socket, frame: Frame, queue: MiniQueue): void {
  const header = (name: string): string => frame.headers.get(name) ?? ''
  if (frame.command === 'SEND') queue.take({ id: header('empa-id'), body: Buffer.from(frame.body) })
  if (frame.command === 'ACK') queue.acknowledge(socket, header('id'))
  if (frame.command === 'SUBSCRIBE') queue.enter(socket, header('id'), Number(header('prefetch-count') || 64))
  const receipt = frame.headers.get('receipt')
  if (receipt !== undefined) socket.write(`RECEIPT\nreceipt-id:${escaped(receipt)}\n\n\0`)
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll(':', '\\c')

class MiniQueue {
  readonly taken: Message[] = []
  readonly #events: BrokerEvents
  readonly #waiting: Message[] = []
  readonly #consumers = new Map<Socket, Consumer>()
  #tags = 0

  constructor(events: BrokerEvents) {
    this.#events = events
  }

  held(): number {
    const away = [...this.#consumers.values()].reduce((sum, { unacknowledged }) => sum + unacknowledged.size, 0)
    return this.#waiting.length + away
  }

  take(message: Message): void {
    this.taken.push(message)
    this.#waiting.push(message)
    this.#events.onTaken?.(message.id)
    this.#deliver()
  }

  putBack(messages: readonly Message[]): void {
    this.#waiting.unshift(...messages)
    this.#deliver()
  }

  enter(socket: Socket, subscription: string, prefetch: number): void {
    this.#consumers.set(socket, { socket, prefetch, subscription, unacknowledged: new Map() })
    this.#deliver()
  }

  leave(socket: Socket): void {
    const consumer = this.#consumers.get(socket)
    this.#consumers.delete(socket)
    if (consumer !== undefined) this.putBack([...consumer.unacknowledged.values()])
  }

  acknowledge(socket: Socket, tag: string): void {
    const unacknowledged = this.#consumers.get(socket)?.unacknowledged
    const message = unacknowledged?.get(tag)
    if (message === undefined) return
    unacknowledged?.delete(tag)
    this.#events.onAcknowledged?.(message.id)
    this.#deliver()
  }

  #deliver(): void {
    for (const consumer of this.#consumers.values()) {
      while (consumer.unacknowledged.size < consumer.prefetch) {
        const message = this.#waiting.shift()
        if (message === undefined) return
        const tag = `t${this.#tags++}`
        consumer.unacknowledged.set(tag, message)
        const head = `MESSAGE\nsubscription:${consumer.subscription}\nmessage-id:${tag}\nack:${tag}\nempa-id:${escaped(message.id)}\n`
        consumer.socket.write(
          Buffer.concat([
            Buffer.from(`${head}content-length:${message.body.length}\n\n`),
            message.body,
            Buffer.from([0]),
          ]),
        )
      }
    }
  }
}
