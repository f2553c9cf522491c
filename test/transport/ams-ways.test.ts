/** How the AMS transport finds its way: proxies, several endpoints, the authentication service. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { createAmsTransport, type AmsSettings } from '../../src/transport/ams/index.js'
import { never, sealed } from '../contract/transport.js'
import { startAms, startAuthn, type Ams } from '../kit/ams/index.js'
import { createTestPki, type TestPki } from '../kit/ca.js'
import { freePort } from '../kit/site.js'
import { scratch } from '../kit/scratch.js'
import { refusal, testDeps, tlsMaterial } from '../kit/transport.js'

function settings(ams: Ams, changes: Partial<AmsSettings> = {}): AmsSettings {
  return {
    endpoints: [{ host: 'localhost', port: ams.port }],
    tls: null,
    credentials: { kind: 'token', token: ams.tokens.sender },
    project: 'accounting',
    destination: 'ssm',
    window: { messages: 8, bytes: 32 * 1024 * 1024 },
    maxMessageSize: 1_500_000,
    batch: 1,
    pulling: { pullMax: 100, pollMax: 1000, skipPoisoned: true },
    env: {},
    ...changes,
  }
}

async function publishOne(made: AmsSettings): Promise<readonly string[]> {
  const deps = testDeps()
  await using publisher = await createAmsTransport(made, deps).openPublisher(never())
  await publisher.publish({ id: 'a/b', body: sealed('x') }, never())
  return deps.log.lines
}

interface Proxy {
  readonly url: string
  /** What CONNECT asked for, and the login. */
  readonly asked: string[]
}

/** A web proxy that leads every CONNECT to `port`, or refuses with a status. */
async function startProxy(t: TestContext, port: number, status = 200): Promise<Proxy> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    asked.push(`${request.url ?? ''} ${request.headers['proxy-authorization'] ?? '-'}`)
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const far = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.pipe(far).pipe(client)
    })
    sockets.add(far)
    for (const socket of [far, client]) socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://user:s%20ecret@127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

interface Scene extends AsyncDisposable {
  readonly ams: Ams
  readonly pki: TestPki
}

/** Its certificate has the names of `pki.host`, not only localhost. */
async function scene(t: TestContext): Promise<Scene> {
  const pki = createTestPki(scratch(t))
  const ams = await startAms({ tls: pki.host })
  return { ams, pki, [Symbol.asyncDispose]: () => ams.stop() }
}

describe('AMS through a web proxy of the environment', () => {
  const endpoints = [{ host: 'host.example.org', port: 443 }]

  test('TLS goes through, with the name verified at the far end; the login does not reach the service', async (t) => {
    await using all = await scene(t)
    const proxy = await startProxy(t, all.ams.port)
    const tls = tlsMaterial(all.pki, all.pki.host)
    await publishOne(settings(all.ams, { endpoints, tls, env: { https_proxy: proxy.url } }))
    const login = Buffer.from('user:s ecret').toString('base64')
    assert.deepEqual(new Set(proxy.asked), new Set([`host.example.org:443 Basic ${login}`]))
    assert.ok(all.ams.requests.every(({ headers }) => headers['proxy-authorization'] === undefined))
    assert.equal(all.ams.lying('ssm').length, 1)
  })

  test('a far end with another name is refused before the token goes out', async (t) => {
    await using all = await scene(t)
    const proxy = await startProxy(t, all.ams.port)
    const tls = tlsMaterial(all.pki, all.pki.host)
    const other = [{ host: 'ams.example.net', port: 443 }]
    const made = settings(all.ams, { endpoints: other, tls, env: { https_proxy: proxy.url } })
    await assert.rejects(publishOne(made), refusal('peer-certificate', /not made for this host name/u))
    assert.equal(all.ams.requests.length, 0)
  })

  for (const [status, code, words] of [
    [407, 'login-refused', /it answered 407/u],
    [503, 'unreachable', /cannot reach it \(it answered 503/u],
  ] as const) {
    test(`a proxy that answers ${status}: ${code}, without its password`, async (t) => {
      await using all = await scene(t)
      const proxy = await startProxy(t, all.ams.port, status)
      const tls = tlsMaterial(all.pki, all.pki.host)
      const made = settings(all.ams, { endpoints, tls, env: { https_proxy: proxy.url } })
      await assert.rejects(publishOne(made), refusal(code, words, /^(?!.*ecret)/u))
    })
  }

  test('no_proxy goes straight', async (t) => {
    await using all = await scene(t)
    const proxy = await startProxy(t, all.ams.port)
    const tls = tlsMaterial(all.pki, all.pki.host)
    const env = { https_proxy: proxy.url, no_proxy: 'localhost' }
    await publishOne(settings(all.ams, { tls, env }))
    assert.deepEqual(proxy.asked, [])
  })
})

describe('AMS whose certificate is not acceptable', () => {
  test('verify = warn: it goes on, and says so once, however many connections there are', async (t) => {
    await using all = await scene(t)
    const tls = tlsMaterial(all.pki, all.pki.host, { ca: [], verify: 'warn' })
    const deps = testDeps()
    await using publisher = await createAmsTransport(settings(all.ams, { tls }), deps).openPublisher(never())
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => publisher.publish({ id: `m${index}`, body: sealed('x') }, never())),
    )
    assert.equal(deps.log.lines.filter((line) => line.startsWith('WARNING The broker is not verified')).length, 1)
    assert.ok(new Set(all.ams.requests.map(({ connection }) => connection)).size > 1, 'there was one connection only')
  })

  test('verify = true: nothing is sent, not even the token', async (t) => {
    await using all = await scene(t)
    const tls = tlsMaterial(all.pki, all.pki.host, { ca: [] })
    await assert.rejects(publishOne(settings(all.ams, { tls })), refusal('peer-certificate', /nothing was sent/u))
    assert.equal(all.ams.requests.length, 0)
  })
})

