import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { digestCanonical, digestIfSurvives, fromCrlfInPieces, PIECE, toCrlfInPieces } from '../../src/crypto/breath.js'
import { decodeBase64, decodeBase64InPieces, decodeBase64Lent, encodeBase64Lines } from '../../src/crypto/base64.js'
import {
  decodeQuotedPrintable,
  decodeQuotedPrintableInPieces,
  encodeQuotedPrintable,
} from '../../src/crypto/quoted-printable.js'
import { fromCrlf, survivesAsText, toCrlf, writeIfSurvives } from '../../src/crypto/text.js'
import { isSsmError } from '../../src/errors.js'

/** Pseudo-random texts rich in what matters, the same in every run; at every alignment. */
function* texts(alphabet: string, count: number): Generator<Buffer> {
  let state = 12_345
  const next = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >> 8) % limit
  }
  const characters = Buffer.from(alphabet, 'latin1')
  for (let n = 0; n < count; n++) {
    const shift = next(8)
    const text = Buffer.alloc(shift + next(40))
    for (let at = 0; at < text.length; at++) text[at] = characters[next(characters.length)] ?? 0
    yield text.subarray(shift)
  }
}

const plain = {
  toCrlf: (text: string) => text.replace(/(?<!\r)\n/g, '\r\n'),
  fromCrlf: (text: string) => text.replaceAll('\r\n', '\n'),
  survives: (text: string) => /^[\t\n\x20-\x7e]*$/.test(text) && text.split('\n').every((line) => line.length <= 998),
}

/** In one pass; null: it does not survive. */
function inOnePass(bytes: Buffer): string | null {
  const target = Buffer.alloc(3 + 2 * bytes.length, '#')
  const end = writeIfSurvives(bytes, target, 3)
  return end < 0 ? null : target.toString('latin1', 0, end)
}

describe('line ends, against the plain way', () => {
  const alphabet = '\r\n\r\n\n\r\t ab~\x7f\x1f\x0b\x80\x8a\x8d\xff\0'
  test('random texts', () => {
    for (const bytes of texts(alphabet, 20_000)) {
      const text = bytes.toString('latin1')
      assert.equal(toCrlf(bytes).toString('latin1'), plain.toCrlf(text))
      assert.equal(fromCrlf(bytes).toString('latin1'), plain.fromCrlf(text))
      assert.equal(survivesAsText(bytes), plain.survives(text), JSON.stringify(text))
      assert.equal(inOnePass(bytes), plain.survives(text) ? `###${plain.toCrlf(text)}` : null, JSON.stringify(text))
    }
    for (const bytes of texts('abcdefg\n\t xyz', 5_000)) {
      assert.equal(survivesAsText(bytes), true)
      assert.equal(inOnePass(bytes), `###${plain.toCrlf(bytes.toString('latin1'))}`)
    }
    for (let octet = 0; octet < 256; octet++) {
      for (let before = 0; before < 9; before++) {
        const bytes = Buffer.from('x'.repeat(before) + String.fromCharCode(octet) + 'yyyyyyyy', 'latin1')
        assert.equal(inOnePass(bytes) !== null, plain.survives(bytes.toString('latin1')), `${octet} after ${before}`)
      }
    }
  })
  test('the limit of a line, wherever it ends', () => {
    for (let length = 990; length < 1005; length++) {
      for (const tail of ['', '\n', '\nx', '\n\n']) {
        for (const head of ['', 'a\n', 'ab\n']) {
          const text = head + 'x'.repeat(length) + tail
          assert.equal(survivesAsText(Buffer.from(text)), length <= 998, `${length}`)
          assert.equal(inOnePass(Buffer.from(text)) !== null, length <= 998, `${length}`)
        }
      }
    }
  })
  test('what needs no change is not copied', () => {
    for (const text of ['', 'abc', 'a\r\nb\r\n', 'a\rb']) {
      const bytes = Buffer.from(text)
      assert.equal(toCrlf(bytes), bytes)
      if (!text.includes('\r\n')) assert.equal(fromCrlf(bytes), bytes)
    }
  })
  test('the digest of the canonical form', async () => {
    const check = async (parts: readonly Buffer[]): Promise<void> => {
      const whole = plain.toCrlf(Buffer.concat(parts).toString('latin1'))
      const expected = createHash('sha256').update(whole, 'latin1').digest('hex')
      assert.equal((await digestCanonical('sha256', parts)).toString('hex'), expected)
    }
    const header = Buffer.from('A: b\n\n')
    for (const bytes of texts(alphabet, 2_000)) await check([header, bytes])
    for (const bytes of [...texts('abcdefg\n\t xyz', 500), ...texts('abcdefgh\n\t\r', 500)]) {
      const inOneGo = digestIfSurvives('sha256', header, bytes)
      if (!survivesAsText(bytes)) assert.equal(inOneGo, undefined)
      else assert.deepEqual(inOneGo, await digestCanonical('sha256', [header, bytes]))
    }
    assert.equal(digestIfSurvives('sha256', header, Buffer.alloc(65_536, 'x\n')), undefined)
    // The limit of what is done in one go, and ends of stretches within a line end.
    for (let length = 65_520; length < 65_545; length++) {
      await check([header, Buffer.alloc(length, '\n')])
      await check([header, Buffer.concat([Buffer.alloc(length, 'x'), Buffer.from('\r\n\n\r\n')])])
    }
    await check([header, Buffer.from('ab\n\r\ncd'.repeat(300_000))])
  })
  test('in pieces as in one go', async () => {
    for (let shift = 0; shift < 8; shift++) {
      const bytes = Buffer.from('x'.repeat(shift) + 'ab\n\r\ncd'.repeat(400_000))
      assert.ok((await toCrlfInPieces(bytes)).equals(toCrlf(bytes)))
    }
    for (const text of ['', 'a\nb', 'ab', '\n'.repeat(65_536), '\n'.repeat(65_537)])
      assert.deepEqual(await toCrlfInPieces(Buffer.from(text)), toCrlf(Buffer.from(text)))
    // What came out must not change with the next one.
    const kept: [Buffer, Buffer][] = []
    for (const bytes of texts(alphabet, 2_000)) kept.push([await toCrlfInPieces(bytes), toCrlf(bytes)])
    for (const [made, expected] of kept) assert.deepEqual(made, expected)
  })
  test('two digests at the same time do not share their room', async () => {
    const both = [Buffer.alloc(3_000_000, 'a\n'), Buffer.alloc(3_000_000, 'bc\n')]
    const alone = [await digestCanonical('sha256', [both[0]!]), await digestCanonical('sha256', [both[1]!])]
    assert.deepEqual(await Promise.all(both.map((text) => digestCanonical('sha256', [text]))), alone)
  })
  test('large texts', () => {
    const text = 'a\n\n\r\nbcd\n'.repeat(50_000)
    assert.equal(toCrlf(Buffer.from(text)).toString('latin1'), plain.toCrlf(text))
    const newlines = Buffer.alloc(100_000, '\n')
    assert.equal(toCrlf(newlines).length, 200_000)
    assert.deepEqual(fromCrlf(toCrlf(newlines)), newlines)
  })
})

