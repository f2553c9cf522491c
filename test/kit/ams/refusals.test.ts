/** What the double of AMS refuses, in the order and with the words of the real server (specs: ams.md, sections 1 to 3). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ack, asAdmin as to, P, startFor as start, SUB, TOPIC, type Asked } from './ask.js'
import type { Ams } from './index.js'

describe('the AMS double', { timeout: 60_000 }, () => {
  /** Order of checks (2), error texts and their content types (1, 3). */
  const REFUSALS: readonly (readonly [
    title: string,
    what: string,
    asked: Asked | ((ams: Ams) => Asked),
    status: number,
    message: string | undefined,
    type?: 'json' | 'text',
  ])[] =
    // prettier-ignore
    [
      ['a bad name comes before the token', `POST ${P}/topics/a.b:publish`, { token: '' }, 400, 'Invalid topic name', 'text'],
      ['of bad names the project is first', `GET /v1/projects/a.b/topics/c.d`, {}, 400, 'Invalid project name', 'text'],
      ['no token comes before the project', 'GET /v1/projects/nobody/topics/x', { token: '' }, 401, 'Unauthorized', 'text'],
      ['the project before a bad token', 'GET /v1/projects/nobody/topics/x', { token: 'bad' }, 404, "project doesn't exist", 'text'],
      ['a bad token', `GET ${P}/topics/none`, { token: 'bad' }, 401, 'Unauthorized', 'text'],
      ['a role that may not, before the resource', `GET ${P}/subscriptions/none`, (ams) => ({ token: ams.tokens.sender }), 403, 'Access to this resource is forbidden', 'text'],
      ['a topic that is not there', `GET ${P}/topics/none`, {}, 404, "Topic doesn't exist", 'json'],
      ['the resource comes before the list', `POST ${P}/topics/none:publish`, (ams) => ({ token: ams.tokens.sender, body: {} }), 404, "Topic doesn't exist"],
      ['who is not in the list, before the body', `POST ${TOPIC}:publish`, (ams) => ({ token: ams.addUser('stranger', { roles: ['publisher'] }).token, body: '?' }), 403, 'Access to this resource is forbidden', 'json'],
      ['a token that only pulls may not look', `GET ${SUB}:offsets`, (ams) => ({ token: ams.tokens.puller }), 403, 'Access to this resource is forbidden'],
      ['an unknown path', 'GET /v1/nothing', {}, 404, undefined, 'text'],
      ['another version', 'GET /v2/version', {}, 404, undefined, 'text'],
      ['an unknown verb is a wrong method', `POST ${TOPIC}:nonsense`, {}, 405, undefined],
      ['a known verb by GET is a name', `GET ${SUB}:pull`, {}, 400, 'Invalid subscription name'],
      ['publish: no body', `POST ${TOPIC}:publish`, { body: '' }, 400, 'Invalid Message Arguments'],
      ['publish: a list', `POST ${TOPIC}:publish`, { body: [] }, 400, 'Invalid Message Arguments'],
      ['publish: a number among attributes', `POST ${TOPIC}:publish`, { body: { messages: [{ attributes: { a: 1 } }] } }, 400, 'Invalid Message Arguments'],
      ['publish: data that is no text', `POST ${TOPIC}:publish`, { body: { messages: [{ data: 1 }] } }, 400, 'Invalid Message Arguments'],
      ['pull: a number', `POST ${SUB}:pull`, { body: { maxMessages: 1 } }, 400, 'Invalid Pull Parameters Arguments', 'json'],
      ['pull: a boolean', `POST ${SUB}:pull`, { body: { returnImmediately: true } }, 400, 'Invalid Pull Parameters Arguments'],
      ['pull: no body', `POST ${SUB}:pull`, {}, 400, 'Invalid Pull Parameters Arguments'],
      ['acknowledge: no list', `POST ${SUB}:acknowledge`, { body: {} }, 400, 'Invalid ack id'],
      ['acknowledge: an empty list', `POST ${SUB}:acknowledge`, { body: { ackIds: [] } }, 400, 'Invalid ack id'],
      ['acknowledge: a text', `POST ${SUB}:acknowledge`, { body: { ackIds: 'x' } }, 400, 'Invalid ack parameter'],
      ['acknowledge: another subscription', `POST ${SUB}:acknowledge`, { body: { ackIds: ['projects/accounting/subscriptions/other:0'] } }, 400, 'Invalid ack id'],
      ['acknowledge: a slash in front', `POST ${SUB}:acknowledge`, { body: { ackIds: ['/projects/accounting/subscriptions/ssm:0'] } }, 400, 'Invalid ack id'],
      ['acknowledge: below zero', `POST ${SUB}:acknowledge`, { body: ack(-1) }, 400, 'Invalid ack id'],
      ['acknowledge: the body before the subscription', `POST ${P}/subscriptions/none:acknowledge`, { body: '' }, 400, 'Invalid ack parameter'],
      ['acknowledge: nothing was pulled', `POST ${SUB}:acknowledge`, { body: ack(0) }, 500, 'no ack pending'],
      ['deadline: too long', `POST ${SUB}:modifyAckDeadline`, { body: { ackDeadlineSeconds: 601 } }, 400, 'Invalid ackDeadlineSeconds(needs value between 0 and 600) Arguments'],
      ['offset: a text', `POST ${SUB}:modifyOffset`, { body: { offset: '1' } }, 400, 'Invalid Offset Arguments'],
      ['time: without milliseconds', `GET ${SUB}:timeToOffset?time=2026-01-01T00:00:00Z`, {}, 400, 'Time is not in valid Zulu format.'],
      ['time: nothing after it', `GET ${SUB}:timeToOffset?time=2026-01-01T00:00:00.000Z`, {}, 409, "Timestamp is out of bounds for the subscription's topic/partition"],
      ['create: the topic is there', `PUT ${TOPIC}`, {}, 409, 'Topic already exists'],
      ['create: the subscription is there', `PUT ${SUB}`, { body: { topic: 'projects/accounting/topics/ssm' } }, 409, 'Subscription already exists'],
      ['create: no such topic', `PUT ${P}/subscriptions/new`, { body: { topic: 'projects/accounting/topics/none' } }, 404, "Topic doesn't exist"],
      ['create: a slash in front of the topic', `PUT ${P}/subscriptions/new`, { body: { topic: '/projects/accounting/topics/ssm' } }, 400, 'Invalid Topic name'],
      ['create: push is off', `PUT ${P}/subscriptions/new`, { body: { topic: 'projects/accounting/topics/ssm', pushConfig: { type: 'http_endpoint' } } }, 409, 'Push functionality is currently disabled'],
      ['list: a bad token of a page', `GET ${P}/topics?pageToken=x`, {}, 400, 'Invalid page token'],
      ['list: a bad size', `GET ${P}/topics?pageSize=x`, {}, 400, 'Invalid page size'],
      ['access: unknown users', `POST ${TOPIC}:modifyAcl`, { body: { authorized_users: ['sender', 'a', 'b'] } }, 404, 'User(s): a, b do not exist'],
      ['profile: no token', 'GET /v1/users/profile', { token: '' }, 401, 'Unauthorized', 'json'],
      ['status: details are for administrators', 'GET /v1/status?details=true', {}, 401, 'Unauthorized', 'json'],
    ]

  test('refuses in its order, with its words', async (t) => {
    const ams = await start(t)
    for (const [title, what, asked, status, message, type] of REFUSALS) {
      const reply = await to(ams)(what, typeof asked === 'function' ? asked(ams) : asked)
      assert.equal(reply.status, status, title)
      assert.equal(reply.message, message, title)
      if (type !== undefined) {
        assert.equal(reply.contentType.split(';')[0], type === 'json' ? 'application/json' : 'text/plain', title)
      }
    }
  })
})
