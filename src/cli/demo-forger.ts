/**
 * Somebody in the middle, for the demonstration: puts bytes of his choice into a connection, as a broker could. A client
 * of a few lines that speaks STOMP by hand, because ours sends nothing that was not just sealed.
 */
import { connect, type TLSSocket } from 'node:tls'
import { SsmError } from '../errors.js'

const WAIT_MS = 15_000

export interface Forger {
  /** Resolves when the receiver has confirmed it: whatever the bytes are worth, they are then safe on its disk. */
  send(id: string, body: Uint8Array): Promise<void>
  close(): void
}

export interface ForgerOptions {
  readonly port: number
  readonly destination: string
  /** PEM. */
  readonly certificate: string
  readonly key: string
  readonly ca: string
}

export async function createForger(options: ForgerOptions): Promise<Forger> {
  const { certificate, key, ca, port, destination } = options
  const socket = connect({ host: '127.0.0.1', port, cert: certificate, key, ca, servername: 'localhost' })
  const answers = createAnswers(socket)
  socket.once('secureConnect', () => {
    socket.write('CONNECT\naccept-version:1.2\nhost:localhost\n\n\0')
  })
  await answers.expect('CONNECTED')
  return {
    async send(id, body) {
      const head = `SEND\ndestination:${destination}\nempa-id:${id}\nreceipt:${id}\ncontent-length:${body.length}\n\n`
      socket.write(Buffer.concat([Buffer.from(head), body, Buffer.from([0])]))
      await answers.expect('RECEIPT')
    },
    close() {
      socket.destroy()
    },
  }
}

interface Answers {
  expect(command: string): Promise<void>
}

/** Frames of a peer that is ours: ended by a NUL, small, without bodies that hold one. */
function createAnswers(socket: TLSSocket): Answers {
  let text = ''
  let failed: Error | undefined
  let wake = (): void => undefined
  socket.setTimeout(WAIT_MS, () => socket.destroy(new Error('no answer')))
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    wake()
  })
  socket.on('error', (error: Error) => {
    failed = error
    wake()
  })
  socket.on('close', () => {
    failed ??= new Error('the connection was closed')
    wake()
  })
  return {
    async expect(command) {
      while (!text.includes('\0') && failed === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const end = text.indexOf('\0')
      const frame = text.slice(0, end).trimStart()
      if (end === -1 || !frame.startsWith(`${command}\n`)) {
        throw new SsmError('internal', `expected ${command}, got ${frame.split('\n', 1)[0] ?? ''}`, { cause: failed })
      }
      text = text.slice(end + 1)
    },
  }
}