describe('base64', () => {
  test('lines of 64 columns, and back', () => {
    for (let length = 0; length < 300; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, n) => (n * 7 + length) & 0xff))
      const lines = encodeBase64Lines(bytes)
      const expected = bytes.toString('base64').match(/.{1,64}/g) ?? []
      assert.equal(lines.toString('latin1'), expected.map((line) => `${line}\n`).join(''))
      assert.deepEqual(decodeBase64(lines, 'it'), bytes)
    }
  })
  test('white space anywhere', () => {
    assert.equal(decodeBase64(Buffer.from('aG\r\nVs\t bG8\n=\r\n'), 'it').toString(), 'hello')
    assert.equal(decodeBase64(Buffer.from(' \n'), 'it').length, 0)
  })
  test('nothing else', () => {
    const bad = [
      'a',
      'aG',
      'aGV',
      'aGVsbG8',
      'aGVs=',
      'aGVs====',
      'aG=V',
      'aGVs=bG8',
      'aGVsbG8=aGVs',
      '=',
      '====',
      'aG-_',
      'aGV\0',
      'aGV\xe9',
      'aGV*bGVs',
      'aGVs**',
      '%%%%',
    ]
    for (const text of bad) {
      assert.throws(
        () => decodeBase64(Buffer.from(text, 'latin1'), 'it'),
        (error) => isSsmError(error, 'malformed'),
        text,
      )
    }
  })
})

