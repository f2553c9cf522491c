/**
 * Certificates and CRLs as drafts: every field can be set, right or wrong, and then be signed. Written as plain DER, because
 * thousands are made.
 */
import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { constructed, context, TAG } from '../../src/crypto/der.js'
import { bitString, derNull, element, integer, octetString, oid, sequence, setOf, time } from '../../src/crypto/der-write.js' // prettier-ignore
import { testKey } from '../kit/ca.js'

export interface Extension {
  readonly id: string
  readonly critical?: boolean
  readonly value: Uint8Array
}

export interface CertificateDraft {
  subject: Buffer
  issuer: Buffer
  key: KeyObject
  /** Who signs; the issuer's key. */
  signer: KeyObject
  serial: Buffer
  version: 1 | 3
  notBefore: number
  notAfter: number
  basic: { ca: boolean; pathLength?: number; critical: boolean } | null
  /** Flags; bit 0 of the standard is 1. */
  usage: number | null
  keyIds: boolean
  more: Extension[]
  digest: 'sha1' | 'sha256' | 'sha384' | 'sha512'
  flip: boolean
}

export interface Entry {
  readonly serial: Buffer
  readonly extensions?: readonly Extension[]
}

export interface CrlDraft {
  issuer: Buffer
  signer: KeyObject
  version: 1 | 2
  thisUpdate: number
  nextUpdate: number | null
  number: number | null
  entries: Entry[]
  keyIds: boolean
  more: Extension[]
  flip: boolean
}

export const USAGE = {
  digitalSignature: 1,
  nonRepudiation: 2,
  keyEncipherment: 4,
  keyCertSign: 32,
  cRLSign: 64,
} as const

/** Keys that sign quickly, and some of other kinds. */
export function someKey(n: number): KeyObject {
  const kinds = ['p256', 'p256', 'p256', 'ed25519', 'p384'] as const
  const kind = kinds[n % kinds.length] ?? 'p256'
  return testKey(kind, 40 + (n % 29))
}

const yes = element(TAG.boolean, Buffer.from([0xff]))

/** BIT STRING of up to eight named flags, without trailing zeros. */
function flagBits(flags: number): Buffer {
  let octet = 0
  let unused = 8
  for (let bit = 0; bit < 8; bit++) {
    if ((flags & (1 << bit)) === 0) continue
    octet |= 0x80 >> bit
    unused = 7 - bit
  }
  return element(TAG.bitString, unused === 8 ? Buffer.from([0]) : Buffer.from([unused, octet]))
}

type Attribute = readonly [type: string, value: string, tag?: number]

const TYPES: Readonly<Record<string, string>> = { C: '2.5.4.6', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3', email: '1.2.840.113549.1.9.1' } // prettier-ignore

/** A DER Name of attributes, one in each RDN. */
export function name(...attributes: readonly Attribute[]): Buffer {
  return sequence(...attributes.map((attribute) => setOf(attributeDer(attribute))))
}

export function attributeDer([type, value, tag]: Attribute): Buffer {
  const usual = type === 'email' ? TAG.ia5String : type === 'C' ? TAG.printableString : TAG.utf8String
  return sequence(oid(TYPES[type] ?? type), element(tag ?? usual, Buffer.from(value)))
}

const spkis = new Map<KeyObject, Buffer>()

function spkiOf(key: KeyObject): Buffer {
  const known = spkis.get(key) ?? createPublicKey(key).export({ format: 'der', type: 'spki' })
  spkis.set(key, known)
  return known
}

export function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha1').update(spkiOf(key)).digest()
}

function algorithm(key: KeyObject, digest: CertificateDraft['digest']): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sequence(oid('1.3.101.112'))
  if (key.asymmetricKeyType === 'rsa') {
    const rsa = { sha1: '5', sha256: '11', sha384: '12', sha512: '13' }
    return sequence(oid(`1.2.840.113549.1.1.${rsa[digest]}`), derNull)
  }
  const ecdsa = { sha1: '1', sha256: '3.2', sha384: '3.3', sha512: '3.4' }
  return sequence(oid(`1.2.840.10045.4.${ecdsa[digest]}`))
}

function signed(tbs: Buffer, key: KeyObject, digest: CertificateDraft['digest'], flip: boolean): Buffer {
  const signature = sign(key.asymmetricKeyType === 'ed25519' ? null : digest, tbs, key)
  // The last octet: the structure of an ECDSA signature stays whole.
  if (flip) signature[signature.length - 1] = (signature[signature.length - 1] ?? 0) ^ 1
  return sequence(tbs, algorithm(key, digest), bitString(signature))
}

/** Signs a tbsCertificate or tbsCertList that was changed: what a CA of bad will could issue. */
export function signAgain(tbs: Buffer, key: KeyObject): Buffer {
  return signed(tbs, key, 'sha256', false)
}

