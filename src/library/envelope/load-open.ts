/** Opening with trust from files, as `ssmreceive` does. */
import { loadKeyPair } from '../../crypto/keys.js'
import { createOpen } from '../../envelope/open.js'
import type { Open } from '../../message.js'
import { systemClock } from '../../os/clock.js'
import { createDnListHolder, type DnListHolder } from '../../trust/dn-file.js'
import { createTrust, type Trust } from '../../trust/trust-holder.js'

export interface OpenFiles {
  /** The CA directory: certificates, CRLs, signing policies. */
  readonly capath: string
  /** The list of DNs that may send. Null: everybody whom a CA there vouches for; then look at `signer`. */
  readonly dns: string | null
  /** Must each certificate of the path have a good CRL? Default true; without a fresh one the verdict is `hold`. */
  readonly crls?: boolean
  /** Ours, for messages that are encrypted. */
  readonly pair?: { readonly certificate: string; readonly key: string }
  /** Accept contents that are not UTF-8? Default true. */
  readonly binary?: boolean
  /** Bytes on the wire. Default 128 MiB. */
  readonly maxMessageSize?: number
}

export interface Opening {
  /** Judges one message; rejects only for trouble of our own (`no-trust`). */
  readonly open: Open
  /**
   * Reads CA directory and list again. What cannot be read leaves the old state in force, for an hour at most. Never
   * throws: sentences about what was skipped, and why something old stays.
   */
  reload(): Promise<readonly string[]>
}

const MAX_MESSAGE = 128 * 1024 * 1024

/** Reads and checks the files. Throws SsmError `configuration` or `no-trust`. */
export async function loadOpen(files: OpenFiles): Promise<Opening> {
  const { capath, dns: dnFile, pair } = files
  const trust = await createTrust({ capath, clock: systemClock })
  const dns = dnFile === null ? null : (await createDnListHolder(dnFile, { clock: systemClock })).holder
  const pairs = pair === undefined ? [] : [loadKeyPair(pair.certificate, pair.key, { now: systemClock.now() })]
  const open = createOpen({
    trust: () => trust,
    dns: () => dns,
    crls: files.crls ?? true,
    binary: files.binary ?? true,
    decryption: () => pairs,
    maxMessageSize: files.maxMessageSize ?? MAX_MESSAGE,
    allowSha1: false,
    allowWeak: false,
    allow3des: false,
    clock: systemClock,
  })
  return { open, reload: () => reloadBoth(trust, dns) }
}

async function reloadBoth(trust: Trust, dns: DnListHolder | null): Promise<readonly string[]> {
  const reports = [await trust.reload(), ...(dns === null ? [] : [await dns.reload()])]
  return reports.flatMap(({ warnings, failed }) => [...warnings, ...(failed === undefined ? [] : [failed.message])])
}
