/**
 * A way between two programs that misbehaves: it passes bytes until it is told otherwise, cuts, freezes, resets, drips or
 * delays. Each connection gets its own trouble.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** `up`: from the program to the broker. `down`: the other way. */
export type Direction = 'up' | 'down'

/** What becomes of one connection. `after`: so many bytes have passed in that direction. */
export interface Trouble {
  readonly kind: 'none' | 'cut' | 'reset' | 'freeze' | 'drip' | 'delay'
  readonly direction?: Direction
  readonly after?: number
  /** For `delay`, ms. */
  readonly ms?: number
}

export interface RoughNetwork extends AsyncDisposable {
  readonly port: number
  /** Connections so far. */
  readonly connections: () => number
  /** How many had their trouble. */
  readonly troubled: () => number
  /** Bytes of the last connection, by direction, and after how many of them a frame ended. */
  readonly last: () => Readonly<Record<Direction, Passed>>
}

export interface Passed {
  bytes: number
  readonly ends: number[]
}

/** Leads to `port`. `trouble` is asked for each connection, from 0. */
export async function startRoughNetwork(port: number, trouble: (n: number) => Trouble): Promise<RoughNetwork> {
  let connections = 0
  let troubled = 0
  let last = nothingPassed()
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const passed = nothingPassed()
    last = passed
    const mine = trouble(connections++)
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      // What is cut here is cut on purpose; `close` follows.
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    const happens = (): void => {
      troubled += 1
    }
    pass({ from: near, to: far, direction: 'up', trouble: mine, passed, happens })
    pass({ from: far, to: near, direction: 'down', trouble: mine, passed, happens })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    troubled: () => troubled,
    last: () => last,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Way {
  readonly from: Socket
  readonly to: Socket
  readonly direction: Direction
  readonly trouble: Trouble
  readonly passed: Readonly<Record<Direction, Passed>>
  readonly happens: () => void
}

const nothingPassed = (): Record<Direction, Passed> => ({ up: { bytes: 0, ends: [] }, down: { bytes: 0, ends: [] } })

function pass(way: Way): void {
  const { from, to, direction, trouble, passed } = way
  const concerned = trouble.direction === undefined || trouble.direction === direction
  const mine = passed[direction]
  let over = false
  from.on('data', (chunk: Buffer) => {
    if (over) return
    const room = concerned && STOPS[trouble.kind] !== undefined ? (trouble.after ?? 0) - mine.bytes : Infinity
    const piece = chunk.length > room ? chunk.subarray(0, room) : chunk
    for (let at = piece.indexOf(0); at >= 0; at = piece.indexOf(0, at + 1)) mine.ends.push(mine.bytes + at + 1)
    mine.bytes += piece.length
    if (concerned) send(way, piece)
    else to.write(piece)
    if (chunk.length < room) return
    over = true
    way.happens()
    STOPS[trouble.kind]?.(from, to)
  })
  // An end that is closed is closed for the other one too: of a frozen way the broker learns by its heart-beats.
  from.on('close', () => to.end())
}

function send({ to, trouble }: Way, piece: Buffer): void {
  if (trouble.kind === 'drip') for (const byte of piece) to.write(Buffer.from([byte]))
  else if (trouble.kind === 'delay') setTimeout(() => to.write(piece), trouble.ms)
  else to.write(piece)
}

/** How a connection ends. What was passed on before a cut arrives; a reset may overtake it. */
const STOPS: Readonly<Partial<Record<Trouble['kind'], (from: Socket, to: Socket) => void>>> = {
  cut(from, to) {
    to.end(() => {
      to.destroy()
      from.destroy()
    })
  },
  reset(from, to) {
    to.resetAndDestroy()
    from.resetAndDestroy()
  },
  freeze() {
    // Both ends stay open, and what comes from now on goes nowhere.
  },
}
