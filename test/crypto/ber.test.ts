import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as asn1js from 'asn1js'
import { definiteForm } from '../../src/crypto/ber.js'
import { isSsmError } from '../../src/errors.js'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const form = (text: string): string => definiteForm(hex(text), 'it').toString('hex')

describe('BER is brought into definite form', () => {
  test('what is definite stays as it is', () => {
    for (const text of [
      '0500',
      '3000',
      '30030201ff',
      '0403616263',
      'a003020100',
      '3182000502030100ff'.replace('820005', '05'),
    ]) {
      assert.equal(form(text), text)
    }
  })
  test('indefinite lengths, nested', () => {
    assert.equal(form('3080 0201 01 0000'), '3003020101')
    assert.equal(form('3080 a080 0500 0000 0201 05 0000'), '3007a0020500020105')
    assert.equal(form('3006 a080 0500 0000'), '3004a0020500')
  })
  test('octet strings in pieces, and pieces of pieces', () => {
    assert.equal(form('2480 0401 61 0402 6263 0000'), '0403616263')
    assert.equal(form('2480 2480 0401 61 0000 2404 0402 6263 0400 0000'), '0403616263')
    assert.equal(form('2480 0000'), '0400')
    const long = `2480${'048180'.concat('ab'.repeat(128)).repeat(2)}0000`
    assert.equal(form(long), `04820100${'ab'.repeat(256)}`)
  })
  test('lengths longer than need be', () => {
    assert.equal(form('30820003 020101'), '3003020101')
  })
  test('damage', () => {
    const damaged = [
      '',
      '30',
      '3080',
      '308002',
      '30800201010000ff',
      '3005020101',
      '0480',
      '2480020101 0000',
      '3f2100',
      '3080 000000',
      '30ff',
      '0488ffffffffffffffff',
      '308030800000',
    ]
    for (const text of damaged) {
      assert.throws(
        () => form(text),
        (error) => isSsmError(error, 'malformed'),
        text,
      )
    }
  })
  test('limits', () => {
    assert.throws(
      () => form('3080'.repeat(1000)),
      (error) => isSsmError(error, 'limit'),
    )
    assert.throws(
      () => definiteForm(Buffer.concat([hex('3080'), Buffer.alloc(800_000, hex('0500')), hex('0000')]), 'it'),
      (error) => isSsmError(error, 'limit'),
    )
  })
  test('reads random structures as asn1js does', () => {
    let state = 7
    const next = (limit: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
      return (state >> 8) % limit
    }
    const octets = (depth: number): Buffer => {
      if (depth > 3 || next(2) === 0) return Buffer.concat([Buffer.from([4, 3]), Buffer.alloc(3, next(256))])
      return wrap(0x24, Buffer.concat(Array.from({ length: next(3) + 1 }, () => octets(depth + 1))))
    }
    const wrap = (tag: number, inner: Buffer): Buffer =>
      next(2) === 0 || inner.length > 120
        ? Buffer.concat([Buffer.from([tag, 0x80]), inner, Buffer.alloc(2)])
        : Buffer.concat([Buffer.from([tag, inner.length]), inner])
    const any = (depth: number): Buffer => {
      if (depth > 4 || next(3) === 0) return next(2) === 0 ? octets(0) : hex('020105')
      return wrap(
        [0x30, 0x31, 0xa0][next(3)] ?? 0x30,
        Buffer.concat(Array.from({ length: next(4) }, () => any(depth + 1))),
      )
    }
    for (let n = 0; n < 2000; n++) {
      const bytes = wrap(0x30, any(0))
      assert.deepEqual(shape(definiteForm(bytes, 'it')), shape(bytes), bytes.toString('hex'))
    }
  })
})

/** A structure as asn1js sees it, octet strings in one piece. */
function shape(bytes: Buffer): unknown {
  const { result, offset } = asn1js.fromBER(bytes)
  assert.notEqual(offset, -1, result.error)
  return shapeOf(result)
}

function shapeOf(block: asn1js.AsnType): unknown {
  if (block instanceof asn1js.OctetString) return octetsOf(block)
  if (block instanceof asn1js.Integer) return block.valueBlock.valueDec
  if (block instanceof asn1js.Constructed) {
    return {
      tag: block.idBlock.tagNumber,
      inside: block.valueBlock.value.map((each) => shapeOf(each as asn1js.AsnType)),
    }
  }
  return { tag: block.idBlock.tagNumber }
}

function octetsOf(block: asn1js.OctetString): string {
  if (!block.idBlock.isConstructed) return Buffer.from(block.valueBlock.valueHexView).toString('hex')
  return block.valueBlock.value
    .map((each) => (each instanceof asn1js.OctetString ? octetsOf(each) : assert.fail()))
    .join('')
}
