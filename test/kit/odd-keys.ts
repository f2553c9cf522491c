/**
 * Certificates with keys that nobody should have: points that are none, curves without a name, kinds that are refused. Node
 * (20.20) ends the process when it is asked for details of some of them.
 */
import type { KeyObject } from 'node:crypto'
import { type Certificate, parseCertificate } from '../../src/crypto/certificate.js'
import { bitString, element, oid, sequence } from '../../src/crypto/der-write.js'
import { DerReader, TAG } from '../../src/crypto/der.js'
import { issueCertificate } from '../../src/crypto/issue.js'
import { testKey } from './ca.js'

const kind = (id: string, ...parameters: readonly Uint8Array[]): Buffer => sequence(oid(id), ...parameters)
const bits = (...octets: readonly number[]): Buffer => element(0x03, Buffer.from(octets))
const EC = '1.2.840.10045.2.1'
const ec = kind(EC, oid('1.2.840.10045.3.1.7'))
const integer = (...octets: readonly number[]): Buffer => element(0x02, Buffer.from(octets))

/** SubjectPublicKeyInfo by what is odd about it. */
export const ODD_KEYS: Readonly<Record<string, Buffer>> = {
  'point at infinity': sequence(ec, bits(0, 0)),
  'point at infinity, bits unused': sequence(ec, bits(3, 3)),
  'point without coordinates': sequence(ec, bits(0, 2)),
  'no point': sequence(ec, bits(0)),
  'hybrid point of zeros': sequence(ec, bits(0, 6, ...Buffer.alloc(64))),
  'point not on the curve': sequence(ec, bits(0, 4, ...Buffer.alloc(64, 1))),
  'curve without a name': sequence(kind(EC, sequence()), bits(0, 4, ...Buffer.alloc(64))),
  'curve of parameters': sequence(kind(EC, sequence(integer(1), sequence())), bits(0, 4, ...Buffer.alloc(64))),
  'unknown curve': sequence(kind(EC, oid('1.2.3.4')), bits(0, 4, ...Buffer.alloc(64))),
  'DSA without parameters': sequence(kind('1.2.840.10040.4.1'), bits(0, 2, 1, 5)),
  'DSA of small numbers': sequence(
    kind('1.2.840.10040.4.1', sequence(integer(7), integer(3), integer(2))),
    bits(0, 2, 1, 5),
  ),
  'DSA of negative numbers': sequence(
    kind('1.2.840.10040.4.1', sequence(integer(0x87), integer(0x83), integer(0x82))),
    bits(0, 2, 1, 0x85),
  ),
  X25519: sequence(kind('1.3.101.110'), bits(0, ...Buffer.alloc(32, 9))),
  'RSA that is empty': sequence(kind('1.2.840.113549.1.1.1', element(0x05, Buffer.alloc(0))), bits(0, 0x30, 0)),
  'RSA with modulus zero': sequence(
    kind('1.2.840.113549.1.1.1', element(0x05, Buffer.alloc(0))),
    bitString(sequence(integer(0), integer(0))),
  ),
  'RSA with a negative exponent': sequence(
    kind('1.2.840.113549.1.1.1', element(0x05, Buffer.alloc(0))),
    bitString(sequence(integer(...Buffer.alloc(128, 0x71)), integer(0x81))),
  ),
  'Ed25519 too short': sequence(kind('1.3.101.112'), bits(0, 1)),
}

/** A certificate in parts: what stands before its key, the key, what stands behind, and the signature. */
function takeApart(
  der: Uint8Array,
  spki: Uint8Array,
): { before: Buffer; behind: Buffer; algorithm: Buffer; signature: Buffer } {
  const outer = new DerReader(der, 'the certificate').enter(TAG.sequence)
  const { value } = outer.next(TAG.sequence)
  const at = Buffer.from(value).indexOf(spki)
  const [algorithm, signature] = [outer.any().bytes, outer.any().bytes].map((bytes) => Buffer.from(bytes))
  return {
    before: Buffer.from(value.subarray(0, at)),
    behind: Buffer.from(value.subarray(at + spki.length)),
    algorithm: algorithm ?? Buffer.alloc(0),
    signature: signature ?? Buffer.alloc(0),
  }
}

/** A self-signed certificate of `subject`, its key exchanged: nobody looks at the signature. */
export function certificateWithKey(subject: string, key: Uint8Array): Buffer {
  const { spki, der } = issueCertificate({ subject, key: testKey('ed25519'), ca: true })
  const { before, behind, algorithm, signature } = takeApart(der, spki)
  // The lengths around the key are mended.
  return sequence(sequence(before, key, behind), algorithm, signature)
}

/** A certificate for `key` that says to be signed by `subject` with the algorithm that goes with `kind` of key: OpenSSL looks at that. */
export function certificateBelow(subject: string, key: KeyObject, spkiAbove: Uint8Array): Certificate {
  const issuer = {
    certificate: issueCertificate({ subject, key: testKey('ed25519'), ca: true }),
    key: testKey('ed25519'),
  }
  const { spki, der } = issueCertificate({ subject: '/C=XX/CN=leaf', key, issuer })
  const { before, behind, algorithm, signature } = takeApart(der, spki)
  const above = Buffer.from(spkiAbove)
  const found = SIGNS.find(([kindOfKey]) => above.includes(oid(kindOfKey)))
  const claimed = found === undefined ? algorithm : sequence(oid(found[1]))
  const exchanged = Buffer.from(
    before.toString('latin1').replace(algorithm.toString('latin1'), () => claimed.toString('latin1')),
    'latin1',
  )
  return parseCertificate(sequence(sequence(exchanged, spki, behind), claimed, signature))
}

/** Kind of key, and an algorithm that it signs with. */
const SIGNS = [
  [EC, '1.2.840.10045.4.3.2'],
  ['1.2.840.10040.4.1', '2.16.840.1.101.3.4.3.2'],
  ['1.2.840.113549.1.1.1', '1.2.840.113549.1.1.11'],
] as const
