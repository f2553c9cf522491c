import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable } from '../../src/observe/printable.js'

test('plain text and letters of any language stay as they are', () => {
  for (const text of ['', '/C=UK/O=eScience/CN=host.example.org', 'Grüße, 東京, мир, 😀'])
    assert.equal(printable(text), text)
})

test('what moves a cursor, breaks a line or re-orders text is shown as an escape', () => {
  const cases: [string, string][] = [
    ['a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['\x1b[2J\x07\x00\x7f\x9b', '\\x1b[2J\\x07\\x00\\x7f\\x9b'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['a\u202eb\u2066c\u200f\u061c', 'a\\u202eb\\u2066c\\u200f\\u061c'],
    ['\ud800x\udc00', '\\ud800x\\udc00'],
    ['\ufeff\u200b\u{e0041}', '\\ufeff\\u200b\\u{e0041}'],
  ]
  for (const [outside, shown] of cases) assert.equal(printable(outside), shown)
})

test('bytes that are not UTF-8 are shown one by one', () => {
  assert.equal(printable(Buffer.from('Grüße\n')), 'Grüße\\n')
  assert.equal(printable(Buffer.from([0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82])), 'a\\xff\\xc3(\\xe2\\x82')
  assert.equal(printable(Buffer.from([0xed, 0xa0, 0x80])), '\\xed\\xa0\\x80', 'surrogates are not UTF-8 (RFC 3629)')
  assert.equal(printable(Buffer.from([0xef, 0xbb, 0xbf, 0xff])), '\\ufeff\\xff')
})

test('the result is never longer than the limit and no escape or pair is cut', () => {
  const inputs = ['x'.repeat(300), '\n'.repeat(300), '😀'.repeat(300), `${'x'.repeat(255)}😀`, 'é\x1b'.repeat(100_000)]
  for (const input of inputs) {
    for (const limit of [1, 2, 3, 10, 255, 256, 257, 1024]) {
      for (const outside of [input, Buffer.from(input), Buffer.concat([Buffer.from(input), Buffer.from([0xff])])]) {
        const shown = printable(outside, limit)
        assert.ok(shown.length <= limit, `${shown.length} > ${limit}`)
        assert.doesNotMatch(shown, /\p{Surrogate}/u)
        assert.doesNotMatch(shown, /\\(x.?)?…$/u)
      }
    }
  }
  assert.equal(printable('x'.repeat(257)), `${'x'.repeat(255)}…`)
  assert.equal(printable('x'.repeat(256)), 'x'.repeat(256))
  assert.equal(printable('é'.repeat(256)), 'é'.repeat(256))
})

test('a hundred megabytes cost no more than the limit', () => {
  const texts = ['\n'.repeat(100_000_000), Buffer.alloc(100_000_000, 0xff)]
  const start = process.cpuUsage()
  for (const text of texts) printable(text)
  // Of the processor: the clock also runs while other programs do.
  const { user } = process.cpuUsage(start)
  assert.ok(user < 1_000_000, `it took ${user / 1000} ms`)
})
