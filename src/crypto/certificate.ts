/**
 * X.509 certificates as plain snapshots (RFC 5280 section 4). Parsed once, judged elsewhere.
 */
import type { KeyObject } from 'node:crypto'
import type { Dn } from '../message.js'

/** An extension as it stands in the certificate. */
export interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** The DER inside the OCTET STRING. */
  readonly value: Uint8Array
}

/** A parsed certificate. Nothing here has been verified. */
export interface Certificate {
  readonly der: Uint8Array
  /** SHA-256 of `der`, hex. */
  readonly fingerprint: string
  readonly version: 1 | 2 | 3
  /** Serial number, lower-case hex of the DER INTEGER's content. */
  readonly serial: string
  readonly subject: Dn
  readonly issuer: Dn
  /** The DER of the names, byte for byte, for CMS issuerAndSerialNumber and OpenSSL hashes. */
  readonly subjectDer: Uint8Array
  readonly issuerDer: Uint8Array
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  /** DER of SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** The public key, made on first use. Throws SsmError `malformed` when node cannot read it. */
  readonly publicKey: KeyObject
  /** To be signed bytes, DER of the AlgorithmIdentifier, signature bits. */
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: Uint8Array
  readonly signature: Uint8Array
  readonly extensions: readonly Extension[]
  /** Subject and authority key identifiers, hex, when present. */
  readonly subjectKeyId?: string
  readonly authorityKeyId?: string
}
