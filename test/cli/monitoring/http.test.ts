/** The monitoring port against whoever may connect: strangers, slow ones, many, and pages of elsewhere. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openHttp, type Page } from '../../../src/cli/monitoring/http.js'
import { openMonitoring, pagesOf, writeTextfile } from '../../../src/cli/monitoring/monitoring.js'
import type { Status } from '../../../src/cli/status/status.js'
import { MemoryLog } from '../../pipeline/doubles.js'
import { createFaultyDisk } from '../../kit/disk.js'
import { scratch } from '../../kit/scratch.js'
import { BUSY, IDLE } from '../../kit/status.js'

interface Got {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function get(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  return new Promise<Got>((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.once('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body: text })
      })
      response.once('error', reject)
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

async function opened(t: TestContext, status: Status = BUSY, extra: readonly [string, () => Promise<Page>][] = []) {
  const pages = new Map([...(await pagesOf(() => Promise.resolve(status))), ...extra])
  const listen = { host: '127.0.0.1', port: 0 }
  const server = await openHttp({ listen, names: ['msg.example.org'], pages, requestMs: 700 })
  t.after(() => server[Symbol.asyncDispose]())
  return server.address.port
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })

const raw = (port: number): Socket => connect(port, '127.0.0.1').on('error', () => undefined)

test('page, style, metrics, health: each with its type and the headers that guard it', async (t) => {
  const port = await opened(t)
  const types = {
    '/': 'text/html; charset=utf-8',
    '/style.css': 'text/css; charset=utf-8',
    '/metrics': 'text/plain; version=0.0.4; charset=utf-8',
    '/healthz': 'text/plain; charset=utf-8',
    '/readyz?x=1': 'text/plain; charset=utf-8',
  }
  for (const [path, type] of Object.entries(types)) {
    const { status, headers, body } = await get(port, path)
    assert.deepEqual([status, headers['content-type'], headers['x-content-type-options']], [200, type, 'nosniff'], path)
    assert.match(
      String(headers['content-security-policy']),
      /^default-src 'none'; style-src 'self'(; [a-z-]+ 'none')*$/u,
    )
    const head = await get(port, path, { method: 'HEAD' })
    assert.deepEqual(
      [head.status, head.body, head.headers['content-length']],
      [200, '', String(Buffer.byteLength(body))],
    )
  }
  assert.equal((await get(port, '/')).headers['cache-control'], 'no-store')
  const lost = await get(port, '/../etc/passwd')
  assert.deepEqual(
    [lost.status, lost.body],
    [404, 'There is nothing here. There are: /, /style.css, /metrics, /healthz, /readyz\n'],
  )
})

test('not ready says why; alive is alive', async (t) => {
  const port = await opened(t, IDLE)
  const ready = await get(port, '/readyz')
  assert.deepEqual([ready.status, ready.body], [503, 'paused: no room\n'])
  assert.equal((await get(port, '/healthz')).status, 200)
})

test('only reading, without a body', async (t) => {
  const port = await opened(t)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
    const { status, headers } = await get(port, '/', { method })
    assert.deepEqual([status, headers.allow, headers.connection], [405, 'GET, HEAD', 'close'], method)
  }
  assert.equal((await get(port, '/', { headers: { 'Content-Length': '4' }, body: 'abcd' })).status, 405)
})

test('a name that is not ours is refused: no page of elsewhere can lead a browser here', async (t) => {
  const port = await opened(t)
  const asking = async (host: string): Promise<number | undefined> =>
    (await get(port, '/', { headers: { Host: host } })).status
  for (const good of [
    '127.0.0.1:9464',
    '[::1]:9464',
    '192.0.2.7',
    'localhost:1',
    'LOCALHOST',
    'msg.example.org',
    'MSG.example.org.:80',
  ]) {
    assert.equal(await asking(good), 200, good)
  }
  for (const bad of [
    'evil.example',
    'localhost.evil.example',
    'evil@127.0.0.1',
    'msg.example.org.evil.example',
    '1.2.3.4.evil',
  ]) {
    assert.equal(await asking(bad), 421, bad)
  }
  const socket = raw(port)
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  socket.write('GET / HTTP/1.0\r\n\r\n')
  await closed(socket)
  assert.match(text, /^HTTP\/1\.1 421 /u)
})

test('large headers, slow heads, silence, rubbish: all end soon, and nobody else notices', async (t) => {
  const port = await opened(t)
  const bad = [raw(port), raw(port), raw(port), raw(port), raw(port)]
  const [silent, slow, large, rubbish, smuggling] = bad.map((socket) => socket.resume())
  assert.ok(silent !== undefined)
  slow?.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
  const drip = setInterval(() => slow?.write('X: y\r\n'), 50)
  large?.write(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
  rubbish?.write(Buffer.from([0x16, 0x03, 0x01, 0, 0xff, 0xff]))
  smuggling?.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  )
  const since = performance.now()
  await Promise.all([slow, large, rubbish, smuggling].map((socket) => closed(socket!)))
  clearInterval(drip)
  assert.ok(performance.now() - since < 8000)
  assert.equal((await get(port, '/healthz')).status, 200)
})

test('a thousand connections: few are taken, and later ones are answered', async (t) => {
  const port = await opened(t)
  const many = Array.from({ length: 1000 }, () => raw(port).resume())
  for (const socket of many) socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n')
  await Promise.all(many.map(closed))
  assert.equal((await get(port, '/metrics')).status, 200)
})

test('whoever asks all the time gets what was made a second ago', async (t) => {
  let made = 0
  const pages = await pagesOf(() => {
    made += 1
    return Promise.resolve(BUSY)
  })
  const server = await openHttp({ listen: { host: '127.0.0.1', port: 0 }, names: [], pages })
  t.after(() => server[Symbol.asyncDispose]())
  const since = performance.now()
  for (let n = 0; n < 20; n++) await Promise.all(Array.from({ length: 10 }, () => get(server.address.port, '/')))
  const seconds = (performance.now() - since) / 1000
  assert.ok(made <= 2 + seconds, `${made} pages in ${seconds} s`)
})

test('a page that cannot be made is an answer, not an end', async (t) => {
  const port = await opened(t, BUSY, [['/bad', () => Promise.reject(new Error('a \x1bfault'))]])
  const { status, body } = await get(port, '/bad')
  assert.deepEqual([status, body], [500, 'a \\x1bfault\n'])
})

test('a port that is taken is a line in the log', async (t) => {
  const port = await opened(t)
  const log = new MemoryLog()
  await using _none = await openMonitoring(
    { listen: { host: '127.0.0.1', port }, names: [] },
    () => Promise.resolve(BUSY),
    log,
  )
  assert.equal(log.lines.length, 1)
  assert.match(
    log.lines[0] ?? '',
    /^WARNING There is no monitoring: cannot listen on 127\.0\.0\.1, port \d+: .*EADDRINUSE/u,
  )
})

test('the file for node_exporter is whole or not there; a full disk is a line in the log', async (t) => {
  const dir = scratch(t)
  const file = join(dir, 'ssm.prom')
  const log = new MemoryLog()
  await writeTextfile(file, () => Promise.resolve('first 1\n'), log)
  const disk = createFaultyDisk()
  for (const step of ['createFile', 'write', 'fsync', 'rename'] as const) {
    disk.fail(step, 'ENOSPC')
    await writeTextfile(file, () => Promise.resolve('second 2\n'), log, disk)
    disk.reset()
    assert.equal(readFileSync(file, 'utf8'), 'first 1\n', step)
    assert.deepEqual(readdirSync(dir), ['ssm.prom'], step)
  }
  assert.equal(log.lines.length, 4)
  for (const line of log.lines) assert.match(line, /^WARNING The metrics were not written: .*(full|ENOSPC)/u)
  await writeTextfile(join(dir, 'no', 'such.prom'), () => Promise.resolve('x'), log)
  await writeTextfile(file, () => Promise.reject(new Error('no numbers')), log)
  assert.equal(log.lines.length, 6)
})
