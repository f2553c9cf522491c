import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import {
  createFrameParser,
  encodeFrame,
  HEAD_LIMITS,
  type Frame,
  type StompVersion,
} from '../../src/transport/frame.js'

const LIMITS = { ...HEAD_LIMITS, bodyBytes: 1_000_000 }

interface Heard {
  readonly command: string
  readonly headers: Record<string, string>
  readonly body: string
}

/** Frames, `beat` for heart-beats, and at the end the code of the error if there was one. */
function parse(bytes: Buffer, version: StompVersion | null, step: number, limits = LIMITS): (Heard | string)[] {
  const heard: (Heard | string)[] = []
  const show = ({ command, headers, body }: Frame): Heard => ({
    command,
    headers: Object.fromEntries(headers),
    body: body.toString('latin1'),
  })
  const parser = createFrameParser(limits, {
    frame: (frame) => heard.push(show(frame)),
    heartBeat: () => heard.push('beat'),
  })
  parser.version = version
  try {
    for (let at = 0; at < bytes.length; at += step) parser.push(bytes.subarray(at, at + step))
  } catch (error) {
    assert.ok(isSsmError(error, 'malformed', 'limit'), String(error))
    heard.push(error.code)
  }
  return heard
}

/** Every way of cutting the bytes gives the same. */
function heard(text: string | Buffer, version: StompVersion | null = '1.2', limits = LIMITS): (Heard | string)[] {
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1')
  const whole = parse(bytes, version, bytes.length || 1, limits)
  for (const step of [1, 2, 3, 7]) assert.deepEqual(parse(bytes, version, step, limits), whole, `cut every ${step}`)
  return whole
}

test('frames and heart-beats', () => {
  assert.deepEqual(heard('\nSEND\ndestination:/queue/a\n\nhello\0\n\r\nDISCONNECT\n\n\0'), [
    'beat',
    { command: 'SEND', headers: { destination: '/queue/a' }, body: 'hello' },
    'beat',
    'beat',
    { command: 'DISCONNECT', headers: {}, body: '' },
  ])
})

test('a counted body may hold NUL and line ends; an uncounted one ends at NUL', () => {
  assert.deepEqual(heard('SEND\ncontent-length:5\n\na\0\n\0b\0SEND\n\nx\0SEND\ncontent-length:0\n\n\0'), [
    { command: 'SEND', headers: { 'content-length': '5' }, body: 'a\0\n\0b' },
    { command: 'SEND', headers: {}, body: 'x' },
    { command: 'SEND', headers: { 'content-length': '0' }, body: '' },
  ])
})

test('un-escaping follows the version; CONNECT and CONNECTED are never un-escaped', () => {
  const value = (version: StompVersion | null, command: string, line: string) => {
    const first = heard(`${command}\n${line}\n\n\0`, version)[0]
    return typeof first === 'object' ? first.headers : first
  }
  assert.deepEqual(value('1.2', 'SEND', 'a\\cb:x\\ny\\\\cz\\r'), { 'a:b': 'x\ny\\cz\r' })
  assert.deepEqual(value('1.1', 'SEND', 'a:x\\ny\\c\\\\'), { a: 'x\ny:\\' })
  assert.deepEqual(value('1.1', 'SEND', 'a:\\r'), 'malformed')
  assert.deepEqual(value('1.2', 'SEND', 'a:\\t'), 'malformed')
  assert.deepEqual(value('1.2', 'SEND', 'a:b\\'), 'malformed')
  assert.deepEqual(value('1.0', 'SEND', 'a: x\\ny '), { a: 'x\\ny' })
  assert.deepEqual(value('1.2', 'CONNECTED', 'a:x\\ny'), { a: 'x\\ny' })
  assert.deepEqual(value(null, 'CONNECT', 'passcode:a\\b:c'), { passcode: 'a\\b:c' })
  assert.deepEqual(value('1.1', 'SEND', '__proto__:x'), JSON.parse('{"__proto__":"x"}'))
})

test('CR LF ends lines in 1.2 and before the version is known; in 1.1 the CR is data', () => {
  const frame = 'SEND\r\nid:1\r\n\r\nx\0'
  assert.deepEqual(heard(frame, '1.2'), [{ command: 'SEND', headers: { id: '1' }, body: 'x' }])
  assert.deepEqual(heard(frame, null), [{ command: 'SEND', headers: { id: '1' }, body: 'x' }])
  assert.deepEqual(heard(frame, '1.1'), ['malformed'])
})

test('of repeated headers the first counts; two different content-length are refused', () => {
  assert.deepEqual(heard('SEND\na:1\na:2\n\n\0'), [{ command: 'SEND', headers: { a: '1' }, body: '' }])
  assert.deepEqual(heard('SEND\ncontent-length:1\ncontent-length:2\n\nxx\0'), ['malformed'])
})

