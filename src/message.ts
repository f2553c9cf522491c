/**
 * The nouns. Types and the table of reasons; no behaviour, no imports.
 */

/** A message's name: the spool element (`5ba24c88/5ba24c8f0f129d`), a file name, or what a producer called it. Outside text. */
export type MessageId = string

/** One attribute of a relative distinguished name: OID in dotted form, value as decoded text. */
export interface NameAttribute {
  readonly oid: string
  readonly value: string
}

/**
 * A distinguished name. Compare by `key`, print `slash`; never parse either back.
 * `rdns` is in certificate order; each RDN has one attribute, seldom more.
 */
export interface Dn {
  readonly rdns: readonly (readonly NameAttribute[])[]
  /** `/C=UK/O=eScience/CN=host.example.org`: OpenSSL short names, certificate order, UTF-8. For people and for the signer field. */
  readonly slash: string
  /** Canonical form by RFC 5280 section 7.1 (case, white space, string type folded): equal keys, equal names. */
  readonly key: string
}

/** What a producer wants carried, byte for byte. */
export interface Plain {
  readonly body: Uint8Array
}

declare const sealedBrand: unique symbol
/** Bytes of a signed (and perhaps encrypted) message. Only the envelope makes them; publishers take nothing else. */
export type Sealed = Uint8Array & { readonly [sealedBrand]: true }

/** Which signature this is, for recognising a redelivery. */
export interface SignatureIdentity {
  /** SHA-256 of the signer's certificate (DER), hex. */
  readonly certificate: string
  /** SHA-256 of the signature value, hex. */
  readonly signature: string
  /** SHA-256 of the content, hex. */
  readonly content: string
  /** The signed signingTime in ms since the epoch, when there is one. A claim of the signer. */
  readonly signingTime?: number
}

/** How the `error` field of a reject begins, as operators' scripts expect it. */
export type ReasonClass = 'verify' | 'decrypt' | 'signer' | 'other'

/**
 * Why a message is not accepted. The words explain the reason to an operator; `class` gives the beginning of the
 * `error` field (`Failed to verify message: `, `Failed to decrypt message: `, `Signer not in valid DNs list: `).
 */
export const REASONS = {
  empty: { class: 'other', words: 'the message has no content' },
  'too-large': { class: 'other', words: 'the message is larger than max_message_size' },
  'not-smime': { class: 'verify', words: 'not an S/MIME signed message' },
  malformed: { class: 'verify', words: 'the S/MIME or CMS structure is damaged or exceeds a limit' },
  undecryptable: {
    class: 'decrypt',
    words: 'not encrypted for our certificate, or damaged, or not a signed message inside',
  },
  'signer-count': { class: 'verify', words: 'a message must have exactly one signer' },
  'no-certificate': { class: 'verify', words: 'the certificate of the signer is not in the message' },
  signature: { class: 'verify', words: 'the signature does not fit the content: altered on the way, or forged' },
  algorithm: { class: 'verify', words: 'an algorithm or key size that is not accepted' },
  purpose: { class: 'verify', words: 'the certificate may not sign messages (CA certificate, key usage)' },
  untrusted: { class: 'verify', words: 'no path from the certificate to a CA of the CA directory' },
  expired: { class: 'verify', words: 'a certificate of the path has expired' },
  'not-yet-valid': { class: 'verify', words: 'a certificate of the path is not valid yet' },
  constraints: { class: 'verify', words: 'a CA of the path may not issue this certificate' },
  'critical-extension': {
    class: 'verify',
    words: 'a certificate or CRL has a critical extension that is not understood',
  },
  policy: { class: 'verify', words: 'certificate or signing policies do not allow the path' },
  revoked: { class: 'verify', words: 'a certificate of the path is revoked' },
  'crl-missing': { class: 'verify', words: 'there is no CRL for a CA of the path' },
  'crl-outdated': { class: 'verify', words: 'the CRL of a CA of the path is outdated' },
  'crl-invalid': { class: 'verify', words: 'the CRL of a CA of the path is not usable' },
  'not-listed': { class: 'signer', words: 'the signer is not in the list of allowed DNs' },
  banned: { class: 'other', words: 'the signer is banned by the list of DNs' },
  'not-utf8': { class: 'other', words: 'the content is not UTF-8 and `binary` is off' },
  replayed: { class: 'other', words: 'the same signature came before under another id' },
  internal: { class: 'other', words: 'a fault of this program while opening the message' },
} as const satisfies Record<string, { readonly class: ReasonClass; readonly words: string }>

export type Reason = keyof typeof REASONS

/** The judgement of one received message. Data, never an exception. */
export type Opened =
  | {
      readonly verdict: 'ok'
      readonly plain: Plain
      /** Subject of the certificate whose key verified the signature. */
      readonly signer: Dn
      readonly identity: SignatureIdentity
    }
  | {
      /** `hold`: judge again when trust data are fresh. `no`: refused. */
      readonly verdict: 'hold' | 'no'
      readonly reason: Reason
      /** One sentence for the operator. May contain outside text. */
      readonly detail: string
      /** Known only when the signature and the path of its certificate were verified. */
      readonly signer?: Dn
      /** Whom the message says it is by, when that is known. Nobody vouches for it: for counting and for the log. */
      readonly claimed?: Dn
      /** `hold` only: the CA whose data are missing, for the quota. */
      readonly ca?: string
    }

/** Seals one message. Throws SsmError `cannot-seal` for what is true of this content, others for our own trouble. */
export type Seal = (plain: Plain) => Promise<Sealed>

/** Judges one message. Throws only for our own trouble (`no-trust`). */
export type Open = (wire: Uint8Array) => Promise<Opened>
