/** The status socket against whoever may open it, and against what may lie in its place. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { askRunning } from '../../../src/cli/status/ask.js'
import { openStatusSocket } from '../../../src/cli/status/socket.js'
import type { Verbs } from '../../../src/cli/status/verbs.js'
import { SsmError } from '../../../src/errors.js'
import { MemoryLog } from '../../pipeline/doubles.js'
import { need } from '../../kit/need.js'
import { scratch } from '../../kit/scratch.js'

const VERBS: Verbs = {
  echo: ({ text }) => Promise.resolve({ text }),
  fail: () => Promise.reject(new SsmError('usage', 'a \x1b[31mword')),
  huge: () => Promise.resolve('x'.repeat(5_000_000)),
}

interface Scene {
  readonly path: string
  readonly log: MemoryLog
  readonly socket: AsyncDisposable
}

async function opened(t: TestContext, path = join(scratch(t), 's.sock'), verbs = VERBS): Promise<Scene> {
  const log = new MemoryLog()
  const socket = await openStatusSocket({ path, verbs, program: process, log, talkMs: 300 })
  t.after(() => socket[Symbol.asyncDispose]())
  return { path, log, socket }
}

/** Whatever errors come before. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })

/** What comes back for some bytes, until the other end closes. */
async function said(path: string, text: string | Buffer): Promise<string> {
  const socket = connect(path)
  let got = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (got += chunk))
  socket.on('error', () => undefined)
  socket.write(text)
  await closed(socket)
  return got
}

const bytesOfAPath = 'x'.repeat(120)

