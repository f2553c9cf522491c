/** Bodies beyond the limit are cut the same way however the bytes arrive. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFrameParser, HEAD_LIMITS } from '../../src/transport/frame.js'

const LIMITS = { ...HEAD_LIMITS, bodyBytes: 10, kept: 4 }

/** `length` with or without content-length, then a small frame. */
function stream(length: number, counted: boolean): Buffer {
  const body = 'abcdefghijklmnopqrstuvwxyz'.slice(0, length)
  const head = counted ? `content-length:${length}\n` : ''
  return Buffer.from(`MESSAGE\nid:1\n${head}\n${body}\0MESSAGE\nid:2\n\nok\0`)
}

function parse(bytes: Buffer, piece: number): string[] {
  const seen: string[] = []
  const parser = createFrameParser(LIMITS, {
    frame: ({ headers, body, size }) => seen.push(`${headers.get('id') ?? ''} ${body.toString()} ${size}`),
  })
  for (let at = 0; at < bytes.length; at += piece) parser.push(bytes.subarray(at, at + piece))
  assert.equal(parser.inFrame, false)
  assert.equal(parser.held, 0)
  return seen
}

for (const counted of [true, false]) {
  test(`cut at every size, in pieces of every size, ${counted ? 'with' : 'without'} a length`, () => {
    for (let length = 0; length <= 26; length++) {
      const whole = 'abcdefghijklmnopqrstuvwxyz'.slice(0, length)
      const kept = length > 10 ? whole.slice(0, 4) : whole
      const bytes = stream(length, counted)
      for (let piece = 1; piece <= bytes.length; piece++) {
        assert.deepEqual(parse(bytes, piece), [`1 ${kept} ${length}`, '2 ok 2'], `${length} in pieces of ${piece}`)
      }
    }
  })
}
