/**
 * The AMS library in Python as a peer of the double: what the library does with the real server, it does here.
 * These tests exist only with a checkout of it (`test/kit/python-ssm.ts`).
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { toPem } from '../../../src/crypto/pem.js'
import { createTestPki, type TestPki } from '../ca.js'
import { need } from '../need.js'
import { startPythonAms, type PythonAms } from '../python-ams.js'
import { hasPythonSsm } from '../python-ssm.js'
import { scratch } from '../scratch.js'
import { startAms, startAuthn, type Ams } from './index.js'

function libraryTests(): void {
  let pki: TestPki
  let ca: string
  let ams: Ams
  let python: PythonAms
  before(async () => {
    pki = createTestPki(scratch())
    ca = join(pki.dir, 'ca.pem')
    writeFileSync(ca, toPem('CERTIFICATE', pki.ca.certificate.der))
    ams = await startAms({ tls: pki.host, pushEnabled: true })
    const endpoint = `localhost:${ams.port}`
    python = await startPythonAms({ endpoint, token: ams.tokens.admin, project: 'accounting' }, ca)
  })
  after(async () => {
    await python[Symbol.asyncDispose]()
    await ams.stop()
  })

  /** One after the other, in one world: expression, and what comes of it. */
  const STEPS: readonly (readonly [expression: string, value: unknown])[] = [
    [`ams.create_topic('t')['name']`, '/projects/accounting/topics/t'],
    [`ams.has_topic('t')`, true],
    [`ams.has_topic('none')`, false],
    [`sorted(t['name'] for t in ams.list_topics()['topics'])`, ['/projects/accounting/topics/ssm', '/projects/accounting/topics/t']],
    [`ams.create_sub('s', 't', 30)['ackDeadlineSeconds']`, 30],
    [`ams.has_sub('s')`, true],
    [`ams.get_sub('s')['topic']`, '/projects/accounting/topics/t'],
    [`ams.get_topic('t', retobj=True).fullname`, '/projects/accounting/topics/t'],
    [`ams.publish('t', AmsMessage(data='one', attributes={'empaid': 'a/b'}))['messageIds']`, ['0']],
    [`ams.publish('t', [AmsMessage(data='two'), AmsMessage(data='gr\\u00fc\\u00df')])['messageIds']`, ['1', '2']],
    [`ams.getoffsets_sub('s')`, { max: 3, min: 0, current: 0 }],
    [`[[i, m.get_msgid(), m.get_data().decode(), m.get_attr()] for i, m in ams.pull_sub('s', 1)]`, [['projects/accounting/subscriptions/s:0', '0', 'one', { empaid: 'a/b' }]]],
    [`ams.ack_sub('s', ['projects/accounting/subscriptions/s:0'])`, true],
    [`[m.get_data().decode() for i, m in ams.pull_sub('s', 5, return_immediately=True)]`, ['two', 'grüß']],
    [`ams.ack_sub('s', ['projects/accounting/subscriptions/s:1', 'projects/accounting/subscriptions/s:2'])`, true],
    [`ams.pull_sub('s', 5)`, []],
    [`ams.modifyoffset_sub('s', 1)`, {}],
    [`ams.getoffsets_sub('s', 'current')`, 1],
    [`[m.get_data().decode() for m in ams.pullack_sub('s', 1)]`, ['two']],
    [`ams.getoffsets_sub('s', 'current')`, 2],
    [`ams.getacl_topic('ssm')`, { authorized_users: ['sender'] }],
    [`ams.modifyacl_topic('t', ['sender'])`, true],
    [`ams.getacl_topic('t')`, { authorized_users: ['sender'] }],
    [`ams.modifyacl_sub('s', [])`, true],
    [`ams.get_user_profile().name`, 'admin'],
    [`ams.status()['status']`, 'ok'],
    [`'build_time' in ams.version()`, true],
    [`ams.delete_sub('s')`, {}],
    [`ams.has_sub('s')`, false],
    [`ams.delete_topic('t')`, {}],
  ] // prettier-ignore

  test('what it does with a server, it does with the double', async () => {
    for (const [expression, value] of STEPS) assert.deepEqual(await python.value(expression), value, expression)
  })

  /** What it raises. */
  const ERRORS: readonly (readonly [expression: string, error: string, code: number, message: RegExp])[] = [
    [`ams.get_topic('none')`, 'AmsServiceException', 404, /Topic doesn't exist/],
    // A role in a project is none in the service.
    [`ams.metrics()`, 'AmsServiceException', 401, /Unauthorized/],
    [`ams.get_topic('a.b')`, 'AmsServiceException', 400, /Invalid topic name/],
    [`ams.publish('none', AmsMessage(data='x'))`, 'AmsServiceException', 404, /Topic doesn't exist/],
    [`ams.create_sub('new', 'none')`, 'AmsServiceException', 404, /Topic doesn't exist/],
    [`ams.ack_sub('ssm', ['projects/accounting/subscriptions/ssm:0'])`, 'AmsBalancerException', 500, /no ack pending/],
    [`ams.publish('ssm', AmsMessage(data='A' * 800000))`, 'AmsBalancerException', 500, /Backend Error/],
    [`ams.pushconfig_sub('ssm', 'https://127.0.0.1:1/')`, 'AmsServiceException', 400, /http_endpoint/],
  ]

  test('what it raises', async () => {
    for (const [expression, error, code, message] of ERRORS) {
      const said = await python.evaluate(expression)
      assert.deepEqual([said.error, said.code], [error, code], expression)
      assert.match(said.message ?? '', message, expression)
    }
  })

  test('its retries, and what a balancer does to it', async () => {
    ams.fault({ on: 'topics:publish', times: 2, fault: { kind: 'status', status: 502 } })
    const before = ams.count('topics:publish')
    await python.value(`ams.publish('ssm', AmsMessage(data='x'), retry=3, retrysleep=0)`)
    assert.equal(ams.count('topics:publish') - before, 3)
    ams.fault({ on: 'subscriptions:pull', fault: { kind: 'status', status: 504 } })
    assert.equal((await python.evaluate(`ams.pull_sub('ssm', 1)`)).error, 'AmsTimeoutException')
    ams.fault({ on: 'topics:publish', when: 'after', fault: { kind: 'reset' } })
    const lying = ams.lying('ssm').length
    await python.value(`ams.publish('ssm', AmsMessage(data='twice'), retry=1, retrysleep=0)`)
    assert.equal(ams.lying('ssm').length - lying, 2, 'a retry after a lost answer doubles')
  })

  test('an acknowledge that is too late', async () => {
    ams.put('ssm', 'late')
    await python.value(`ams.modifyoffset_sub('ssm', 0)`)
    const [[id]] = (await python.value(`[[i] for i, m in ams.pull_sub('ssm', 1)]`)) as [[string]]
    ams.advance(20_000)
    const said = await python.evaluate(`ams.ack_sub('ssm', [${JSON.stringify(id)}])`)
    assert.deepEqual([said.error, said.code], ['AmsTimeoutException', 408])
  })

  test('a certificate for a token', async () => {
    await using authn = await startAuthn({ tls: pki.host, pki, ams })
    authn.bind(pki.other, 'receiver')
    const { certificateFile: cert, keyFile: key } = pki.other
    const service = { endpoint: 'localhost', project: 'accounting', cert, key, authn_port: authn.port }
    await using other = await startPythonAms(service, ca)
    assert.equal(await other.value('ams.token'), ams.tokens.receiver)
    authn.unbind(pki.other)
    await assert.rejects(startPythonAms(service, ca), /AmsServiceException 404.*Binding was not found/s)
  })
}

if (hasPythonSsm) {
  describe('argo-ams-library and the double', { skip: need('python3-requests'), timeout: 120_000 }, libraryTests)
}
