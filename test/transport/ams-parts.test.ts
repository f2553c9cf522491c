/** The parts of the AMS transport that need no server: answers, sizes, ids, the unbroken beginning, pull sizes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createBatch } from '../../src/transport/ams/batch.js'
import { createBlame } from '../../src/transport/ams/blame.js'
import { deliveryBody, empaidOf } from '../../src/transport/ams/delivery.js'
import { decodeBase64, parseJson } from '../../src/transport/ams/json.js'
import { createMemory } from '../../src/transport/ams/memory.js'
import { createPolling } from '../../src/transport/ams/polling.js'
import { createPullSize } from '../../src/transport/ams/pull-size.js'
import { judgeAnswer } from '../../src/transport/ams/refusals.js'
import { pauseAfter } from '../../src/transport/ams/retry.js'
import type { Pulled } from '../../src/transport/ams/routes.js'
import { assertSize, attributeOf, storedSize } from '../../src/transport/ams/size.js'
import { refusal } from '../kit/transport.js'

function pulled(offset: number, changes: Partial<Pulled> = {}): Pulled {
  const ackId = `projects/p/subscriptions/s:${offset}`
  const messageId = String(offset)
  return { offset, ackId, messageId, data: 'eA==', attributes: {}, publishTime: `t${offset}`, ...changes }
}

describe('AMS: what an answer means', () => {
  const said = (status: number, label: string, message: string) =>
    Buffer.from(JSON.stringify({ error: { code: status, message, status: label } }))
  const judge = (status: number, body: Buffer) => judgeAnswer('ams', status, body, parseJson(body))
  // [status, the server's words or null for somebody else's, kind, code]
  const rows = [
    [400, 'Invalid topic name', 'final', 'destination-refused'],
    [400, 'Invalid ack id', 'final', 'destination-refused'],
    [401, 'Unauthorized', 'token', 'login-refused'],
    [403, 'Access to this resource is forbidden', 'forbidden', 'destination-refused'],
    [404, "project doesn't exist", 'missing', 'destination-refused'],
    [404, "Topic doesn't exist", 'missing', 'destination-refused'],
    [404, null, 'final', 'not-the-protocol'],
    [405, null, 'final', 'not-the-protocol'],
    [408, 'ack timeout', 'unsure', 'receipt-late'],
    [408, null, 'again', 'connection-lost'],
    [409, "Subscription's topic doesn't exist", 'conflict', 'destination-refused'],
    [413, 'Message size is too large', 'message', 'cannot-seal'],
    [413, null, 'message', 'message-refused'],
    [429, null, 'again', 'connection-lost'],
    [500, 'Backend Error', 'backend', 'connection-lost'],
    [500, 'no ack pending', 'unsure', 'receipt-late'],
    [500, 'wrong ack', 'unsure', 'receipt-late'],
    [500, 'Error exporting data to JSON', 'poisoned', 'connection-lost'],
    [500, 'Message retrieved from broker network has invalid JSON Structure', 'poisoned', 'connection-lost'],
    [500, null, 'backend', 'connection-lost'],
    [502, null, 'again', 'connection-lost'],
    [503, null, 'again', 'connection-lost'],
    [504, null, 'again', 'connection-lost'],
    [599, null, 'again', 'connection-lost'],
    [302, null, 'final', 'not-the-protocol'],
    [418, null, 'final', 'not-the-protocol'],
  ] as const
  for (const [status, words, kind, code] of rows) {
    test(`${status} ${words ?? '(of a balancer)'} is ${kind}`, () => {
      const body = words === null ? Buffer.from('<html>\n<b>no</b></html>') : said(status, 'LABEL', words)
      const found = judge(status, body)
      assert.deepEqual([found.kind, found.code], [kind, code])
      assert.match(found.words, words === null ? /<html> <b>no<\/b>/u : new RegExp(words, 'u'))
    })
  }

  test('a poisoned pull in words of a balancer is no reason to step over anything', () => {
    assert.equal(judge(500, Buffer.from('invalid JSON Structure')).kind, 'backend')
  })
})

describe('AMS: reading JSON', () => {
  test('what is not JSON, not UTF-8, too deep or too many parts is undefined', () => {
    assert.deepEqual(parseJson(Buffer.from('{"a":["\\"[[[[","\\\\"]}')), { a: ['"[[[[', '\\'] })
    assert.equal(parseJson(Buffer.from('{"a":')), undefined)
    assert.equal(parseJson(Buffer.from('"a')), undefined)
    assert.equal(parseJson(Buffer.from([0x22, 0xff, 0x22])), undefined)
    assert.notEqual(parseJson(Buffer.from(`${'['.repeat(16)}${']'.repeat(16)}`)), undefined)
    assert.equal(parseJson(Buffer.from(`${'['.repeat(17)}${']'.repeat(17)}`)), undefined)
    assert.equal(parseJson(Buffer.from(`[${'1,'.repeat(500_001)}1]`)), undefined)
  })

  test('Base64 is strict', () => {
    for (const text of ['', 'eA==', 'eHk=', 'eHl6', `${'AAAA'.repeat(1000)}/+8=`]) {
      assert.equal(decodeBase64(text)?.toString('base64'), text)
    }
    for (const text of ['e', 'eA', 'eA=', 'eA==\n', 'eA= =', 'eB==', 'eHn=', 'eA==eA==', 'e-_=', 'ü==='])
      assert.equal(decodeBase64(text), null, text)
  })

  test('a body that is not Base64 is handed on as it stands; a too large one is cut', () => {
    assert.equal(Buffer.from(deliveryBody(pulled(0, { data: 'not base64!' }), 100).body).toString(), 'not base64!')
    const large = deliveryBody(pulled(0, { data: Buffer.alloc(200_000).toString('base64') }), 150_000)
    assert.deepEqual([large.body.length, large.truncated], [64 * 1024, 200_000])
    assert.equal(deliveryBody(pulled(0, { data: '' }), 100).body.length, 0)
  })

  test('the id is the attribute, or N/A', () => {
    assert.equal(empaidOf(pulled(0, { attributes: { empaid: 'a/b' } })), 'a/b')
    assert.equal(empaidOf(pulled(0)), 'N/A')
    assert.equal(empaidOf(pulled(0, { attributes: { empaid: 1 } })), 'N/A')
    assert.equal(empaidOf(pulled(0, { attributes: Object.create({ empaid: 'inherited' }) as object as never })), 'N/A')
  })
})

describe('AMS: what is published', () => {
  test('ids that the server would spoil are percent-encoded, others are left alone', () => {
    assert.equal(attributeOf('5ba24c88/5ba24c8f0f129d'), '5ba24c88/5ba24c8f0f129d')
    assert.equal(attributeOf('50% ünï'), '50% ünï')
    assert.equal(attributeOf('a"b\\c\nd%\u007f'), 'a%22b%5Cc%0Ad%25%7F')
    assert.equal(attributeOf('lone \ud800'), 'lone \ufffd')
  })

  test('sizes: the default broker takes 786 318 bytes without attributes, and no more', () => {
    // Seen without attributes; an attribute of ours takes 44 bytes and itself, a long id of the service up to 12.
    assert.equal(storedSize(786_318, 'abc'), 1_048_588 + 44 + 3 + 12 - 1)
    assert.equal(storedSize(3, 'a<b') - storedSize(3, 'abc'), 5)
    assert.doesNotThrow(() => {
      assertSize(1_500_000, 1_500_000)
    })
    assert.throws(
      () => {
        assertSize(1_500_001, 1_500_000)
      },
      refusal('cannot-seal', /1500001 bytes/u, /max_message_size \(1500000\)/u),
    )
  })

  test('pauses double to 5 s, with jitter', () => {
    assert.deepEqual([1, 2, 5, 6, 50].map((n) => pauseAfter(n, () => 1)), [200, 400, 3200, 5000, 5000]) // prettier-ignore
    assert.deepEqual([1, 50].map((n) => pauseAfter(n, () => 0)), [100, 2500]) // prettier-ignore
  })
})

describe('AMS: is it the message, or the service?', () => {
  test('the message, when others passed between its failures; else the service', () => {
    const blame = createBlame()
    const [early, lonely, quick] = [blame.trial(false), blame.trial(false), blame.trial(false)]
    blame.passed()
    early.failed()
    lonely.failed()
    quick.failed()
    lonely.failed()
    lonely.failed()
    assert.equal(lonely.isGuilty(), false, 'nothing passed since it first failed')
    blame.passed()
    quick.failed()
    assert.equal(quick.isGuilty(), false, 'two failures are not enough')
    early.failed()
    early.failed()
    assert.equal(early.isGuilty(), true)
    assert.equal(lonely.isGuilty(), false, 'it has not failed since')
  })

  test('a large one that is the last of a run, when others passed before it; not when none did', () => {
    const blame = createBlame()
    const [before, small] = [blame.trial(true), blame.trial(false)]
    for (let n = 0; n < 3; n++) before.failed()
    assert.equal(before.isGuilty(), false)
    blame.passed()
    const after = blame.trial(true)
    for (let n = 0; n < 2; n++) after.failed()
    assert.equal(after.isGuilty(), false, 'twice may be chance')
    after.failed()
    for (let n = 0; n < 3; n++) small.failed()
    assert.deepEqual([after.isGuilty(), small.isGuilty()], [true, false])
  })
})

describe('AMS: one acknowledge for the unbroken stored beginning', () => {
  const messages = [10, 11, 12, 13].map((offset) => pulled(offset))
  const [a, b, c, d] = messages as [Pulled, Pulled, Pulled, Pulled]

  test('a gap ends it', () => {
    const batch = createBatch(messages, () => false)
    assert.equal(batch.prefixEnd(), undefined)
    batch.stored(c)
    assert.equal(batch.prefixEnd(), undefined)
    batch.stored(a)
    assert.equal(batch.prefixEnd(), a)
    batch.stored(b)
    assert.equal(batch.prefixEnd(), c)
    batch.released(d)
    assert.equal(batch.prefixEnd(), c)
    assert.equal(batch.broken, true)
  })

  test('what was stored by an earlier pull counts and is not handed out again', async () => {
    const memory = createMemory()
    memory.add(a)
    memory.add(pulled(12, { publishTime: 'another topic of this name' }))
    const batch = createBatch(messages, (message) => memory.has(message))
    assert.deepEqual(batch.open, [b, c, d])
    assert.equal(batch.prefixEnd(), a)
    for (const message of batch.open) batch.stored(message)
    await batch.settled()
    assert.equal(batch.prefixEnd(), d)
    memory.forget(10)
    assert.equal(memory.has(a), false)
  })
})

describe('AMS: how much a pull asks for', () => {
  const outcome = { bytes: 10_000, storing: 10, pulling: 100 }

  test('doubles while pulls come back full, up to pull_max', () => {
    const size = createPullSize(100, () => 10)
    const asked: number[] = []
    for (let turn = 0; turn < 6; turn++) {
      asked.push(size.next())
      size.stored({ asked: size.next(), got: size.next(), ...outcome })
    }
    assert.deepEqual(asked, [10, 20, 40, 80, 100, 100])
    size.stored({ asked: 100, got: 3, ...outcome })
    assert.equal(size.next(), 100)
  })

  test('stays below 8 MiB', () => {
    const size = createPullSize(1000, () => 10)
    size.stored({ asked: 10, got: 10, bytes: 14_000_000, storing: 10, pulling: 100 })
    assert.equal(size.next(), 5)
    size.stored({ asked: 5, got: 1, bytes: 40_000_000, storing: 10, pulling: 100 })
    assert.equal(size.next(), 1)
  })

  test('stays below what is stored in half the deadline', () => {
    const size = createPullSize(1000, () => 10)
    // 100 ms a message: 49 in 4.9 s, of the 5 s that half the deadline is.
    size.stored({ asked: 10, got: 10, bytes: 1000, storing: 1000, pulling: 100 })
    assert.equal(size.next(), 20)
    size.stored({ asked: 20, got: 20, bytes: 2000, storing: 2000, pulling: 100 })
    size.stored({ asked: 40, got: 40, bytes: 2000, storing: 4000, pulling: 100 })
    assert.equal(size.next(), 49)
  })

  test('one at a time while a record that nobody can read is near', () => {
    const size = createPullSize(100, () => 10)
    size.singles(3)
    for (let turn = 0; turn < 3; turn++) {
      assert.equal(size.next(), 1)
      size.stored({ asked: 1, got: 1, ...outcome })
    }
    assert.equal(size.next(), 10)
    size.halve()
    assert.equal(size.next(), 5)
  })

  test('an empty subscription is looked at less and less often', () => {
    const polling = createPolling(1000)
    const pauses = Array.from({ length: 8 }, () => polling.next())
    assert.deepEqual([pauses[0], pauses[1], pauses[7]], [100, 150, 1000])
    polling.reset()
    assert.equal(polling.next(), 100)
  })
})
