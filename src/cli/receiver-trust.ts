/**
 * What the receiver trusts, together: the CA directory and the list of DNs, each with its last good state.
 */
import type { ReceiverCertificatesConfig } from '../config/config.js'
import type { Log } from '../observe/log.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import type { Clock } from '../os/clock.js'
import { createAuthorizePeer } from '../trust/authorize-peer.js'
import { createDnListHolder } from '../trust/dn-file.js'
import type { DnList, TrustStore } from '../trust/port.js'
import { createTrust, type LoadReport } from '../trust/trust-holder.js'
import type { AuthorizePeer } from '../transport/listener/index.js'

/** How fresh what is trusted is. */
export interface TrustFigures {
  readonly certificates: number
  readonly crls: number
  /** CAs whose newest CRL is outdated. */
  readonly outdated: number
  /** When the first of the other CRLs will be. ISO 8601. */
  readonly nextUpdate?: string
  /** When the CA directory was last read. */
  readonly read: string
  readonly dns: number
  /** Why something old stays in use. */
  readonly failed?: string
}

export interface ReceiverTrust {
  /** Throws SsmError `no-trust` while there is none. */
  readonly store: TrustStore
  readonly dns: DnList
  /** Reads both again; says in the log what was skipped, and why something old stays in force. */
  reload(): Promise<void>
  figures(): TrustFigures
}

/** Throws SsmError `configuration` or `no-trust` when there is nothing to begin with. */
export async function createReceiverTrust(
  { capath, allowSha1, allowWeak, crlPolicy, signingPolicy, dnWildcards }: ReceiverCertificatesConfig,
  dnFile: string,
  log: Log,
  clock: Clock,
): Promise<ReceiverTrust> {
  const top = log.named('ssmreceive')
  const { holder: dns, warnings } = await createDnListHolder(dnFile, { wildcards: dnWildcards, clock })
  for (const message of warnings) top.warning('%s', { message })
  const trust = await createTrust({
    capath,
    clock,
    crlPolicy,
    signingPolicy,
    allowSha1: allowSha1.includes('certificates'),
    allowSha1Crls: allowSha1.includes('crls'),
    allowWeak: allowWeak.includes('rsa1024'),
  })
  let read = clock.now()
  let dnsFailed: string | undefined
  const say = ({ warnings: skipped, certificates, crls, failed }: LoadReport): void => {
    for (const message of skipped) top.warning('%s', { message })
    top.debug('%s certificates and %s CRLs in %s.', certificates, crls, capath)
    if (failed !== undefined)
      top.error('The CA directory was not read again, what was read before stays in use: %s', failed)
  }
  say(trust.report)
  top.debug('%s DNs found.', dns.size)
  return {
    store: trust,
    dns,
    async reload() {
      const list = await dns.reload()
      for (const message of list.warnings) top.warning('%s', { message })
      dnsFailed = list.failed?.message
      if (list.failed !== undefined) {
        top.error('The DN list was not read again, what was read before stays in use: %s', list.failed)
      }
      const report = await trust.reload()
      if (report.failed === undefined) read = clock.now()
      say(report)
    },
    figures: () => figuresOf(trust.report, { read, now: clock.now(), dns: dns.size, dnsFailed }),
  }
}

interface Standing {
  readonly read: number
  readonly now: number
  readonly dns: number
  readonly dnsFailed: string | undefined
}

function figuresOf({ certificates, crls, crlsUntil, failed }: LoadReport, standing: Standing): TrustFigures {
  const { read, now, dns, dnsFailed } = standing
  const coming = crlsUntil.filter((until) => until > now)
  const why = failed?.message ?? dnsFailed
  return {
    certificates,
    crls,
    outdated: crlsUntil.length - coming.length,
    ...(coming.length === 0 ? {} : { nextUpdate: iso(coming.reduce((least, until) => Math.min(least, until))) }),
    read: iso(read),
    dns,
    ...(why === undefined ? {} : { failed: printable(why, PRINTABLE_LIMITS.sentence) }),
  }
}

/** The listener's judge of TLS peers: a path to a CA of ours, and a listed DN. */
export function createPeerJudge({ store, dns }: ReceiverTrust, crls: boolean, clock: Clock): AuthorizePeer {
  const judge = createAuthorizePeer({ trust: store, dns, crls, now: () => clock.now() })
  return (chain) => {
    const judgement = judge(chain)
    return Promise.resolve(
      judgement.ok ? { ok: true, dn: judgement.dn.slash } : { ok: false, detail: judgement.detail },
    )
  }
}

const iso = (at: number): string => new Date(at).toISOString()
