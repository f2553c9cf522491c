/** Web proxies: which one the environment names, and tunnels through it, with proxies that do what they should and others. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { isSsmError } from '../../src/errors.js'
import { proxyFor, proxyText } from '../../src/transport/proxy.js'
import { createStompTransport, probeStomp, type StompSettings } from '../../src/transport/stomp/index.js'
import { never, sealed } from '../contract/transport.js'
import { createTestPki } from '../kit/ca.js'
import { startConnectProxy, type ConnectProxy, type ConnectProxyOptions } from '../kit/connect-proxy.js'
import { scratch } from '../kit/scratch.js'
import { hurriedDeps, refusal, stompSettings, testDeps, tlsMaterial } from '../kit/transport.js'

describe('the proxy of the environment', () => {
  const broker = { host: 'broker.example.org', port: 443, tls: true }
  const chosen = (env: Record<string, string>, changes: Partial<typeof broker> = {}): string | null => {
    const proxy = proxyFor({ ...broker, ...changes }, env)
    return proxy === null ? null : `${proxyText(proxy)}${proxy.secure ? ' tls' : ''}`
  }
  test('variables in their order; small letters first', () => {
    assert.equal(chosen({}), null)
    assert.equal(chosen({ https_proxy: '', HTTPS_PROXY: '' }), null)
    assert.equal(chosen({ https_proxy: 'http://a:1', HTTPS_PROXY: 'http://b:2', all_proxy: 'http://c:3' }), 'a:1')
    assert.equal(chosen({ HTTPS_PROXY: 'http://b:2', all_proxy: 'http://c:3' }), 'b:2')
    assert.equal(chosen({ http_proxy: 'http://a:1', all_proxy: 'http://c:3' }), 'c:3')
    assert.equal(chosen({ http_proxy: 'http://a:1', https_proxy: 'http://b:2' }, { tls: false }), 'a:1')
    assert.equal(chosen({ HTTP_PROXY: 'http://a:1' }, { tls: false }), null, 'a web server sets it from a request')
    assert.equal(chosen({ ALL_PROXY: 'http://a:1' }, { tls: false }), 'a:1')
  })
  test('how it is written', () => {
    assert.equal(chosen({ https_proxy: 'proxy.example.org:3128' }), 'proxy.example.org:3128')
    assert.equal(chosen({ https_proxy: 'proxy.example.org' }), 'proxy.example.org:80')
    assert.equal(chosen({ https_proxy: 'https://proxy.example.org/' }), 'proxy.example.org:443 tls')
    assert.equal(chosen({ https_proxy: 'http://[2001:db8::1]:3128' }), '[2001:db8::1]:3128')
    const { login } = proxyFor(broker, { https_proxy: 'http://us%40er:p%3Ass@p:1' }) ?? {}
    assert.deepEqual(login, { username: 'us@er', password: 'p:ss' })
    for (const bad of ['socks5://u:secret@p:1', 'http://u:secret@p:99999', 'http://u:secret%zz@p:1', '://secret']) {
      assert.throws(
        () => proxyFor(broker, { https_proxy: bad }),
        (error) =>
          isSsmError(error, 'configuration') &&
          error.message.includes('https_proxy') &&
          !error.message.includes('secret'),
        bad,
      )
    }
  })
  test('no_proxy, and this machine', () => {
    const exempt = (no_proxy: string, changes: Partial<typeof broker> = {}): boolean =>
      chosen({ https_proxy: 'http://p:1', no_proxy }, changes) === null
    const yes = ['*', 'broker.example.org', 'example.org', '.example.org', '*.example.org', 'x, EXAMPLE.org.', 'a b example.org', 'example.org:443'] // prettier-ignore
    const no = ['', ',', 'ample.org', 'broker.example', 'example.org:80', 'a.broker.example.org', '.', '::1']
    assert.deepEqual(yes.filter((list) => !exempt(list)), []) // prettier-ignore
    assert.deepEqual(no.filter((list) => exempt(list)), []) // prettier-ignore
    assert.ok(exempt('2001:db8::1', { host: '2001:db8::1' }) && exempt('[2001:db8::1]:443', { host: '2001:db8::1' }))
    assert.ok(exempt('192.0.2.1', { host: '192.0.2.1' }) && !exempt('2.1', { host: '192.0.2.1' }))
    assert.equal(chosen({ https_proxy: 'http://p:1', NO_PROXY: 'example.org' }), null)
    for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1']) assert.ok(exempt('', { host }), host)
  })
})

/** A STOMP broker over wss that serves as other.example.org and wants a certificate; only a proxy finds that name. */
async function startBroker() {
  const pki = createTestPki(scratch())
  const pem = (file: string): string => readFileSync(file, 'utf8')
  const material = await tlsMaterial(pki, pki.host)()
  const server = createServer({
    cert: pem(pki.other.certificateFile),
    key: pem(pki.other.keyFile),
    ca: [...material.ca],
    requestCert: true,
    rejectUnauthorized: true,
  })
  new WebSocketServer({ server, handleProtocols: (names) => [...names][0] ?? false }).on('connection', (web) => {
    web.on('message', (data) => {
      const text = (data as Buffer).toString('latin1')
      const receipt = /\nreceipt:(.*)\n/.exec(text)?.[1]
      if (text.startsWith('CONNECT')) web.send('CONNECTED\nversion:1.2\n\n\0')
      else if (receipt !== undefined) web.send(`RECEIPT\nreceipt-id:${receipt}\n\n\0`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const settings = (env: NonNullable<StompSettings['env']>): StompSettings =>
    stompSettings(port, {
      addresses: [{ scheme: 'wss', host: 'other.example.org', port, path: '/ws' }],
      tls: () => Promise.resolve(material),
      env,
    })
  return {
    pki,
    port,
    settings,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const options = { timeout: 60_000 }

describe('through a proxy', options, () => {
  const at = (proxy: ConnectProxy, login = '', scheme = 'http') => ({
    https_proxy: `${scheme}://${login}127.0.0.1:${proxy.port}`,
  })

  test('TLS and WebSocket go through; the name is the proxy’s business; the broker is verified by its name', async () => {
    await using broker = await startBroker()
    await using proxy = await startConnectProxy({ login: 'us@er:pa:ss' })
    const deps = testDeps()
    const env = at(proxy, 'us%40er:pa%3Ass@')
    const publisher = await createStompTransport(broker.settings(env), deps).openPublisher(never())
    await publisher.publish({ id: 'a', body: sealed('x') }, never())
    await publisher[Symbol.asyncDispose]()
    assert.deepEqual(proxy.requests.map(({ target }) => target), [`other.example.org:${broker.port}`]) // prettier-ignore
    assert.equal(proxy.requests[0]!.headers.host, `other.example.org:${broker.port}`)
    assert.doesNotMatch(deps.log.lines.join('\n'), /pa:ss|pa%3Ass|us@er/)
  })

  test('the proxy itself over TLS, which does not see our certificate', async () => {
    await using broker = await startBroker()
    const tls = {
      cert: readFileSync(broker.pki.host.certificateFile, 'utf8'),
      key: readFileSync(broker.pki.host.keyFile, 'utf8'),
    }
    await using proxy = await startConnectProxy({ tls })
    const publisher = await createStompTransport(broker.settings(at(proxy, '', 'https')), testDeps()).openPublisher(
      never(),
    )
    await publisher.publish({ id: 'a', body: sealed('x') }, never())
    await publisher[Symbol.asyncDispose]()
    assert.equal(proxy.requests.length, 1)
  })

  test('the check says which way it went', async () => {
    await using broker = await startBroker()
    await using proxy = await startConnectProxy()
    const settings = broker.settings(at(proxy))
    const steps: string[] = []
    for await (const { text } of probeStomp(settings.addresses[0]!, settings, null, testDeps(), never()))
      steps.push(text)
    assert.equal(
      steps[0],
      `connected to other.example.org, port ${broker.port}, through the proxy 127.0.0.1:${proxy.port}`,
    )
    assert.equal(steps.length, 4)
  })

  const cases: readonly [string, ConnectProxyOptions, Parameters<typeof refusal>][] = [
    ['wants a login', { login: 'user:secret' }, ['login-refused', /wants a user and password/, /407/]],
    ['does not allow it', { answer: 'HTTP/1.1 403 Forbidden\r\n\r\n' }, ['unreachable', /does not allow.*no_proxy/]],
    ['cannot reach it', { answer: 'HTTP/1.1 502 Bad\r\n\r\n' }, ['unreachable', /cannot reach it/]],
    ['answers 200 without a tunnel', { answer: 'HTTP/1.1 200 OK\r\n\r\n<html>' }, ['not-the-protocol', /TLS/]],
    ['is no proxy', { answer: 'SSH-2.0-x\r\n' }, ['unreachable', /the proxy 127\.0\.0\.1:\d+ failed/]],
    [
      'never ends its answer',
      { answer: `HTTP/1.1 200 ${'x'.repeat(100_000)}` },
      ['unreachable', /the proxy .* failed/],
    ],
    ['says nothing', { answer: '' }, ['unreachable', /not connected within 10 s, through the proxy/]],
  ]
  for (const [name, behaviour, [code, ...words]] of cases) {
    test(`a proxy that ${name}`, async () => {
      await using broker = await startBroker()
      await using proxy = await startConnectProxy(behaviour)
      const opening = createStompTransport(broker.settings(at(proxy, 'user:wrong@')), hurriedDeps()).openPublisher(
        never(),
      )
      await assert.rejects(opening, (error) => {
        assert.doesNotMatch(String(error), /secret|wrong@/)
        return refusal(code, ...words)(error)
      })
    })
  }

  test('a proxy that is not there is named', async () => {
    await using broker = await startBroker()
    const env = { https_proxy: 'http://127.0.0.1:1' }
    const opening = createStompTransport(broker.settings(env), testDeps()).openPublisher(never())
    await assert.rejects(
      opening,
      refusal('unreachable', /the proxy 127\.0\.0\.1:1 of the environment: nothing listens/),
    )
  })
})
