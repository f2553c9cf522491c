/**
 * Signed messages as no honest sender makes them: every piece can be given.
 */
import { createHash, sign, type KeyObject } from 'node:crypto'
import type { Certificate } from '../../src/crypto/certificate.js'
import { encodeBase64Lines } from '../../src/crypto/base64.js'
import { CMS, contentInfo, issuerAndSerial } from '../../src/crypto/cms.js'
import { constructed, TAG } from '../../src/crypto/der.js'
import { derNull, element, integer, octetString, oid, sequence, time } from '../../src/crypto/der-write.js'
import { clearSigned } from '../../src/crypto/smime.js'
import { toCrlf } from '../../src/crypto/text.js'

export const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'), derNull)
export const RSA = sequence(oid('1.2.840.113549.1.1.1'), derNull)

export interface SignerParts {
  readonly certificate: Certificate
  readonly key: KeyObject
  /** DER of the SignerIdentifier. */
  readonly id?: Buffer
  readonly digestAlgorithm?: Buffer
  readonly signatureAlgorithm?: Buffer
  /** The attributes, each DER; null: none at all. */
  readonly attributes?: readonly Buffer[] | null
  readonly signature?: Buffer
}

/** The signed entity of a text, in transit form. */
export function entityOf(text: string): Buffer {
  return Buffer.from(`Content-Type: text/plain\n\n${text}`, 'latin1')
}

export function attribute(type: string, ...values: readonly Buffer[]): Buffer {
  return sequence(oid(type), element(TAG.set, ...values))
}

export const contentTypeAttribute = (type: string = CMS.data): Buffer => attribute(CMS.contentType, oid(type))
export const digestAttribute = (content: Buffer): Buffer =>
  attribute(CMS.messageDigest, octetString(createHash('sha256').update(toCrlf(content)).digest()))
export const timeAttribute = (at = Date.now()): Buffer => attribute(CMS.signingTime, time(at))

/** A SignerInfo over `content`. */
export function signerInfo(content: Buffer, parts: SignerParts): Buffer {
  const { certificate, key, id = issuerAndSerial(certificate), digestAlgorithm = SHA256 } = parts
  const attributes = parts.attributes === undefined ? goodAttributes(content) : parts.attributes
  const set = attributes === null ? undefined : element(TAG.set, ...attributes)
  const signature = parts.signature ?? sign('sha256', set ?? toCrlf(content), key)
  return sequence(
    integer(1),
    id,
    digestAlgorithm,
    ...(set === undefined ? [] : [element(constructed(0), ...(attributes ?? []))]),
    parts.signatureAlgorithm ?? RSA,
    octetString(signature),
  )
}

export function goodAttributes(content: Buffer): readonly Buffer[] {
  return [contentTypeAttribute(), timeAttribute(), digestAttribute(content)]
}

export interface MessageParts {
  readonly signers: readonly Buffer[]
  readonly certificates: readonly Buffer[]
  /** Content inside the structure. */
  readonly embedded?: Buffer
  readonly crls?: readonly Buffer[]
}

/** A SignedData of these pieces. */
export function forgeCms({ signers, certificates, embedded, crls }: MessageParts): Buffer {
  return contentInfo(
    CMS.signedData,
    sequence(
      integer(1),
      element(TAG.set, SHA256),
      sequence(oid(CMS.data), ...(embedded === undefined ? [] : [element(constructed(0), octetString(embedded))])),
      ...(certificates.length === 0 ? [] : [element(constructed(0), ...certificates)]),
      ...(crls === undefined ? [] : [element(constructed(1), ...crls)]),
      element(TAG.set, ...signers),
    ),
  )
}

/** A clear-signed message of a content and a CMS structure. */
export function wireOf(content: Buffer, cms: Buffer): Buffer {
  return clearSigned([content], { boundary: '----FORGED', micalg: 'sha-256', signature: encodeBase64Lines(cms) })
}

/** An opaque message of a CMS structure. */
export function opaqueOf(cms: Buffer, header = 'smime-type=signed-data'): Buffer {
  const head = `Content-Type: application/pkcs7-mime; ${header}\nContent-Transfer-Encoding: base64\n\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), encodeBase64Lines(cms)])
}

/** An honest message, to be changed in one respect. */
export function forge(text: string, signer: SignerParts, changes: Partial<MessageParts> = {}): Buffer {
  const content = entityOf(text)
  const parts = { signers: [signerInfo(content, signer)], certificates: [Buffer.from(signer.certificate.der)] }
  return wireOf(content, forgeCms({ ...parts, ...changes }))
}
