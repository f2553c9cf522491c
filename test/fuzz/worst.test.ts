/**
 * The worst messages of 1 MB that we can think of: less than a second of work and 200 MB of memory for each, whatever it
 * holds. Work is measured in time of the processor: other programs of the machine do not count.
 */
import assert from 'node:assert/strict'
import { createPublicKey, publicEncrypt, constants, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { encodeBase64Lines } from '../../src/crypto/base64.js'
import { parseCertificate } from '../../src/crypto/certificate.js'
import { CMS, contentInfo, issuerAndSerial } from '../../src/crypto/cms.js'
import { envelopedData } from '../../src/crypto/cms-enveloped.js'
import { constructed, context, TAG } from '../../src/crypto/der.js'
import { derNull, element, integer, octetString, oid, sequence } from '../../src/crypto/der-write.js'
import { issueCertificate } from '../../src/crypto/issue.js'
import { envelopedText } from '../../src/crypto/smime.js'
import {
  attribute,
  entityOf,
  forge,
  forgeCms,
  goodAttributes,
  opaqueOf,
  signerInfo,
  wireOf,
} from '../envelope/forge.js'
import { createScene } from '../envelope/scene.js'

const MB = 1_000_000
/** Octets of DER whose base64 is a megabyte. */
const DER = 730_000
const CPU_LIMIT = 1000
const MEMORY_LIMIT = 200 * 1024 * 1024

const scene = createScene()
const { host, other, ec } = scene.pki
const open = scene.opener({ dns: () => null, decryption: () => [host, ec], binary: true })

const fill = (size: number, piece: string | Buffer): Buffer => Buffer.alloc(size, piece)
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const header = (size: number, piece: string, before = 'Content-Type: '): Buffer =>
  Buffer.concat([Buffer.from(before), fill(size, piece), Buffer.from('\n\nx\n')])
const multipart = (body: Buffer): Buffer =>
  Buffer.concat([Buffer.from('Content-Type: multipart/signed; boundary="B"\n\n'), body])
const encryptedFor = async (plain: Buffer) =>
  envelopedText(await envelopedData(plain, [host.certificate], { cipher: 'aes256', keyTransport: 'pkcs1' }))
const signedText = (text: Buffer): Buffer => {
  const content = Buffer.concat([Buffer.from('Content-Type: text/plain\n\n'), text])
  return wireOf(content, forgeCms({ signers: [signerInfo(content, other)], certificates: [der(other)] }))
}
const encodedText = (encoding: string, text: Buffer): Buffer => {
  const content = Buffer.concat([Buffer.from(`Content-Transfer-Encoding: ${encoding}\n\n`), text])
  return wireOf(content, forgeCms({ signers: [signerInfo(content, other)], certificates: [der(other)] }))
}
const der = (who: typeof host): Buffer => Buffer.from(who.certificate.der)

/** A certificate for a public key that costs much, signed by nobody. */
function costly(modulus: Buffer, exponent: Buffer) {
  const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') }
  return parseCertificate(
    issueCertificate({
      subject: '/CN=costly',
      key: createPublicKey({ key: jwk, format: 'jwk' }),
      issuer: scene.pki.ca.issuer,
    }).der,
  )
}

function odd(bits: number): Buffer {
  const number = randomBytes(bits / 8)
  number[0] = (number[0] ?? 0) | 0x80
  number[number.length - 1] = (number.at(-1) ?? 0) | 1
  return number
}

function signedByCostly(bits: number, exponent: Buffer): Buffer {
  const certificate = costly(odd(bits), exponent)
  const signature = Buffer.concat([Buffer.of(0), randomBytes(bits / 8 - 1)])
  const signer = signerInfo(entityOf('x'), { certificate, key: other.key, signature })
  return wireOf(entityOf('x'), forgeCms({ signers: [signer], certificates: [Buffer.from(certificate.der)] }))
}

/** A message for `count` recipients, each of them us. */
function manyRecipients(count: number, info: Buffer): Buffer {
  const content = sequence(
    oid(CMS.data),
    sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(Buffer.alloc(16))),
    element(context(0), fill(DER - 40_000, 'x')),
  )
  const set = element(TAG.set, ...Array.from({ length: count }, () => info))
  return envelopedText(contentInfo(CMS.envelopedData, sequence(integer(0), set, content)))
}

