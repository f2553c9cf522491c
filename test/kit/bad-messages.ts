/**
 * Messages that must be refused, each with the beginning of the `error` field it gets: what breaks, forges or hides.
 */
import { randomBytes } from 'node:crypto'
import { makeDn } from '../../src/crypto/name.js'
import { derNull, sequence } from '../../src/crypto/der-write.js'
import { createSeal } from '../../src/envelope/seal.js'
import { entityOf, forge, forgeCms, opaqueOf, signerInfo, wireOf } from '../envelope/forge.js'
import type { TestHost, TestPki } from './ca.js'

export interface BadMessage {
  readonly name: string
  readonly wire: Buffer
  /** What the field `error` of the reject matches. */
  readonly error: RegExp
}

const TEXT = 'record one\nrecord two\n'
const C_O = [[{ oid: '2.5.4.6', value: 'XX' }], [{ oid: '2.5.4.10', value: 'Test' }]] as const
const CN = '2.5.4.3'

/** Holders that only these messages need. */
export function badHosts(pki: TestPki) {
  return {
    /** In slash form it reads `/C=XX/O=Test/CN=a/CN=b`, which the list has as two attributes. */
    slashInside: pki.add('slash-inside', { subject: makeDn([...C_O, [{ oid: CN, value: 'a/CN=b' }]]) }),
    hostileName: pki.add('hostile-name', { subject: makeDn([...C_O, [{ oid: CN, value: 'x\x1b[31m\nERROR y' }]]) }),
    unlisted: pki.add('unlisted'),
  }
}

/** Lines for the DN file: all signers but the unlisted ones, so that each message is refused for its own reason. */
export function listedDns(pki: TestPki): string[] {
  const { host, other, ec, expired, revoked, unknown } = pki
  return [...[host, other, ec, expired, revoked, unknown].map(({ dn }) => dn), '/C=XX/O=Test/CN=a/CN=b']
}

export async function sealed(by: TestHost, text: string, recipient?: TestHost, binary = false): Promise<Buffer> {
  const seal = createSeal({
    certificate: by.certificate,
    key: by.key,
    cipher: 'aes256',
    keyTransport: 'pkcs1',
    binary,
    clock: { now: () => Date.now() },
    ...(recipient === undefined ? {} : { recipients: [recipient.certificate] }),
  })
  return Buffer.from(await seal({ body: Buffer.from(text, 'latin1') }))
}

const der = (host: TestHost): Buffer => Buffer.from(host.certificate.der)
const altered = (wire: Buffer, from: string, to: string): Buffer =>
  Buffer.from(wire.toString('latin1').replace(from, to), 'latin1')

function nested(depth: number): Buffer {
  let nest: Buffer = derNull
  for (let n = 0; n < depth; n++) nest = sequence(nest)
  return nest
}

/** `other` is the receiver; `maxSize` its `max_message_size`. */
export async function badMessages(pki: TestPki, maxSize: number): Promise<readonly BadMessage[]> {
  const { host, other, ec, expired, revoked, unknown } = pki
  const { slashInside, hostileName, unlisted } = badHosts(pki)
  const content = entityOf(TEXT)
  const good = forge(TEXT, host)
  const forOther = await sealed(host, TEXT, other)
  const middle = forOther.length >> 1
  const not = 'Failed to verify message: '
  const undecryptable = /^Failed to decrypt message: /
  const verify = (words: string): RegExp => new RegExp(`^${not}.*${words}`)
  const list: readonly (readonly [string, Buffer, RegExp])[] = [
    ['tampered', altered(good, 'record one', 'record 0ne'), verify('signature')],
    [
      'two signers',
      forge(TEXT, host, {
        signers: [signerInfo(content, host), signerInfo(content, other)],
        certificates: [der(host), der(other)],
      }),
      verify('exactly one signer|signers'),
    ],
    ['no signer', forge(TEXT, host, { signers: [] }), verify('signer')],
    [
      'a foreign certificate first',
      forge(TEXT, { certificate: host.certificate, key: other.key }, { certificates: [der(other), der(host)] }),
      verify('signature'),
    ],
    ['no certificate', forge(TEXT, host, { certificates: [] }), verify('certificate')],
    ['embedded beside detached', forge(TEXT, host, { embedded: content }), verify('')],
    ['encrypted for somebody else', await sealed(host, TEXT, host), undecryptable],
    [
      'encrypted and altered',
      altered(forOther, forOther.toString('latin1', middle, middle + 8), 'AAAAAAAA'),
      undecryptable,
    ],
    ['encrypted and cut', forOther.subarray(0, middle), undecryptable],
    ['expired', await sealed(expired, TEXT), verify('expired')],
    ['revoked', await sealed(revoked, TEXT), verify('revoked')],
    ['an unknown CA', await sealed(unknown, TEXT), verify('no certificate of .*Unknown CA')],
    ['not listed', await sealed(unlisted, TEXT), /^Signer not in valid DNs list: \/C=XX\/O=Test\/CN=unlisted/],
    [
      'a slash inside a value',
      await sealed(slashInside, TEXT),
      /^Signer not in valid DNs list: \/C=XX\/O=Test\/CN=a\/CN=b/,
    ],
    ['a name with escapes', await sealed(hostileName, TEXT), /^Signer not in valid DNs list: .*x\\x1b\[31m\\nERROR y/],
    ['no body', Buffer.alloc(0), /empty|no content/],
    ['empty content', forge('', host), /no content/],
    ['blank', Buffer.from(' \n \n'), verify('')],
    ['not UTF-8', await sealed(host, 'caf\xe9\n', undefined, true), /UTF-8/],
    ['not UTF-8, encrypted', await sealed(host, 'caf\xe9\n', other, true), /UTF-8/],
    ['cut in the content', good.subarray(0, 300), verify('')],
    ['cut in the signature', good.subarray(0, good.length - 400), verify('')],
    ['oversized', await sealed(host, 'x'.repeat(maxSize)), / max_message_size/],
    ['nested', opaqueOf(nested(10_000)), verify('')],
    [
      'a nested message',
      opaqueOf(forgeCms({ signers: [signerInfo(good, ec)], certificates: [der(ec)], embedded: good })),
      verify(''),
    ],
    ['random', randomBytes(5000), verify('')],
    ['random base64', opaqueOf(randomBytes(5000)), verify('')],
    ['random in an envelope', opaqueOf(randomBytes(5000), 'smime-type=enveloped-data'), undecryptable],
    [
      'certificates only',
      opaqueOf(forgeCms({ signers: [], certificates: [der(host)] }), 'smime-type=certs-only'),
      verify(''),
    ],
    ['plain text', Buffer.from(TEXT), verify('')],
    ['HTML', Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>'), verify('')],
    [
      'multipart of something',
      wireOf(
        Buffer.from('Content-Type: multipart/mixed; boundary=x\n\n--x--\n'),
        forgeCms({ signers: [], certificates: [] }),
      ),
      verify(''),
    ],
  ]
  return list.map(([name, wire, error]) => ({ name, wire, error }))
}
