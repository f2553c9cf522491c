/**
 * May this TLS peer talk to us? Its chain is judged like any certificate, and its DN must be in the list.
 */
import { type Certificate, parseCertificate } from '../crypto/certificate.js'
import { isSsmError } from '../errors.js'
import type { Dn } from '../message.js'
import { explainNotListed, explainUnpoliced } from './dn-list.js'
import type { DnList, TrustStore } from './port.js'

/** `detail` is for our log, not for the peer. */
export type PeerJudgement =
  { readonly ok: true; readonly dn: Dn } | { readonly ok: false; readonly detail: string; readonly dn?: Dn }

export interface AuthorizePeerOptions {
  readonly trust: TrustStore
  readonly dns: DnList
  readonly crls: boolean
  /** ms since the epoch. */
  readonly now: () => number
}

/** Most certificates a peer may send. */
const MAX_CHAIN = 16

/** Makes the judge of peers. It takes the chain as DER, peer first; throws SsmError `no-trust` only. */
export function createAuthorizePeer({
  trust,
  dns,
  crls,
  now,
}: AuthorizePeerOptions): (chain: readonly Uint8Array[]) => PeerJudgement {
  return (chain) => {
    if (chain.length > MAX_CHAIN) return { ok: false, detail: `the peer sent more than ${MAX_CHAIN} certificates` }
    let certificates: Certificate[]
    try {
      certificates = chain.map((der) => parseCertificate(der))
    } catch (error) {
      if (!isSsmError(error, 'malformed')) throw error
      return { ok: false, detail: error.message }
    }
    const [peer, ...candidates] = certificates
    if (peer === undefined) return { ok: false, detail: 'the peer sent no certificate' }
    const dn = peer.subject
    const verdict = trust.judge(peer, { candidates, at: now(), purpose: 'any', crls })
    if (verdict.verdict !== 'ok') return { ok: false, dn, detail: verdict.detail }
    const standing = dns.standing(dn, peer.issuer)
    if (standing.standing === 'banned') return { ok: false, dn, detail: `banned by the list of DNs: ${dn.slash}` }
    if (standing.standing === 'unlisted') {
      return { ok: false, dn, detail: `not in the list of allowed DNs: ${explainNotListed(dn, standing)}` }
    }
    const { subtree } = standing
    if (subtree !== undefined && verdict.policed !== true) {
      return { ok: false, dn, detail: `not in the list of allowed DNs: ${explainUnpoliced(dn, subtree)}` }
    }
    return { ok: true, dn }
  }
}