test('one request a connection, one line of answer; a table of verbs', async (t) => {
  const { path } = await opened(t)
  assert.deepEqual(await askRunning(path, { verb: 'echo', text: 'ä\n' }), { text: 'ä\n' })
  await assert.rejects(askRunning(path, { verb: 'fail' }), /a \\x1b\[31mword/)
  await assert.rejects(askRunning(path, { verb: 'huge' }), /the answer is longer than 4194304/)
  for (const verb of ['nothing', 'constructor', '__proto__', 7]) {
    await assert.rejects(askRunning(path, { verb }), /there are these verbs: echo, fail, huge/)
  }
  for (const bad of ['\n', '{\n', '[]\n', '"x"\n', 'GET / HTTP/1.1\r\n\r\n']) {
    assert.match(await said(path, bad), /^\{"ok":false,"error":"write one JSON object/, bad)
  }
  assert.match(
    await said(path, `{"verb":"echo","text":1}\n{"verb":"echo"}\n`),
    /^\{"ok":true,"answer":\{"text":1\}\}\n$/,
  )
})

test('it is made for user and group alone, in a directory of ours, and goes with the program', async (t) => {
  const { path, socket } = await opened(t)
  assert.equal(lstatSync(path).mode & 0o777, 0o660)
  const before = process.umask(0o022)
  process.umask(before)
  assert.notEqual(before, 0o117, 'the mask is put back')
  await socket[Symbol.asyncDispose]()
  assert.equal(existsSync(path), false)
  assert.equal(await askRunning(path, { verb: 'echo' }), undefined)
})

test('no writable place, a long path, somebody else: one line, no socket, no exception', async (t) => {
  const dir = scratch(t)
  const open = join(dir, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  writeFileSync(join(dir, 'file'), 'x')
  symlinkSync(dir, join(dir, 'link'))
  for (const [path, words] of [
    [join(dir, 'no', 'such', 's.sock'), /create the directory/],
    [join(dir, bytesOfAPath, 's.sock'), /the path of a socket at most 107: set \[daemon\] status_socket/],
    [join(dir, 'file'), /is no socket/],
    [join(open, 's.sock'), /may be written by others/],
    [join(dir, 'link', 's.sock'), /is a symbolic link/],
    ['/proc/s.sock', /is no socket|ENOENT|cannot|EPERM|EACCES|belongs|listen/],
  ] as const) {
    const { log } = await opened(t, path)
    assert.equal(log.lines.length, 1, path)
    assert.match(log.lines[0] ?? '', /INFO.*There is no status socket: /)
    assert.match(log.lines[0] ?? '', words)
  }
})

test('a socket of a killed run is replaced, one that somebody listens at is not', async (t) => {
  const path = join(scratch(t), 's.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const killed = spawn(process.execPath, ['-e', script])
  await once(killed.stdout, 'data')
  killed.kill('SIGKILL')
  await once(killed, 'close')
  assert.equal(existsSync(path), true)
  assert.equal(await askRunning(path, { verb: 'echo' }), undefined)
  const { log, socket } = await opened(t, path)
  assert.deepEqual(log.lines, [])
  const second = await opened(t, path)
  assert.match(second.log.lines[0] ?? '', /another process listens at/)
  assert.deepEqual(await askRunning(path, { verb: 'echo', text: 'first' }), { text: 'first' })
  await socket[Symbol.asyncDispose]()
})

test("another user's socket is neither taken away nor believed", { skip: need('root') }, async (t) => {
  const dir = scratch(t)
  chmodSync(dir, 0o1777)
  const path = join(dir, 's.sock')
  const script = `require('net').createServer((s) => s.end('{"ok":true,"answer":"lies"}\\n')).listen(${JSON.stringify(path)}, () => console.log('up'))`
  const other = spawn(process.execPath, ['-e', script], { uid: 3_210_987 })
  t.after(() => other.kill('SIGKILL'))
  await once(other.stdout, 'data')
  await assert.rejects(askRunning(path, { verb: 'status' }), /not the socket of a program of ours/)
  chmodSync(dir, 0o700)
  const { log } = await opened(t, path)
  assert.match(log.lines[0] ?? '', /belongs to user 3210987/)
  assert.equal(existsSync(path), true)
})

test('who is slow, silent, greedy or many is ended, and the next one is answered', async (t) => {
  const { path } = await opened(t)
  const silent = connect(path).resume()
  const drip = connect(path).resume()
  const timer = setInterval(() => drip.write(' '), 50)
  t.after(() => {
    clearInterval(timer)
  })
  const deaf = connect(path)
  deaf.pause()
  deaf.write(`${JSON.stringify({ verb: 'echo', text: 'y'.repeat(60_000) })}\n`)
  for (const socket of [silent, drip, deaf]) socket.on('error', () => undefined)
  await Promise.all([silent, drip].map((socket) => closed(socket)))
  clearInterval(timer)
  assert.match(await said(path, Buffer.alloc(200_000, 0x20)), /in at most 65536 bytes/)
  const many: Socket[] = Array.from({ length: 200 }, () =>
    connect(path)
      .resume()
      .on('error', () => undefined),
  )
  await Promise.all(many.map((socket) => closed(socket)))
  assert.deepEqual(await askRunning(path, { verb: 'echo', text: 1 }), { text: 1 })
  deaf.destroy()
})

test('a verb is told when nobody waits any more', async (t) => {
  const told = new AbortController()
  const wait = (_request: unknown, signal: AbortSignal): Promise<never> =>
    new Promise(() => {
      signal.addEventListener('abort', () => {
        told.abort()
      })
    })
  const { path } = await opened(t, undefined, { wait })
  const socket = connect(path)
  socket.write('{"verb":"wait"}\n')
  await sleep(100)
  socket.destroy()
  for (let look = 0; look < 100 && !told.signal.aborted; look++) await sleep(20)
  assert.equal(told.signal.aborted, true)
})

test('what answers and is none of ours is said', async (t) => {
  const path = join(scratch(t), 's.sock')
  const server = createServer((socket) => socket.end('SSH-2.0\n')).listen(path)
  await once(server, 'listening')
  await assert.rejects(askRunning(path, { verb: 'status' }), /is no program of ours/)
  server.close()
  const mute = createServer(() => undefined).listen(`${path}2`)
  await once(mute, 'listening')
  await assert.rejects(askRunning(`${path}2`, { verb: 'status' }, 200), /no answer within 0.2 s/)
  mute.close()
  rmSync(path, { force: true })
})