const transport = sequence(
  integer(0),
  issuerAndSerial(host.certificate),
  sequence(oid('1.2.840.113549.1.1.1'), derNull),
  octetString(
    publicEncrypt({ key: host.certificate.publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.alloc(16)),
  ),
)

const bigCertificate = (n: number): Buffer =>
  Buffer.from(
    issueCertificate({
      subject: '/CN=big',
      key: other.key,
      serial: n,
      issuer: scene.pki.ca.issuer,
      extensions: [{ oid: '1.2.3.4', value: fill(43_000, hex('0500')) }],
    }).der,
  )

const CASES: Readonly<Record<string, () => Buffer | Promise<Buffer>>> = {
  'indefinite lengths, nested': () => opaqueOf(fill(DER, hex('3080'))),
  'elements of two octets': () => opaqueOf(Buffer.concat([hex('3080'), fill(DER, hex('0500')), hex('0000')])),
  'an octet string in pieces of one octet': () =>
    opaqueOf(Buffer.concat([hex('3080'), hex('2480'), fill(DER - (DER % 3), hex('040161')), hex('00000000')])),
  'octet strings in octet strings': () => opaqueOf(Buffer.concat([hex('3080'), fill(DER, hex('24800401612480'))])),
  'lengths that lie': () => opaqueOf(fill(DER, hex('3084000afff0'))),
  'a set of a hundred thousand': () => opaqueOf(contentInfo(CMS.signedData, sequence(integer(1), element(TAG.set, fill(DER, hex('300506032a0304')))))),
  'header fields': () => header(MB, 'X: y\n', ''),
  'a header line without an end': () => header(MB, 'a'),
  'folded lines': () => header(MB, '\n x', 'Content-Type: text/plain'),
  'parameters': () => header(60_000, '; a=b', 'Content-Type: text/plain'),
  'quoted pairs': () => header(60_000, '\\"', 'Content-Type: text/plain; a="'),
  'blanks in a header': () => header(60_000, ' ', 'Content-Type: text/plain;'),
  'no header': () => fill(MB, 'a'),
  'colons': () => fill(MB, ':'),
  'lines of the boundary': () => multipart(fill(MB, '--B\n')),
  'nearly the boundary': () => multipart(fill(MB, '\n--C')),
  'the boundary without an end': () => multipart(fill(MB, '--B')),
  'blanks in base64': () => Buffer.concat([Buffer.from('Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\nMIIB'), fill(MB, ' ')]),
  'base64 of one letter a line': () => Buffer.concat([Buffer.from('Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\n'), fill(MB, 'M\r\n')]),
  'signed: empty lines': () => signedText(fill(MB, '\n')),
  'signed: carriage returns': () => signedText(fill(MB, '\r')),
  'signed: quoted-printable': () => encodedText('quoted-printable', fill(MB, '=41')),
  'signed: soft line ends': () => encodedText('quoted-printable', fill(MB, '=\n')),
  'signed: blanks before line ends': () => encodedText('quoted-printable', fill(MB, '        \n')),
  'signed: blanks': () => encodedText('quoted-printable', fill(MB, ' ')),
  'signed: base64': () => encodedText('base64', encodeBase64Lines(fill(DER, 'x'))),
  'sixteen large certificates': () =>
    forge('x', other, { certificates: [...Array.from({ length: 15 }, (_, n) => bigCertificate(n + 1)), der(other)] }),
  'certificates of nothing': () => forge('x', other, { certificates: fillCertificates() }),
  'attributes': () =>
    forge('x', other, {
      signers: [signerInfo(entityOf('x'), { ...other, attributes: [...goodAttributes(entityOf('x')), ...Array.from({ length: 61 }, (_, n) => attribute(`1.2.3.${n}`, octetString(fill(11_000, 'x'))))] })],
    }),
  'CRLs inside': () => forge('x', other, { crls: [sequence(fill(DER, hex('0500')))] }),
  'a key of 16384 bits': () => signedByCostly(16_384, hex('010001')),
  'a key of 16384 bits with a long exponent': () => signedByCostly(16_384, hex('ffffffffffffffff')),
  'a key of 3072 bits whose exponent is as long': () => signedByCostly(3072, odd(3072)),
  'thirty-two recipients, all of them us': () => manyRecipients(32, transport),
  'a thousand recipients': () => manyRecipients(1000, transport),
  'a key agreement of nothing': () => manyRecipients(1, element(constructed(1), fill(60_000, hex('0500')))),
  'encrypted: nested structures': () => encryptedFor(opaqueOf(fill(500_000, hex('3080')))),
  'encrypted: garbage': () => encryptedFor(fill(DER, 'Content-Type: a\n')),
  'encrypted in itself': async () => encryptedFor(await encryptedFor(fill(500_000, 'x'))),
} // prettier-ignore

function fillCertificates(): readonly Buffer[] {
  return Array.from({ length: 16 }, () => sequence(fill(45_000, hex('0500'))))
}

test('no message of 1 MB costs more than a second and 200 MB', async (t) => {
  const before = process.resourceUsage().maxRSS * 1024
  const figures: { readonly name: string; readonly ms: number; readonly reason: string }[] = []
  for (const [name, make] of Object.entries(CASES)) {
    const wire = await make()
    assert.ok(wire.length < 1.5 * MB, `${name} has ${wire.length} bytes`)
    const start = process.cpuUsage()
    const opened = await open(wire)
    const { user, system } = process.cpuUsage(start)
    figures.push({ name, ms: (user + system) / 1000, reason: opened.verdict === 'ok' ? 'ok' : opened.reason })
  }
  const memory = process.resourceUsage().maxRSS * 1024 - before
  figures.sort((a, b) => b.ms - a.ms)
  for (const { name, ms, reason } of figures.slice(0, 5))
    t.diagnostic(`${ms.toFixed(0)} ms of processor: ${name} (${reason})`)
  t.diagnostic(`${Math.round(memory / 2 ** 20)} MiB more at the most, making the messages included`)
  for (const { name, ms } of figures) assert.ok(ms < CPU_LIMIT, `${name}: ${ms.toFixed(0)} ms`)
  assert.ok(memory < MEMORY_LIMIT, `${Math.round(memory / 2 ** 20)} MiB`)
})
