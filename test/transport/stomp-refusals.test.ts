/** The table of refusals against texts that brokers were seen to send (names, ids and links made shorter). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode } from '../../src/errors.js'
import { judgeSocketError } from '../../src/transport/socket-error.js'
import { judgeError, withoutTrace } from '../../src/transport/stomp/refusals.js'

const FULL =
  'Persistent store is Full, 100% of 102400. Stopping producer (ID:h-1-2:2:-1:1) to prevent flooding queue://q.'
const FRAME = 'The maximum frame size was exceeded'
const DATA = 'The maximum data length was exceeded'
const VERSION = 'Invalid Protocol version[3.0], supported versions are: [1.2, 1.1, 1.0]'
const USER = 'User name [null] or password is invalid. No user for client certificate: CN=h, O=Test, C=XX'
const RIGHT = 'User poor is not authorized to write to: queue://a'

const trace = (kind: string, words: string) =>
  `${kind}: ${words}\n\tat org.example.One.two(One.java:297)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n`

/** Title, body, and what it means. */
const SEEN: readonly (readonly [string, string, ErrorCode])[] = [
  ['User name [joe] or password is invalid.', 'User name [joe] or password is invalid.', 'login-refused'],
  [USER, USER, 'login-refused'],
  [RIGHT, RIGHT, 'destination-refused'],
  [FULL, trace('javax.jms.ResourceAllocationException', FULL), 'receipt-late'],
  [FRAME, trace('org.apache.activemq.transport.stomp.ProtocolException', FRAME), 'connection-lost'],
  [DATA, trace('org.apache.activemq.transport.stomp.ProtocolException', DATA), 'connection-lost'],
  [VERSION, trace('org.apache.activemq.transport.stomp.ProtocolException', VERSION), 'not-the-protocol'],
  ['Bad CONNECT', "Access refused for user 'joe'\n", 'login-refused'],
  ['not_found', "NOT_FOUND - no exchange 'none' in vhost '/'\n", 'destination-refused'],
  ['Version mismatch', 'Supported versions are 1.0,1.1,1.2\n', 'not-the-protocol'],
  ['something new', 'never heard of', 'message-refused'],
]

for (const [title, text, code] of SEEN) {
  test(`${code}: ${title}`, () => {
    const judged = judgeError(title, text, 'message-refused')
    assert.equal(judged.code, code)
    assert.doesNotMatch(judged.message, /\tat |java\.lang/)
    assert.ok(judged.message.includes(title), judged.message)
    assert.equal(judged.message.split(title).length, 2, `once: ${judged.message}`)
  })
}

test('of a stack trace the words stay, a text without one stays as it is', () => {
  assert.equal(withoutTrace(trace('java.io.IOException', 'Full')), 'java.io.IOException: Full')
  assert.equal(withoutTrace(' at home\n'), 'at home')
  assert.equal(withoutTrace(''), '')
})

test('what to do is said: whom to ask for what, with our DN where it is about the certificate', () => {
  const own = '/C=XX/O=Test/CN=h'
  const certificate = "Access refused for user 'CN=h,O=Test,C=XX'\n"
  const add = /the broker does not know this certificate: ask its operator to add \/C=XX\/O=Test\/CN=h \(/
  assert.match(judgeError('Bad CONNECT', certificate, 'login-refused', own).message, add)
  assert.match(judgeError(USER, USER, 'login-refused', own).message, add)
  assert.match(judgeError('Bad CONNECT', certificate, 'login-refused').message, /ask its operator to add it/)
  assert.match(judgeError('Bad CONNECT', "Access refused for user 'joe'\n", 'login-refused', own).message, /this login/)
  const alert = (code: string): string => {
    const error = Object.assign(new Error('alert'), { code: `ERR_SSL_TLSV1_ALERT_${code}` })
    return judgeSocketError(error, 'h:1', own).message
  }
  assert.match(
    alert('UNKNOWN_CA'),
    /does not know the CA.*ask its operator to accept \/C=XX.* and the CA that issued it/,
  )
  assert.match(alert('CERTIFICATE_EXPIRED'), /has expired: renew \/C=XX/)
  assert.match(alert('CERTIFICATE_REVOKED'), /ask the CA of \/C=XX.* for a new one/)
  assert.match(alert('ACCESS_DENIED'), /ask its operator to add \/C=XX/)
})
