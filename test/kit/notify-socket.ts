/**
 * The supervisor's end of sd_notify(3): a datagram socket of Unix, which Node has not, held by a Python process.
 */
import { startChild } from './site.js'

export interface NotifySocket {
  readonly path: string
  /** The words that came, in order: `READY=1`, … Barriers are answered and left out. */
  words(): string[]
  stop(): Promise<void>
}

const SERVER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 4096, 8)
    for fd in fds:
        os.close(fd)
    for word in data.decode().split('\\n'):
        if word and word != 'BARRIER=1':
            print(word, flush=True)
`

export async function startNotifySocket(path: string): Promise<NotifySocket> {
  const server = startChild('/usr/bin/python3', ['-c', SERVER, path])
  let text = ''
  const bound = new Promise<void>((resolve) => {
    server.child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('bound\n')) resolve()
    })
  })
  await Promise.race([bound, server.ended])
  return {
    path,
    words: () => text.split('\n').slice(1, -1),
    async stop() {
      await server.stop()
    },
  }
}
