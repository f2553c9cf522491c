/**
 * Good chains with their CRLs, as drafts that can be changed.
 */
import type { KeyObject } from 'node:crypto'
import { type CertificateDraft, type CrlDraft, type Extension, name, someKey, USAGE } from './draft.js'

export const HOUR = 3_600_000
export type Random = (below: number) => number

export interface Draft {
  readonly n: number
  readonly at: number
  readonly random: Random
  /** Root first, leaf last. */
  readonly certs: CertificateDraft[]
  /** One of each CA, root first. */
  readonly crls: CrlDraft[]
  /** More for the CA directory. */
  readonly extra: CertificateDraft[]
}

export interface Twist {
  readonly what: string
  readonly good?: boolean
  /** OpenSSL says otherwise, always or for some of the drafts: words of docs/decisions.md that say why we are right. */
  readonly openssl?: string
  readonly apply: (draft: Draft) => void
}

export const CA_USAGE = USAGE.keyCertSign | USAGE.cRLSign

/** A random number generator with a seed: the same drafts in every run. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** A good chain: root, one to three intermediates, leaf. Every CA has a good CRL. */
export function goodDraft(n: number, at: number, random: Random): Draft {
  const count = 3 + random(3)
  const keyIds = random(3) > 0
  const certs: CertificateDraft[] = []
  for (let index = 0; index < count; index++) {
    const leaf = index === count - 1
    const subject = nameOf(n, leaf ? 'the leaf' : `CA ${index}`)
    const key = someKey(n + 7 * index)
    const above = certs[index - 1]
    certs.push({
      subject,
      issuer: above?.subject ?? subject,
      key,
      signer: above?.key ?? key,
      serial: Buffer.from([0x10 + index, random(256), random(256)]),
      version: 3,
      notBefore: at - 24 * HOUR,
      notAfter: at + 24 * HOUR,
      basic: leaf ? (random(2) === 0 ? null : { ca: false, critical: true }) : { ca: true, critical: true },
      usage: leaf ? USAGE.digitalSignature : CA_USAGE,
      keyIds,
      more: [],
      digest: 'sha256',
      flip: false,
    })
  }
  const crls = certs.slice(0, -1).map(({ subject, key }) => goodCrl(subject, key, at))
  return { n, at, random, certs, crls, extra: [] }
}

export function goodCrl(issuer: Buffer, signer: KeyObject, at: number): CrlDraft {
  return {
    issuer,
    signer,
    version: 2,
    thisUpdate: at - HOUR,
    nextUpdate: at + HOUR,
    number: 5,
    entries: [{ serial: Buffer.from([0x70, 0x71]) }],
    keyIds: true,
    more: [],
    flip: false,
  }
}

export function nameOf(n: number, cn: string): Buffer {
  return name(['C', 'XX'], ['O', `Case ${n}`], ['CN', cn])
}

export const leafOf = ({ certs }: Draft): CertificateDraft => certs[certs.length - 1]! // never empty
export const leafCrl = ({ crls }: Draft): CrlDraft => crls[crls.length - 1]! // never empty
export const rootOf = ({ certs }: Draft): CertificateDraft => certs[0]! // never empty
export const middleOf = ({ certs }: Draft): CertificateDraft => certs[certs.length - 2]! // at least one
/** Any but the root. */
export const below = ({ certs, random }: Draft): CertificateDraft => certs[1 + random(certs.length - 1)]! // never empty
export const anyOf = ({ certs, random }: Draft): CertificateDraft => certs[random(certs.length)]! // never empty
export const anyCa = ({ certs, random }: Draft): CertificateDraft => certs[random(certs.length - 1)]! // never empty
export const anyMiddle = ({ certs, random }: Draft): CertificateDraft => certs[1 + random(certs.length - 2)]! // never empty
export const anyCrl = ({ crls, random }: Draft): CrlDraft => crls[random(crls.length)]! // never empty

export const strange = (critical: boolean): Extension => ({ id: '1.2.3.4', critical, value: Buffer.from([5, 0]) })

export function good(what: string, apply: Twist['apply'], openssl?: string): Twist {
  return { what, good: true, apply, ...(openssl === undefined ? {} : { openssl }) }
}
export function bad(what: string, apply: Twist['apply'], openssl?: string): Twist {
  return { what, good: false, apply, ...(openssl === undefined ? {} : { openssl }) }
}
