/**
 * The trust port: is this certificate someone we obey?
 */
import type { Certificate } from '../crypto/certificate.js'
import type { Dn, Reason } from '../message.js'

/** `signer` adds to the path what a message signer must be: not a CA, digitalSignature or nonRepudiation when keyUsage is present. */
export type Purpose = 'any' | 'signer'

export interface JudgeOptions {
  /** Certificates that came with the message: candidates for the path, never anchors. */
  readonly candidates?: readonly Certificate[]
  /** The time at which to judge, ms since the epoch. */
  readonly at: number
  readonly purpose: Purpose
  /** Require a good CRL for every certificate of the path. */
  readonly crls: boolean
}

export type TrustVerdict =
  | {
      readonly verdict: 'ok'
      /** Leaf first, anchor last. */
      readonly path: readonly Certificate[]
      /** The verdict holds until then (ms): least of notAfter of the path and nextUpdate of every CRL used. */
      readonly until: number
      /** An enforced signing policy grants the certificate its name. */
      readonly policed?: boolean
    }
  | {
      /** `hold`: only good data of ours are missing (CRL outdated or missing, signing policy damaged; `crl_policy = hold`). */
      readonly verdict: 'hold' | 'no'
      readonly reason: Reason
      readonly detail: string
      /** The CA concerned, for `hold`. */
      readonly ca?: string
    }

/** One snapshot of a CA directory; swapped as a whole. */
export interface TrustStore {
  /** Never throws for a bad certificate; throws SsmError `no-trust` when there is nothing to judge with. */
  judge(certificate: Certificate, options: JudgeOptions): TrustVerdict
}

/** What the list of signers says of a name. */
export type DnStanding =
  /** `subtree`: by this line only, which counts when an enforced signing policy grants the name. */
  | { readonly standing: 'listed'; readonly subtree?: string }
  | { readonly standing: 'banned' }
  /** `why`: where it differs from what is listed, a sentence's end. */
  | { readonly standing: 'unlisted'; readonly why?: string }

/** The list of allowed signers. */
export interface DnList {
  readonly size: number
  /** Of a structured name and the issuer of its certificate. Throws SsmError `no-trust` when there is no list any more. */
  standing(dn: Dn, issuer: Dn): DnStanding
}
