/**
 * The limits of this machine, measured in the same run without our transports and spools: RSA, the disk, the broker.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, fsync, mkdirSync, open, openSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTestPki } from '../kit/ca.js'
import { makeRecord } from '../kit/records.js'
import { systemClock } from '../../src/os/clock.js'
import { createOpen } from '../../src/envelope/open.js'
import { createSeal } from '../../src/envelope/seal.js'
import { parseDnList } from '../../src/trust/dn-list.js'
import { createTrust } from '../../src/trust/trust-holder.js'
import type { Figure } from './figures.js'

/** `openssl speed`: signatures a second on so many cores. */
export function opensslSign(cores: number): Figure {
  const args = ['speed', '-seconds', '2', ...(cores > 1 ? ['-multi', String(cores)] : []), 'rsa2048']
  const { stdout } = spawnSync('openssl', args, { encoding: 'utf8' })
  const rate = Number(/^rsa 2048 bits.*?\s([\d.]+)\s+[\d.]+\s*$/m.exec(stdout)?.[1])
  return { what: `openssl speed rsa2048 sign, ${cores} core${cores > 1 ? 's' : ''}`, rate }
}

/** Runs `count` tasks, `width` at a time: how many a second, and what each takes of the processor. */
async function rateOf(
  count: number,
  width: number,
  task: (n: number) => Promise<unknown>,
): Promise<Required<Pick<Figure, 'rate' | 'cpu'>>> {
  let next = 0
  const before = process.cpuUsage()
  const start = performance.now()
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) await task(next++)
    }),
  )
  const rate = (count / (performance.now() - start)) * 1000
  const { user, system } = process.cpuUsage(before)
  return { rate, cpu: (user + system) / 1000 / count }
}

const openAsync = promisify(open)
const fsyncAsync = promisify(fsync)

/** Three files and their directory, all fsynced, 16 messages at a time: what storing one message costs at least. */
export async function rawStore(dir: string, count: number): Promise<Figure> {
  const body = makeRecord('ascii', 1)
  const top = join(dir, 'store')
  mkdirSync(top)
  const figure = await rateOf(count, 16, async (n) => {
    const folder = join(top, String(n))
    mkdirSync(folder)
    await Promise.all(
      ['body', 'signer', 'empaid'].map(async (name) => {
        const fd = await openAsync(join(folder, name), 'wx')
        writeSync(fd, name === 'body' ? body : Buffer.from(name))
        await fsyncAsync(fd)
        closeSync(fd)
      }),
    )
    const directory = openSync(folder, 'r')
    await fsyncAsync(directory)
    closeSync(directory)
  })
  return { what: 'raw durable store: 3 files, fsync of files and directory', ...figure }
}

/** Persistent SENDs of 10 KB with receipts, 64 in flight, by a bare socket. */
export async function rawBroker(name: string, port: number, count: number): Promise<Figure> {
  const body = makeRecord('ascii', 1)
  const socket = connect(port, '127.0.0.1')
  let sent = 0
  let received = 0
  const start = performance.now()
  const send = (): void => {
    const head = `SEND\ndestination:/queue/raw\npersistent:true\nreceipt:${sent}\ncontent-length:${body.length}\n\n`
    sent += 1
    socket.cork()
    socket.write(head)
    socket.write(body)
    socket.write('\0')
    process.nextTick(() => {
      socket.uncork()
    })
  }
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      if (text.includes('CONNECTED')) while (sent < Math.min(64, count)) send()
      for (let at = text.indexOf('receipt-id:'); at >= 0; at = text.indexOf('receipt-id:', at + 1)) {
        received += 1
        if (sent < count) send()
        if (received === count) resolve()
      }
    })
    socket.write('CONNECT\naccept-version:1.1\nheart-beat:0,0\n\n\0')
  })
  const rate = (count / (performance.now() - start)) * 1000
  socket.destroy()
  return { what: `raw ${name}: persistent SEND, receipt, 64 in flight`, rate }
}

/** `seal` and `open` alone, in a process of their own with the thread pool that `ssmsend` has: the one of the benchmark is a receiver's. */
export function envelopeApart(dir: string, count: number): Figure[] {
  const program = `import { envelope } from ${JSON.stringify(import.meta.url)}
    process.stdout.write(JSON.stringify(await envelope(${JSON.stringify(dir)}, ${count})))`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, UV_THREADPOOL_SIZE: undefined },
  })
  if (status !== 0) throw new Error(`seal and open: ${stderr}`)
  // Written by ourselves, a line above.
  return JSON.parse(stdout) as Figure[]
}

/** The same in this process. */
export async function envelope(dir: string, count: number): Promise<Figure[]> {
  mkdirSync(join(dir, 'pki'))
  const pki = createTestPki(join(dir, 'pki'))
  const seal = createSeal({ ...pki.host, cipher: 'aes256', keyTransport: 'pkcs1', binary: false, clock: systemClock })
  const trust = await createTrust({ capath: pki.capath, clock: systemClock })
  const { list } = parseDnList(pki.host.dn)
  const judge = createOpen({
    trust: () => trust,
    dns: () => list,
    crls: true,
    binary: false,
    maxMessageSize: 1 << 27,
    allowSha1: false,
    allowWeak: false,
    allow3des: false,
    clock: systemClock,
  })
  const plain = { body: makeRecord('ascii', 1) }
  const sealed = await seal(plain)
  const opened = await judge(sealed)
  if (opened.verdict !== 'ok') throw new Error(opened.detail)
  await rateOf(200, 64, () => seal(plain))
  await rateOf(200, 1, () => judge(sealed))
  return [
    { what: 'seal alone, 10 KB, 64 in flight', ...(await rateOf(count, 64, () => seal(plain))) },
    { what: 'open alone, 10 KB', ...(await rateOf(count, 1, () => judge(sealed))) },
  ]
}