function extensionDer({ id, critical = false, value }: Extension): Buffer {
  return sequence(oid(id), ...(critical ? [yes] : []), octetString(value))
}

function listed(tag: number, extensions: readonly Extension[]): Buffer[] {
  return extensions.length === 0 ? [] : [element(constructed(tag), sequence(...extensions.map(extensionDer)))]
}

function authorityKeyId(signer: KeyObject): Extension {
  return { id: '2.5.29.35', value: sequence(element(context(0), keyIdOf(signer))) }
}

export function certificateDer(draft: CertificateDraft): Buffer {
  const { basic, usage, keyIds, version } = draft
  const extensions: Extension[] = []
  if (keyIds) extensions.push({ id: '2.5.29.14', value: octetString(keyIdOf(draft.key)) }, authorityKeyId(draft.signer))
  if (basic !== null) {
    const length = basic.pathLength === undefined ? [] : [integer(basic.pathLength)]
    const value = sequence(...(basic.ca ? [yes] : []), ...length)
    extensions.push({ id: '2.5.29.19', critical: basic.critical, value })
  }
  if (usage !== null) extensions.push({ id: '2.5.29.15', critical: true, value: flagBits(usage) })
  const tbs = sequence(
    ...(version === 3 ? [element(constructed(0), integer(2))] : []),
    element(TAG.integer, draft.serial),
    algorithm(draft.signer, draft.digest),
    draft.issuer,
    sequence(time(draft.notBefore), time(draft.notAfter)),
    draft.subject,
    spkiOf(draft.key),
    ...(version === 3 ? listed(3, [...extensions, ...draft.more]) : []),
  )
  return signed(tbs, draft.signer, draft.digest, draft.flip)
}

export function crlDer(draft: CrlDraft): Buffer {
  const { version, nextUpdate, number, keyIds, signer } = draft
  const own: Extension[] = keyIds ? [authorityKeyId(signer)] : []
  if (number !== null) own.push({ id: '2.5.29.20', value: integer(number) })
  const entries = draft.entries.map(({ serial, extensions = [] }) =>
    sequence(
      element(TAG.integer, serial),
      time(draft.thisUpdate - 3_600_000),
      ...(extensions.length === 0 ? [] : [sequence(...extensions.map(extensionDer))]),
    ),
  )
  const tbs = sequence(
    ...(version === 2 ? [integer(1)] : []),
    algorithm(signer, 'sha256'),
    draft.issuer,
    time(draft.thisUpdate),
    ...(nextUpdate === null ? [] : [time(nextUpdate)]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    ...(version === 2 ? listed(0, [...own, ...draft.more]) : []),
  )
  return signed(tbs, signer, 'sha256', draft.flip)
}

export const GENERAL = {
  email: (text: string): Buffer => element(context(1), Buffer.from(text)),
  dns: (text: string): Buffer => element(context(2), Buffer.from(text)),
  directory: (der: Uint8Array): Buffer => element(constructed(4), der),
  uri: (text: string): Buffer => element(context(6), Buffer.from(text)),
  ip: (...octets: readonly number[]): Buffer => element(context(7), Buffer.from(octets)),
}

export function flag(number: number): Buffer {
  return element(context(number), Buffer.from([0xff]))
}

/** ReasonFlags in [n]. */
export function reasons(number: number, ...bits: readonly number[]): Buffer {
  const octets = [0, 0]
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  return element(context(number), Buffer.from([7, ...octets]))
}

/** distributionPoint with a full name, as it stands in a DistributionPoint and in an issuingDistributionPoint. */
export function fullName(...names: readonly Uint8Array[]): Buffer {
  return element(constructed(0), element(constructed(0), ...names))
}

export function relativeName(...attributes: readonly Attribute[]): Buffer {
  return element(constructed(0), element(constructed(1), ...attributes.map(attributeDer)))
}

export const issuingPoint = (...fields: readonly Buffer[]): Extension => ({ id: '2.5.29.28', critical: true, value: sequence(...fields) }) // prettier-ignore
export const distributionPoints = (...points: readonly Buffer[]): Extension => ({ id: '2.5.29.31', value: sequence(...points) }) // prettier-ignore
export const reasonCode = (reason: number): Extension => ({ id: '2.5.29.21', value: element(TAG.enumerated, Buffer.from([reason])) }) // prettier-ignore
export const certificateIssuer = (issuer: Uint8Array): Extension => ({ id: '2.5.29.29', critical: true, value: sequence(GENERAL.directory(issuer)) }) // prettier-ignore
export const freshest: Extension = {
  id: '2.5.29.46',
  value: sequence(sequence(fullName(GENERAL.uri('http://crl.example.org/delta')))),
}
export const deltaOf = (base: number): Extension => ({ id: '2.5.29.27', critical: true, value: integer(base) })
