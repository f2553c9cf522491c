/** Faults of the AMS double, its connections, its memory; and the authentication service beside it. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { toPem } from '../../../src/crypto/pem.js'
import { createTestPki, type TestHost, type TestPki } from '../ca.js'
import { scratch } from '../scratch.js'
import { ack, ask, asAdmin as to, P, startFor as start, SUB, TOPIC, type Reply } from './ask.js'
import { anyFailure, bindingName, bindingOf, startAms, startAuthn, type Ams, type FaultRule } from './index.js'

const one = { body: { messages: [{ data: 'eA==' }] } }
const publish = (ams: Ams): Promise<Reply> => to(ams)(`POST ${TOPIC}:publish`, one)
const lying = (ams: Ams): number => ams.lying('ssm').length

/** What the client sees, and how many messages lie in the topic afterwards. */
const KINDS: readonly (readonly [FaultRule, seen: number | RegExp, lying: number])[] = [
  [{ fault: { kind: 'status', status: 500 } }, 500, 0],
  [{ fault: { kind: 'status', status: 503 }, when: 'after' }, 503, 1],
  [{ fault: { kind: 'reset' } }, /hang up|reset/, 0],
  [{ fault: { kind: 'reset' }, when: 'after' }, /hang up|reset/, 1],
  [{ fault: { kind: 'cut' } }, /aborted|reset|hang up/, 1],
  [{ fault: { kind: 'wrong-json' } }, 200, 1],
  [{ fault: { kind: 'late', ms: 20 } }, 200, 1],
  [{ fault: { kind: 'drip', ms: 5, pieces: 4 } }, 200, 1],
]