describe('quoted-printable', () => {
  test('every octet, at every column and before every line end', () => {
    for (let octet = 0; octet < 256; octet++) {
      for (const pad of [0, 1, 71, 72, 73, 74, 75, 76, 77]) {
        for (const tail of ['', '\n', '\r\n', 'x', ' ', '=']) {
          const bytes = Buffer.concat([Buffer.alloc(pad, 'p'), Buffer.from([octet]), Buffer.from(tail)])
          assertRoundTrip(bytes)
        }
      }
    }
  })
  test('nothing but one kind of octet', () => {
    for (const octet of ['\n', '\r', ' ', '=', 'x', '\xe9', '\t']) {
      for (const length of [1, 2, 3, 24, 25, 26, 75, 76, 1000]) assertRoundTrip(Buffer.alloc(length, octet, 'latin1'))
    }
  })
  test('random octets', () => {
    for (const bytes of texts('\r\n\t  =ab\xe9\0.', 5_000)) assertRoundTrip(bytes)
  })
  test('the media types of encrypted content do not stand in the text, at any column', () => {
    for (const type of ['application/pkcs7-mime', 'application/x-pkcs7-mime']) {
      for (let pad = 0; pad < 160; pad++) {
        const bytes = Buffer.from(`${'p'.repeat(pad)}${type}; ${type}/${type}\n`)
        assertRoundTrip(bytes)
        assert.doesNotMatch(
          encodeQuotedPrintable(bytes).toString('latin1').replaceAll('=\n', ''),
          /\/(?:x-)?pkcs7-mime/,
        )
      }
    }
    assert.equal(encodeQuotedPrintable(Buffer.from('a/pkcs7-mim /x-pkcs7')).toString(), 'a/pkcs7-mim /x-pkcs7')
  })
  test('what arrives with changed line ends is the same', () => {
    const bytes = Buffer.from('a \r\n é\n\n=\r')
    const text = encodeQuotedPrintable(bytes).toString('latin1')
    assert.deepEqual(decodeQuotedPrintable(Buffer.from(text.replaceAll('\n', '\r\n')), 'it'), bytes)
    assert.deepEqual(decodeQuotedPrintable(Buffer.from(text.replaceAll('\n', ' \t\n')), 'it'), bytes)
  })
})

function assertRoundTrip(bytes: Buffer): void {
  const text = encodeQuotedPrintable(bytes)
  assert.deepEqual(decodeQuotedPrintable(text, 'it'), bytes)
  assert.match(text.toString('latin1'), /^[\t\n\x20-\x7e]*$/)
  for (const line of text.toString('latin1').split('\n')) {
    assert.ok(line.length <= 76, 'columns')
    assert.doesNotMatch(line, /[ \t]$/)
  }
}

describe('base64 in a room that is used again', () => {
  /** Slowly and strictly; null: not base64. */
  const slowly = (text: string): Buffer | null => {
    const compact = text.replace(/[ \t\r\n]/g, '')
    const good = /^[A-Za-z0-9+/]*={0,2}$/.test(compact) && compact.length % 4 === 0
    return good ? Buffer.from(compact, 'base64') : null
  }
  const attempt = async (decode: () => Buffer | Promise<Buffer>): Promise<Buffer | null> => {
    try {
      return await decode()
    } catch (error) {
      if (isSsmError(error, 'malformed')) return null
      throw error
    }
  }
  /** A text in lines, changed in some places. */
  const changed = (): string => {
    const lineEnd = pick(['\n', '\r\n'])
    const width = pick([1, 2, 3, 4, 60, 64, 76, 1000])
    let text = randomBytes(pick([0, 1, 2, 3, 47, 48, 49, 200, 3000])).toString('base64')
    text = text.replace(new RegExp(`(.{${width}})`, 'g'), `$1${lineEnd}`) + pick(['', lineEnd, lineEnd + lineEnd])
    for (let n = randomInt(3); n > 0; n--) {
      const at = randomInt(text.length + 1)
      const special = pick(['\n', '\r', ' ', '\t', '\f', '=', '==', '-', '_', 'A', '*', '\0', '\xff', '\r\n'])
      text = text.slice(0, at) + special + text.slice(at + randomInt(3))
    }
    return text
  }
  const pick = <T>(list: readonly [T, ...T[]]): T => list[randomInt(list.length)] ?? list[0]

  test('is what it is without one, however the lines are', async () => {
    let [good, bad] = [0, 0]
    for (let n = 0; n < 20_000; n++) {
      const text = changed()
      const bytes = Buffer.from(text, 'latin1')
      const expected = slowly(text)
      assert.deepEqual(await attempt(() => decodeBase64(bytes, 'it')), expected, JSON.stringify(text))
      const lent = await attempt(async () => {
        const { octets, giveBack } = await decodeBase64Lent(bytes, 'it')
        const copy = Buffer.from(octets)
        giveBack()
        return copy
      })
      assert.deepEqual(lent, expected, JSON.stringify(text))
      if (expected === null) bad++
      else good++
    }
    assert.ok(good > 1000 && bad > 1000, `${good} good, ${bad} bad`)
  })
  test('nobody else gets a room before it is given back, and two never have the same one', async () => {
    const held: { readonly octets: Buffer; readonly copy: Buffer; readonly giveBack: () => void }[] = []
    for (let n = 0; n < 3000; n++) {
      if (held.length > 0 && randomInt(100) < 49) {
        const one = held.splice(randomInt(held.length), 1)[0]!
        assert.ok(one.octets.equals(one.copy))
        one.giveBack()
        // A second time is none.
        one.giveBack()
      } else {
        const copy = randomBytes(1 + randomInt(26_000))
        held.push({ copy, ...(await decodeBase64Lent(encodeBase64Lines(copy), 'it')) })
      }
    }
    for (const { octets, copy } of held) assert.ok(octets.equals(copy))
    assert.equal(new Set(held.map(({ octets }) => octets.buffer)).size, held.length)
  })
})