test('what is not STOMP is refused as early as it shows', () => {
  const bad = {
    'TLS hello': '\x16\x03\x01\x02\x00',
    HTTP: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'endless command': 'A'.repeat(17),
    'lower case': 'send\n\n\0',
    'no colon': 'SEND\nabc\n\n\0',
    'no name': 'SEND\n:abc\n\n\0',
    'NUL in a header': 'SEND\na:b\0\n\n\0',
    'bad length': 'SEND\ncontent-length:1x\n\n\0',
    'negative length': 'SEND\ncontent-length:-1\n\n\0',
    'length too short': 'SEND\ncontent-length:1\n\nabc\0',
    'space after the frame': 'SEND\n\n\0 ',
  }
  for (const [name, bytes] of Object.entries(bad)) assert.equal(heard(bytes).at(-1), 'malformed', name)
})

test('limits: bytes and number of headers, body with and without a length; frames before it still come out', () => {
  const small = { headBytes: 100, headers: 3, bodyBytes: 10 }
  const good = 'SEND\na:1\n\n0123456789\0'
  for (const bad of [
    `SEND\n${'x'.repeat(100)}`,
    'SEND\na:1\nb:1\nc:1\nd:1\n\n\0',
    'SEND\n\n01234567890',
    'SEND\ncontent-length:11\n\n',
    'SEND\ncontent-length:999999999999999\n\n',
  ]) {
    const all = heard(good + bad, '1.2', small)
    assert.equal(all.length, 2, bad)
    assert.equal(all[1], 'limit')
  }
})

test('stop ends everything, the rest of the chunk included', () => {
  const seen: string[] = []
  const parser = createFrameParser(LIMITS, {
    frame(frame) {
      seen.push(frame.command)
      parser.stop()
    },
  })
  parser.push(Buffer.from('SEND\n\n\0SEND\n\n\0'))
  parser.push(Buffer.from('\x16'))
  assert.deepEqual(seen, ['SEND'])
})

test('head comes before the body and before its limit is judged', () => {
  const lengths: (number | undefined)[] = []
  const parser = createFrameParser(
    { ...HEAD_LIMITS, bodyBytes: 3 },
    { head: (head) => lengths.push(head.length), frame: () => undefined },
  )
  parser.push(Buffer.from('SEND\n\n'))
  assert.deepEqual([lengths, parser.inFrame], [[undefined], true])
  parser.push(Buffer.from('\0'))
  assert.equal(parser.inFrame, false)
  assert.throws(() => {
    parser.push(Buffer.from('SEND\ncontent-length:4\n\n'))
  }, /larger than 3 bytes/)
  assert.deepEqual(lengths, [undefined, 4])
})

test('what encodeFrame writes is read back, in every version', () => {
  const body = Buffer.from([0, 1, 2, 10, 13, 255, 0])
  for (const version of ['1.1', '1.2'] as const) {
    const headers: [string, string][] = [
      ['a:b\\', 'x:y\nz\\n'],
      ['ü', '€ '],
    ]
    const [frame] = heard(encodeFrame('MESSAGE', headers, body, version), version)
    assert.deepEqual(frame, {
      command: 'MESSAGE',
      headers: { ...Object.fromEntries(headers), 'content-length': '7' },
      body: body.toString('latin1'),
    })
  }
  assert.equal(
    encodeFrame('CONNECTED', [['server', 'a\\b:c']], null, '1.2').toString(),
    'CONNECTED\nserver:a\\b:c\n\n\0',
  )
  assert.throws(() => encodeFrame('CONNECT', [['a', 'b\nc:d']], null, '1.2'), /unescaped/)
  assert.throws(() => encodeFrame('SEND', [['a', 'b\0']], null, '1.2'), /NUL/)
})

test('random bytes never give anything but frames or the two errors', () => {
  let seed = 12345
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * n)
  }
  const parts = ['SEND\n', 'a:b\n', '\n', '\0', 'content-length:3\n', 'abc', '\r\n', '\\', ':', 'x\\q:1\n', '\xff\xfe']
  for (let round = 0; round < 2000; round += 1) {
    let text = ''
    for (let n = random(12); n >= 0; n -= 1) text += parts[random(parts.length)] ?? ''
    heard(text, ([null, '1.0', '1.1', '1.2'] as const)[random(4)] ?? null)
  }
})

test('a large body in small pieces costs linear time', () => {
  const body = Buffer.alloc(32 * 1024 * 1024, 7)
  let got = 0
  const parser = createFrameParser(
    { ...HEAD_LIMITS, bodyBytes: body.length },
    {
      frame(frame) {
        got = frame.body.length
      },
    },
  )
  const started = performance.now()
  parser.push(Buffer.from(`SEND\ncontent-length:${body.length}\n\n`))
  for (let at = 0; at < body.length; at += 1024) parser.push(body.subarray(at, at + 1024))
  parser.push(Buffer.from('\0'))
  assert.equal(got, body.length)
  assert.ok(performance.now() - started < 3000)
})