describe('faults of the AMS double', { timeout: 60_000 }, () => {
  test('each kind: what is seen, and what was done', async (t) => {
    for (const [rule, seen, left] of KINDS) {
      const ams = await start(t)
      const fault = ams.fault({ on: 'topics:publish', ...rule })
      const title = JSON.stringify(rule)
      if (typeof seen === 'number') assert.equal((await publish(ams)).status, seen, title)
      else await assert.rejects(publish(ams), seen, title)
      assert.equal(lying(ams), left, title)
      assert.equal(fault.hits(), 1)
      assert.equal((await publish(ams)).status, 200, `${title}: once only`)
    }
  })

  test('forms of an answer: of AMS, of a balancer, nothing, any text', async (t) => {
    const ams = await start(t)
    for (const [fault, type, text] of [
      [{ kind: 'status', status: 502 }, 'text/html', /<h1>502 Bad Gateway/],
      [{ kind: 'status', status: 504, form: 'empty' }, '', /^$/],
      [{ kind: 'status', status: 500, message: 'wrong ack' }, 'application/json; charset=utf-8', /"wrong ack"/],
      [{ kind: 'status', status: 200, text: '{"a":', contentType: 'application/json' }, 'application/json', /^\{"a":$/],
    ] as const) {
      ams.fault({ fault })
      const reply = await publish(ams)
      assert.deepEqual([reply.status, reply.contentType], [fault.status, type])
      assert.match(reply.text, text)
    }
    assert.equal(lying(ams), 0)
  })

  test('the wrong JSON is none', async (t) => {
    const ams = await start(t)
    ams.fault({ fault: { kind: 'wrong-json' } })
    const { json, text } = await publish(ams)
    assert.equal(json, undefined)
    assert.match(text, /^\{/)
  })

  test('part of a batch is written, and no ids are told (4)', async (t) => {
    const ams = await start(t)
    ams.fault({ fault: { kind: 'partial', written: 2 } })
    const messages = ['a', 'b', 'c'].map((data) => ({ data }))
    const reply = await to(ams)(`POST ${TOPIC}:publish`, { body: { messages } })
    assert.deepEqual([reply.status, reply.message, lying(ams)], [500, 'Backend Error', 2])
  })

  test('a connection that was used before is closed just as a request goes out', async (t) => {
    const ams = await start(t)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const call = () => ask(`POST ${ams.url}${TOPIC}:publish`, { token: ams.tokens.sender, agent, ...one })
    const fault = ams.fault({ fault: { kind: 'stale' } })
    assert.equal((await call()).status, 200, 'a new one is not met')
    await assert.rejects(call(), /hang up|reset/)
    assert.equal(fault.hits(), 1)
    assert.equal(lying(ams), 1)
    assert.equal((await call()).status, 200)
    assert.deepEqual(
      ams.requests.map(({ connection, onConnection }) => [connection, onConnection]),
      [
        [1, 1],
        [1, 2],
        [2, 1],
      ],
    )
    agent.destroy()
  })

  test('no answer at all', async (t) => {
    const ams = await start(t)
    ams.fault({ fault: { kind: 'silence' } })
    const reply = publish(ams)
    const first = await Promise.race([
      reply.catch(() => 'ended'),
      new Promise((resolve) => setTimeout(resolve, 150, 'silent')),
    ])
    assert.equal(first, 'silent')
    ams.dropConnections()
    await assert.rejects(reply)
  })

  test('which requests: of a route, the n-th, so many, with a probability of the seed', async (t) => {
    const strikes = async (rule: Omit<FaultRule, 'fault'>, seed = 1) => {
      const ams = await start(t, { seed })
      ams.fault({ ...rule, fault: { kind: 'status', status: 503 } })
      const statuses: number[] = []
      for (let n = 0; n < 8; n += 1) {
        statuses.push((await publish(ams)).status === 503 ? 1 : 0)
        await to(ams)(`GET ${SUB}:offsets`)
      }
      return statuses.join('')
    }
    assert.equal(await strikes({ on: 'topics:publish', nth: 3 }), '00100000')
    assert.equal(await strikes({ on: ['topics:publish'], nth: 2, times: 3 }), '01110000')
    assert.equal(await strikes({ on: 'topics:show', times: Infinity }), '00000000')
    const chance = { on: 'topics:publish', probability: 0.5, times: Infinity } as const
    const first = await strikes(chance)
    assert.match(first, /0.*1|1.*0/)
    assert.equal(await strikes(chance), first)
    assert.notEqual(await strikes(chance, 7), first)
  })

  test('any failure comes about as often as asked for', async (t) => {
    const ams = await start(t)
    for (const rule of anyFailure(0.3, 'topics:publish')) ams.fault(rule)
    for (let n = 0; n < 300; n += 1) await publish(ams).catch(() => undefined)
    const struck = ams.requests.filter(({ fault }) => fault !== null).length
    assert.ok(struck > 60 && struck < 120, `${struck} of 300`)
    assert.ok(new Set(ams.requests.map(({ fault }) => JSON.stringify(fault))).size > 6, 'all ways occur')
  })
})

describe('the AMS double', { timeout: 60_000 }, () => {
  test('the log has every request', async (t) => {
    const ams = await start(t)
    await publish(ams)
    await to(ams)('GET /v1/nothing?a=b')
    const [first, second] = ams.requests
    assert.equal(first?.route, 'topics:publish')
    assert.equal(first.body, JSON.stringify(one.body))
    assert.equal(first.headers['x-api-key'], ams.tokens.admin)
    assert.equal(first.status, 200)
    assert.deepEqual([second?.route, second?.path, second?.query, second?.status], [null, '/v1/nothing', '?a=b', 404])
    assert.equal(ams.count('topics:publish'), 1)
  })

  test('long answers come in chunks, short ones with their length, as Go sends them', async (t) => {
    const ams = await start(t)
    ams.put('ssm', 'x'.repeat(3000))
    const raw = await new Promise<string>((resolve, reject) => {
      const socket = connect(ams.port, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString())).on('error', reject)
      socket.on('end', () => {
        resolve(text)
      })
      const line = (what: string, extra: string) =>
        `${what} HTTP/1.1\r\nhost: x\r\nx-api-key: ${ams.tokens.admin}\r\n${extra}\r\n`
      socket.write(
        `${line(`GET ${SUB}:offsets`, '')}${line(`POST ${SUB}:pull`, 'content-length: 2\r\nconnection: close\r\n')}{}`,
      )
    })
    const [short = '', long = ''] = raw.split(/(?=HTTP\/1\.1 )/)
    assert.match(short, /content-length: \d+/i)
    assert.match(long, /transfer-encoding: chunked/i)
    assert.doesNotMatch(raw, /keep-alive: timeout/i)
  })

  test('it remembers, in this process and in a file', async (t) => {
    const stateFile = join(scratch(t), 'state.json')
    const ams = await start(t, { stateFile })
    await publish(ams)
    await to(ams)(`POST ${SUB}:pull`, { body: {} })
    const { port, tokens } = ams
    await ams.stop()
    await assert.rejects(publish(ams), /ECONNREFUSED|hang up|reset/)
    await ams.start()
    assert.equal(ams.port, port)
    assert.equal((await to(ams)(`POST ${SUB}:acknowledge`, { body: ack(0) })).status, 200)
    await ams.stop()
    const again = await start(t, { stateFile })
    assert.deepEqual(again.tokens, tokens)
    assert.deepEqual((await to(again)(`GET ${SUB}:offsets`)).json, { max: 1, min: 0, current: 1 })
  })

  test('HTTPS with the certificate of the test CA, and a word for who speaks plain HTTP', async (t) => {
    const pki = createTestPki(scratch(t))
    const ams = await start(t, { tls: pki.host })
    const ca = toPem('CERTIFICATE', pki.ca.certificate.der)
    const agentless = { token: ams.tokens.admin, tls: { ca } }
    assert.equal((await ask(`GET ${ams.url}${P}/topics`, agentless)).status, 200)
    await assert.rejects(ask(`GET ${ams.url}${P}/topics`, { token: ams.tokens.admin }), /certificate|issuer/)
    const plain = await ask(`GET http://127.0.0.1:${ams.port}${P}/topics`)
    assert.deepEqual([plain.status, plain.text], [400, 'Client sent an HTTP request to an HTTPS server.\n'])
  })
})

describe('the double of the authentication service', { timeout: 60_000 }, () => {
  const path = (host = 'localhost', type = 'ams') => `/v1/service-types/${type}/hosts/${host}:authx509`

  async function scene(t: Parameters<typeof start>[0], options: Partial<Parameters<typeof startAuthn>[0]> = {}) {
    const pki = createTestPki(scratch(t))
    const ams = await startAms({ tls: pki.host })
    const authn = await startAuthn({ tls: pki.host, pki, ams, ...options })
    t.after(async () => {
      await authn[Symbol.asyncDispose]()
      await ams.stop()
    })
    const exchange = (who: TestHost | null, at = path()) =>
      ask(`GET https://localhost:${authn.port}${at}`, { tls: { ...material(pki, who) } })
    return { pki, ams, authn, exchange }
  }

  const material = (pki: TestPki, who: TestHost | null) => ({
    ca: toPem('CERTIFICATE', pki.ca.certificate.der),
    ...(who === null ? {} : { cert: readFileSync(who.certificateFile), key: readFileSync(who.keyFile) }),
  })

  test('a token for a bound certificate, good at AMS', async (t) => {
    const { pki, ams, authn, exchange } = await scene(t)
    authn.bind(pki.other, 'receiver')
    const reply = await exchange(pki.other)
    assert.deepEqual(reply.json, { token: ams.tokens.receiver })
    ams.refreshToken('receiver')
    assert.deepEqual((await exchange(pki.other)).json, { token: ams.tokens.receiver })
    assert.deepEqual(authn.statuses, [200, 200])
  })

  test('its refusals', async (t) => {
    const { pki, ams, authn, exchange } = await scene(t)
    authn.bind(pki.other, 'receiver')
    for (const [who, at, status, label, message] of [
      [null, path(), 400, 'BAD REQUEST', 'No certificate provided'],
      [pki.host, path(), 404, 'NOT FOUND', 'Binding was not found'],
      [pki.other, path('elsewhere'), 404, 'NOT FOUND', 'Host was not found'],
      [pki.other, path('localhost', 'web'), 404, 'NOT FOUND', 'Service-type was not found'],
    ] as const) {
      const reply = await exchange(who, at)
      assert.equal(reply.status, status)
      assert.deepEqual(reply.json, { error: { message, code: status, status: label } })
    }
    assert.equal((await exchange(pki.other, '/v1/nothing')).status, 404)
    await assert.rejects(exchange(pki.unknown), /hang up|reset|alert/)
    await assert.rejects(exchange(pki.expired), /hang up|reset|alert/)
    await ams.stop()
    assert.equal((await exchange(pki.other)).status, 500)
  })

  test('what it says when it looks at certificates itself', async (t) => {
    const { pki, exchange } = await scene(t, { trustUnknownCas: true, verifyCertificate: true })
    const expired = await exchange(pki.expired)
    assert.deepEqual([expired.status, expired.message], [403, 'Your certificate has expired'])
    assert.match((await exchange(pki.other)).message ?? '', /No CRLDistributionPoints/)
    const other = await scene(t, { authTypes: ['oidc'] })
    const unsupported = await other.exchange(other.pki.other)
    assert.deepEqual(
      [unsupported.status, unsupported.message],
      [422, 'Auth type: x509 is not yet supported.Supported:[oidc]'],
    )
  })

  test('the name of a binding: E first, DC last, several joined', () => {
    const subject = { C: 'GB', O: 'A, B', OU: ['x', 'y'], CN: 'n', emailAddress: 'a@b', DC: ['grnet', 'gr'] }
    assert.equal(bindingName(subject), 'E=a@b,CN=n,OU=x+OU=y,O=A\\, B,C=GB,DC=grnet+DC=gr')
    const host = { dn: '/DC=org/DC=example/C=XX/O=Test/CN=host/a.example.org' } as TestHost
    assert.equal(bindingOf(host), 'CN=host/a.example.org,O=Test,C=XX,DC=org+DC=example')
  })
})
