/** The double of AMS beside what the specification says of the real server (specs: ams.md; sections in brackets). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ack, ask, asAdmin as to, P, startFor as start, SUB, TOPIC, type Asked } from './ask.js'
import { publishTimeText } from './record.js'

const ids = (json: unknown): (string | undefined)[] =>
  (json as { receivedMessages: { message: { messageId?: string } }[] }).receivedMessages.map(
    ({ message }) => message.messageId,
  )

describe('the AMS double', { timeout: 60_000 }, () => {
  /** Successes, and which of them have no body (4 to 10). */
  const SUCCESSES: readonly (readonly [title: string, what: string, asked: Asked, json: unknown])[] = [
    ['an empty list is published', `POST ${TOPIC}:publish`, { body: { messages: [] } }, { messageIds: [] }],
    ['the case of names does not matter', `POST ${TOPIC}:publish`, { body: { MESSAGES: [] } }, { messageIds: [] }],
    ['unknown fields are dropped', `POST ${TOPIC}:publish`, { body: { messages: [{ data: 'eA==', orderingKey: 'k', messageId: '9' }] } }, { messageIds: ['0'] }],
    ['nothing to pull', `POST ${P}/subscriptions/late:pull`, { body: {} }, { receivedMessages: [] }],
    ['nothing to pull, waiting', `POST ${P}/subscriptions/late:pull`, { body: { returnImmediately: 'false', maxMessages: '5' } }, { receivedMessages: [] }],
    ['offsets', `GET ${SUB}:offsets`, {}, { max: 1, min: 0, current: 0 }],
    ['an offset is set', `POST ${SUB}:modifyOffset`, { body: { offset: 1 } }, undefined],
    ['a deadline is set', `POST ${SUB}:modifyAckDeadline`, { body: { ackDeadlineSeconds: 30 } }, undefined],
    ['access to a topic', `GET ${TOPIC}:acl`, {}, { authorized_users: ['sender'] }],
    ['access is changed', `POST ${SUB}:modifyAcl`, { body: { authorized_users: [] } }, undefined],
    ['access to what is not there is changed', `POST ${P}/topics/nothing:modifyAcl`, { body: { authorized_users: ['sender'] } }, undefined],
    ['access to a subscription', `GET ${SUB}:acl`, {}, { authorized_users: [] }],
    ['subscriptions of a topic', `GET ${TOPIC}/subscriptions`, {}, { subscriptions: ['/projects/accounting/subscriptions/ssm', '/projects/accounting/subscriptions/late'] }],
    ['a topic is deleted', `DELETE ${TOPIC}`, {}, undefined],
    ['a subscription is deleted', `DELETE ${P}/subscriptions/late`, {}, undefined],
    ['status needs no token', 'GET /v1/status', { token: '' }, { status: 'ok', push_functionality: 'disabled' }],
  ] // prettier-ignore

  test('answers with its forms, empty ones too', async (t) => {
    const ams = await start(t)
    for (const [title, what, asked, json] of SUCCESSES) {
      if (title === 'nothing to pull') ams.addSubscription('late', { topic: 'ssm' })
      const reply = await to(ams)(what, asked)
      assert.equal(reply.status, 200, title)
      assert.equal(reply.contentType, 'application/json; charset=utf-8', title)
      assert.deepEqual(reply.json, json, title)
      if (json === undefined) assert.equal(reply.text, '', title)
    }
    const gone = await to(ams)(`POST ${SUB}:pull`, { body: {} })
    assert.deepEqual([gone.status, gone.message], [409, "Subscription's topic doesn't exist"])
  })

  test('one state of acknowledgement for a subscription, cumulative, closed by one acknowledge (7)', async (t) => {
    const ams = await start(t)
    const call = to(ams)
    for (const text of ['a', 'b', 'c', 'd']) ams.put('ssm', text)
    const pull = async (max: string) => ids((await call(`POST ${SUB}:pull`, { body: { maxMessages: max } })).json)
    const acked = async (id: number) => {
      const { status, message } = await call(`POST ${SUB}:acknowledge`, { body: ack(id) })
      return message ?? status
    }
    assert.deepEqual(await pull('3'), ['0', '1', '2'])
    assert.equal(await acked(3), 'wrong ack')
    assert.equal(await acked(1), 200)
    assert.equal(await acked(2), 'no ack pending')
    assert.equal(await acked(1), 'no ack pending')
    assert.deepEqual(await pull('9'), ['2', '3'])
    assert.deepEqual(await pull('1'), ['2'], 'a pull takes nothing away')
    assert.equal(await acked(3), 'wrong ack', 'a smaller pull makes an earlier larger acknowledge wrong')
    assert.equal(await acked(2), 200)
    assert.deepEqual(await pull('0'), ['3'], 'not a good number is one')
    assert.equal(await acked(3), 200)
    assert.deepEqual(await pull('1'), [])
    assert.equal(await acked(3), 'wrong ack', 'an empty pull is pending too')
  })

  test('the deadline counts whole seconds, up to one of grace (7)', async (t) => {
    const ams = await start(t)
    ams.put('ssm', 'a')
    const pull = () => to(ams)(`POST ${SUB}:pull`, { body: {} })
    const acknowledge = () => to(ams)(`POST ${SUB}:acknowledge`, { body: ack(0) })
    await pull()
    ams.advance(12_000)
    const late = await acknowledge()
    assert.deepEqual([late.status, late.message], [408, 'ack timeout'])
    assert.equal((await acknowledge()).status, 408)
    assert.deepEqual(ids((await pull()).json), ['0'])
    ams.advance(9_000)
    assert.equal((await acknowledge()).status, 200)
  })

  test('an offset out of bounds is refused, and set (8)', async (t) => {
    const ams = await start(t)
    ams.put('ssm', 'a')
    await to(ams)(`POST ${SUB}:pull`, { body: {} })
    const reply = await to(ams)(`POST ${SUB}:modifyOffset`, { body: { offset: 7 } })
    assert.deepEqual([reply.status, reply.message], [400, 'Offset out of bounds'])
    assert.deepEqual((await to(ams)(`GET ${SUB}:offsets`)).json, { max: 1, min: 0, current: 7 })
    assert.equal((await to(ams)(`POST ${SUB}:acknowledge`, { body: ack(7) })).message, 'no ack pending')
  })

  test('what has gone out of retention is jumped over by looking and by pulling (6, 8)', async (t) => {
    const ams = await start(t, { subscriptions: { ssm: 'ssm', other: 'ssm' } })
    for (let n = 0; n < 5; n += 1) ams.put('ssm', `m${n}`)
    ams.forgetBefore('ssm', 3)
    assert.deepEqual(ids((await to(ams)(`POST ${SUB}:pull`, { body: { maxMessages: '9' } })).json), ['3', '4'])
    const other = await to(ams)(`GET ${P}/subscriptions/other:offsets`)
    assert.deepEqual(other.json, { max: 5, min: 3, current: 3 })
  })

  /** Attributes that spoil a record, or change on the way (9). */
  const ATTRIBUTES: readonly (readonly [value: string, back: string])[] = [
    ['a/b <c> & ünï 日本', 'a/b <c> & ünï 日本'],
    ['say "x"', 'spoilt'],
    ['line\nbreak', 'spoilt'],
    ['tab\tulator', 'spoilt'],
    ['ends with \\', 'spoilt'],
    ['a\\xb', 'spoilt'],
    ['a\\\\b', 'a\b'],
    ['a\\nb', 'unreadable'],
    ['DEL \u007f and \u0085', 'DEL \u007f and \u0085'],
    ['a","b":"c', 'a'],
  ]

  test('attributes go through JSON without escaping (9)', async (t) => {
    for (const [value, back] of ATTRIBUTES) {
      const ams = await start(t)
      const body = { messages: [{ attributes: { k: value }, data: 'eA==' }] }
      const published = await to(ams)(`POST ${TOPIC}:publish`, { body })
      assert.deepEqual(published.json, { messageIds: ['0'] }, value)
      const { status, message, json } = await to(ams)(`POST ${SUB}:pull`, { body: {} })
      const wanted = { spoilt: 'Message retrieved from broker network has invalid JSON Structure', unreadable: 'Error exporting data to JSON' }[back] // prettier-ignore
      assert.equal(message, wanted, value)
      if (wanted !== undefined) {
        assert.equal(status, 500)
        continue
      }
      const [first] = (json as { receivedMessages: { message: { attributes: { k: string } } }[] }).receivedMessages
      assert.equal(first?.message.attributes.k, back)
    }
  })

  test('a spoilt record spoils every pull that reaches it, and no other (9)', async (t) => {
    const ams = await start(t)
    ams.put('ssm', 'good')
    assert.equal(ams.putSpoilt('ssm'), 1)
    ams.put('ssm', 'good too')
    const pull = (maxMessages: string) => to(ams)(`POST ${SUB}:pull`, { body: { maxMessages } })
    assert.equal((await pull('3')).status, 500)
    assert.equal((await to(ams)(`POST ${SUB}:acknowledge`, { body: ack(0) })).message, 'no ack pending')
    assert.deepEqual(ids((await pull('1')).json), ['0'])
    assert.equal((await pull('2')).status, 500)
    assert.equal((await to(ams)(`POST ${SUB}:acknowledge`, { body: ack(0) })).status, 200, 'its pull is still pending')
    assert.equal((await pull('1')).status, 500)
    assert.equal((await to(ams)(`POST ${SUB}:modifyOffset`, { body: { offset: 2 } })).status, 200)
    assert.deepEqual(ids((await pull('1')).json), ['2'])
  })

  test('a message as it comes out: attributes missing when none, data as sent (6)', async (t) => {
    const ams = await start(t)
    const messages = [{ data: 'not base64!' }, { attributes: { b: '2', a: '1' } }, { attributes: {}, data: '' }]
    await to(ams)(`POST ${TOPIC}:publish`, { body: { messages } })
    const { json } = await to(ams)(`POST ${SUB}:pull`, { body: { maxMessages: '5' } })
    const list = (json as { receivedMessages: { ackId: string; message: Record<string, unknown> }[] }).receivedMessages
    for (const { message } of list) assert.match(String(message.publishTime), /^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/)
    assert.deepEqual(
      list.map(({ ackId, message }) => ({ ackId, ...message, publishTime: '' })),
      [
        { ackId: 'projects/accounting/subscriptions/ssm:0', messageId: '0', data: 'not base64!', publishTime: '' },
        { ackId: 'projects/accounting/subscriptions/ssm:1', messageId: '1', attributes: { a: '1', b: '2' }, data: '', publishTime: '' },
        { ackId: 'projects/accounting/subscriptions/ssm:2', messageId: '2', data: '', publishTime: '' },
      ],
    )
  }) // prettier-ignore

  test('times of publication lose their trailing zeros (4)', () => {
    const at = Date.UTC(2026, 10, 20, 23, 1, 1)
    assert.equal(publishTimeText(at, 137_915_305), '2026-11-20T23:01:01.137915305Z')
    assert.equal(publishTimeText(at, 120_000_000), '2026-11-20T23:01:01.12Z')
    assert.equal(publishTimeText(at, 0), '2026-11-20T23:01:01Z')
    assert.equal(publishTimeText(at, 5), '2026-11-20T23:01:01.000000005Z')
  })

  test('sizes: 1 048 425 characters pass, more is 500 now and was 413 (5)', async (t) => {
    for (const [server, status, message] of [
      ['present', 500, 'Backend Error'],
      ['old', 413, 'Message size is too large'],
    ] as const) {
      // A topic's first id has one digit, and nine decimals are the longest time.
      const ams = await start(t, { server })
      const send = (...lengths: readonly number[]) =>
        to(ams)(`POST ${TOPIC}:publish`, {
          body: { messages: lengths.map((length) => ({ data: 'A'.repeat(length) })) },
        })
      assert.equal((await send(1_048_425)).status, 200)
      const refused = await send(1_048_440)
      assert.deepEqual([refused.status, refused.message], [status, message])
      assert.equal((await send(900_000, 900_000, 900_000, 900_000)).status, 200, 'each counts alone')
      const half = await send(10, 1_048_440, 10)
      assert.equal(half.status, status)
      assert.equal(ams.lying('ssm').length, 6, 'what was before it in the request is in')
    }
  })

  test('a larger limit of Kafka ends at the 1 500 000 of the producer (5)', async (t) => {
    const ams = await start(t, { messageMaxBytes: 10_000_000 })
    const send = (length: number) =>
      to(ams)(`POST ${TOPIC}:publish`, { body: { messages: [{ data: 'A'.repeat(length) }] } })
    assert.equal((await send(1_499_800)).status, 200)
    assert.equal((await send(1_500_000)).status, 500)
  })

  test('two at a time may get the same id (4)', async (t) => {
    const ams = await start(t, { writeTime: 50 })
    const body = { messages: [{ data: 'eA==' }] }
    const replies = await Promise.all([1, 2].map(() => to(ams)(`POST ${TOPIC}:publish`, { body })))
    assert.deepEqual(
      replies.map(({ json }) => json),
      [{ messageIds: ['0'] }, { messageIds: ['0'] }],
    )
    assert.equal(ams.lying('ssm').length, 2)
  })

  test('waiting for all messages, with everybody else behind it (6)', async (t) => {
    const ams = await start(t, { subscriptions: { ssm: 'ssm', other: 'ssm' } })
    ams.put('ssm', 'a')
    const done: string[] = []
    const noted = async (name: string, reply: Promise<{ json: unknown }>) => {
      const { json } = await reply
      done.push(`${name} ${ids(json).join()}`)
    }
    const first = noted(
      'waits',
      to(ams)(`POST ${SUB}:pull`, { body: { maxMessages: '2', returnImmediately: 'false' } }),
    )
    while (ams.count('subscriptions:pull') < 1) await new Promise((resolve) => setTimeout(resolve, 5))
    const second = noted('behind', to(ams)(`POST ${P}/subscriptions/other:pull`, { body: { maxMessages: '5' } }))
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.deepEqual(done, [])
    ams.put('ssm', 'b')
    await Promise.all([first, second])
    assert.deepEqual(done, ['waits 0,1', 'behind 0,1'])
    const one = await to(ams)(`POST ${SUB}:pull`, { body: { maxMessages: '1', returnImmediately: 'false' } })
    assert.deepEqual(ids(one.json), ['0'], 'with one it is harmless')
  })

  test('creating and finding (10)', async (t) => {
    const ams = await start(t)
    ams.put('ssm', 'a')
    const made = await to(ams)(`PUT ${P}/subscriptions/new`, { body: { topic: 'projects/accounting/topics/ssm', ackDeadlineSeconds: 10_000 } }) // prettier-ignore
    const shown = made.json as Record<string, unknown>
    assert.equal(shown.name, '/projects/accounting/subscriptions/new')
    assert.equal(shown.topic, '/projects/accounting/topics/ssm')
    assert.equal(shown.ackDeadlineSeconds, 10_000)
    assert.deepEqual((await to(ams)(`GET ${P}/subscriptions/new:offsets`)).json, { max: 1, min: 0, current: 1 })
    assert.equal((await to(ams)(`PUT ${P}/topics/second`)).status, 200)
    assert.equal((await to(ams)(`PUT ${P}/topics/third`)).status, 200)
    const names = (json: unknown) =>
      (json as { topics: { name: string }[] }).topics.map(({ name }) => name.split('/').at(-1))
    const page = (await to(ams)(`GET ${P}/topics?pageSize=2`)).json as { nextPageToken: string; totalSize: number }
    assert.deepEqual([names(page), page.totalSize], [['third', 'second'], 3])
    const next = await to(ams)(`GET ${P}/topics?pageSize=2&pageToken=${encodeURIComponent(page.nextPageToken)}`)
    assert.deepEqual(names(next.json), ['ssm'])
    const seen = await to(ams)(`GET ${P}/topics`, { token: ams.addUser('seer', { roles: ['publisher'] }).token })
    assert.deepEqual(seen.json, { topics: [], nextPageToken: '', totalSize: 0 })
  })

  test('who am I, and the counts (10)', async (t) => {
    const ams = await start(t)
    await to(ams)(`POST ${TOPIC}:publish`, { body: { messages: [{ data: 'eA==' }, { data: 'eA==' }] } })
    const me = (await to(ams)('GET /v1/users/profile', { token: ams.tokens.receiver })).json as Record<string, unknown>
    assert.equal(me.name, 'receiver')
    assert.deepEqual(me.projects, [{ project: 'accounting', roles: ['consumer'], topics: [], subscriptions: ['ssm'] }])
    const { json } = await to(ams)(`GET ${TOPIC}:metrics`)
    const metrics = (json as { metrics: { metric: string; timeseries: { value: number }[] }[] }).metrics
    const value = (name: string) => metrics.find(({ metric }) => metric === name)?.timeseries[0]?.value
    assert.equal(value('topic.number_of_messages'), 2)
    assert.equal(value('topic.number_of_bytes'), 8)
    assert.equal(value('topic.number_of_subscriptions'), 1)
    const open = await start(t, { forbidden: ['users:profile'] })
    assert.equal((await to(open)('GET /v1/users/profile')).status, 403)
  })

  test('an offset by time (8)', async (t) => {
    const ams = await start(t)
    const call = () => {
      const time = new Date(ams.world.now()).toISOString()
      return (at = time) => to(ams)(`GET ${SUB}:timeToOffset?time=${at}`)
    }
    const first = call()
    ams.advance(10)
    ams.put('ssm', 'a')
    assert.deepEqual((await first()).json, { offset: 0 })
    ams.advance(10)
    assert.equal((await call()()).status, 409)
  })

  test('tokens: in the header, in the query, and after a refresh (2)', async (t) => {
    const ams = await start(t)
    const { receiver } = ams.tokens
    const inQuery = (token: string) => ask(`GET ${ams.url}${SUB}?key=${token}`)
    assert.equal((await inQuery(receiver)).status, 200)
    const renewed = ams.refreshToken('receiver')
    assert.equal((await inQuery(receiver)).status, 401)
    assert.equal((await inQuery(renewed)).status, 200)
    const strict = await start(t, { authOption: 'header' })
    assert.equal((await ask(`GET ${strict.url}${SUB}?key=${strict.tokens.receiver}`)).status, 401)
  })

  test('push subscriptions are not pulled by others (6, 10)', async (t) => {
    const ams = await start(t, { pushEnabled: true })
    const pushConfig = { type: 'http_endpoint', pushEndpoint: 'https://127.0.0.1:1/x' }
    assert.equal((await to(ams)(`POST ${SUB}:modifyPushConfig`, { body: { pushConfig } })).status, 200)
    const shown = (await to(ams)(`GET ${SUB}`)).json as { pushConfig: Record<string, unknown> }
    assert.match(String(shown.pushConfig.verificationHash), /^[0-9a-f]{64}$/)
    assert.equal(shown.pushConfig.verified, false)
    assert.equal((await to(ams)(`POST ${SUB}:pull`, { body: {} })).status, 403)
    const verify = await to(ams)(`POST ${SUB}:verifyPushEndpoint`)
    assert.equal(verify.status, 401)
    assert.match(verify.message ?? '', /^Endpoint verification failed\./)
    for (const [wrong, message] of [
      [{ pushEndpoint: 'https://x' }, "Push configuration type can only be of 'http_endpoint' or 'mattermost'"],
      [{ type: 'http_endpoint', pushEndpoint: 'http://x' }, 'Push endpoint should be addressed by a valid https url'],
    ] as const) {
      const reply = await to(ams)(`POST ${SUB}:modifyPushConfig`, { body: { pushConfig: wrong } })
      assert.deepEqual([reply.status, reply.message], [400, message])
    }
    assert.equal((await to(ams)(`POST ${SUB}:modifyPushConfig`, { body: { pushConfig: {} } })).status, 200)
    assert.equal((await to(ams)(`POST ${SUB}:pull`, { body: {} })).status, 200)
  })
})