describe('AMS at several endpoints', () => {
  test('the first that works; each failure is logged', async (t) => {
    await using all = await scene(t)
    const dead = await freePort()
    const endpoints = [
      { host: 'localhost', port: dead },
      { host: 'localhost', port: all.ams.port },
    ]
    const lines = await publishOne(settings(all.ams, { endpoints, tls: tlsMaterial(all.pki, all.pki.host) }))
    assert.ok(lines.some((line) => line.startsWith(`WARNING Failed to connect to localhost:${dead}: `)))
    assert.equal(all.ams.lying('ssm').length, 1)
  })

  test('none works: the most telling one is the error', async (t) => {
    await using all = await scene(t)
    const dead = await freePort()
    const endpoints = [
      { host: 'localhost', port: all.ams.port },
      { host: 'localhost', port: dead },
    ]
    const credentials = { kind: 'token', token: 'nobody' } as const
    const made = settings(all.ams, { endpoints, credentials, tls: tlsMaterial(all.pki, all.pki.host) })
    await assert.rejects(publishOne(made), refusal('login-refused', /none of 2 endpoints can be used/u, /token/u))
  })
})

describe('AMS with a certificate', () => {
  const x509 = async (t: TestContext, options: { readonly hosts?: readonly string[] } = {}) => {
    const all = await scene(t)
    const authn = await startAuthn({ tls: all.pki.host, pki: all.pki, ams: all.ams, ...options })
    const credentials = { kind: 'x509', port: authn.port } as const
    const made = settings(all.ams, { credentials, tls: tlsMaterial(all.pki, all.pki.other) })
    const end = async () => {
      await authn[Symbol.asyncDispose]()
      await all[Symbol.asyncDispose]()
    }
    return { ...all, authn, made, [Symbol.asyncDispose]: end }
  }

  test('one exchange for many messages; AMS itself never sees the certificate', async (t) => {
    await using all = await x509(t)
    all.authn.bind(all.pki.other, 'sender')
    await using publisher = await createAmsTransport(all.made, testDeps()).openPublisher(never())
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => publisher.publish({ id: `m${index}`, body: sealed('x') }, never())),
    )
    assert.deepEqual(all.authn.statuses, [200])
  })

  test('many refused at once: one new exchange', async (t) => {
    await using all = await x509(t)
    all.authn.bind(all.pki.other, 'sender')
    await using publisher = await createAmsTransport(all.made, testDeps()).openPublisher(never())
    all.ams.refreshToken('sender')
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => publisher.publish({ id: `m${index}`, body: sealed('x') }, never())),
    )
    assert.deepEqual(all.authn.statuses, [200, 200])
    assert.equal(all.ams.lying('ssm').length, 30)
  })

  test('a certificate that is not bound, a host that is not registered: in words', async (t) => {
    await using all = await x509(t)
    await assert.rejects(
      publishOne(all.made),
      refusal('login-refused', /ask its operator to bind/u, /CN=other.example.org/u),
    )
    await using unknown = await x509(t, { hosts: ['ams.example.org'] })
    unknown.authn.bind(unknown.pki.other, 'sender')
    await assert.rejects(publishOne(unknown.made), refusal('login-refused', /this AMS host is not registered there/u))
  })

  test('a passing fault of the authentication service is waited for', async (t) => {
    await using all = await x509(t)
    all.authn.bind(all.pki.other, 'sender')
    all.authn.fault({ times: 2, fault: { kind: 'status', status: 500 } })
    await publishOne(all.made)
    assert.equal(all.ams.lying('ssm').length, 1)
  })
})