describe('large texts are decoded in pieces as they are at one go', () => {
  /** Either what comes out, or that it is refused. */
  const outcome = async (decode: () => Buffer | Promise<Buffer>): Promise<Buffer | string> => {
    try {
      return await decode()
    } catch (error) {
      if (isSsmError(error, 'malformed')) return error.message
      throw error
    }
  }
  /** What stands around the end of a piece, moved over it octet by octet. */
  function* around(fill: string, special: string): Generator<Buffer> {
    for (let back = 0; back <= special.length + 2; back++) {
      const text = Buffer.alloc(PIECE + 100, fill)
      text.write(special, PIECE - back, 'latin1')
      yield text
    }
  }
  const same = async (
    text: Buffer,
    whole: (text: Buffer, what: string) => Buffer,
    pieces: (text: Buffer, what: string) => Promise<Buffer>,
  ): Promise<void> => {
    const expected = await outcome(() => whole(text, 'it'))
    const got = await outcome(() => pieces(text, 'it'))
    assert.ok(typeof got === 'string' || typeof expected === 'string' ? got === expected : got.equals(expected))
  }
  test('base64', async () => {
    for (const special of ['\n', ' \r\n', '=', '==', 'A==', '-', '*', 'ab=\n=', '\n=', '\0']) {
      for (const text of around('QUJD', special)) await same(text, decodeBase64, decodeBase64InPieces)
    }
    for (let cut = 0; cut < 12; cut++) {
      for (const tail of ['', '=', '==', '\n', '=\n', '==\n', '===']) {
        const text = Buffer.concat([Buffer.alloc(PIECE + cut, 'QUJD'), Buffer.from(tail)])
        await same(text, decodeBase64, decodeBase64InPieces)
      }
    }
    const bytes = Buffer.alloc(3 * PIECE + 1, 'any octets \xff\0', 'latin1')
    assert.ok((await decodeBase64InPieces(encodeBase64Lines(bytes), 'it')).equals(bytes))
    await same(Buffer.alloc(2 * PIECE, '\n'), decodeBase64, decodeBase64InPieces)
  })
  test('quoted-printable', async () => {
    for (const special of ['=\r\n', '= \t\n', '=3D=0A', '\r\n', ' \n', '=4', '\r', '\x80', '=zz']) {
      for (const text of around('ab\n', special)) await same(text, decodeQuotedPrintable, decodeQuotedPrintableInPieces)
    }
    await same(Buffer.alloc(2 * PIECE, ' '), decodeQuotedPrintable, decodeQuotedPrintableInPieces)
  })
  const sameLineEnds = async (text: Buffer): Promise<void> => {
    const expected = fromCrlf(text)
    for (const inPlace of [false, true]) {
      assert.ok(fromCrlf(Buffer.from(text), inPlace).equals(expected))
      assert.ok((await fromCrlfInPieces(Buffer.from(text), inPlace)).equals(expected))
    }
  }
  test('line ends', async () => {
    for (let length = 0; length < 40; length++) {
      for (let n = 0; n < 60; n++) {
        const text = Buffer.from(Array.from({ length }, () => '\r\r\n\nab'.charCodeAt(randomInt(6))))
        assert.ok(fromCrlf(text).equals(Buffer.from(text.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')))
        await sameLineEnds(text)
      }
    }
    for (const special of ['\r\n', '\r', '\r\r\n\n', 'ab\r\ncd\r\n']) {
      for (const text of around('ab\r\ncdefg', special)) await sameLineEnds(text)
      for (const text of around('x', special)) await sameLineEnds(text)
    }
    const none = Buffer.alloc(2 * PIECE, 'x')
    assert.equal(await fromCrlfInPieces(none), none)
  })
})
