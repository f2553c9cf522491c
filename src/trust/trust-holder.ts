/**
 * The trust store of a running program: one snapshot of the CA directory, swapped as a whole. Judgements under way keep
 * theirs. When a reload fails the old snapshot serves for at most an hour; after that `no-trust` is thrown, which sends
 * messages back to the broker instead of refusing them.
 */
import type { Crl } from '../crypto/crl.js'
import { isSsmError, messageOf, SsmError } from '../errors.js'
import type { Clock } from '../os/clock.js'
import { loadCaDirectory } from './ca-directory.js'
import type { TrustStore } from './port.js'
import { leftOutRoots } from './left-out.js'
import { createTrustStore, type TrustSettings } from './store.js'

/** How long an old snapshot serves after the first failed reload, ms. */
const OLD_FOR = 3_600_000

export interface TrustOptions extends Partial<TrustSettings> {
  readonly capath: string
  readonly clock: Pick<Clock, 'monotonic'>
}

export interface LoadReport {
  /** One sentence for each file that was skipped. */
  readonly warnings: readonly string[]
  readonly certificates: number
  readonly crls: number
  /** When the newest CRL of each CA ends, ms since the epoch; of those that say so. */
  readonly crlsUntil: readonly number[]
  /** Why the old snapshot stays in force. */
  readonly failed?: SsmError
}

export interface Trust extends TrustStore {
  /** What the last load found. */
  readonly report: LoadReport
  /** Loads the directory again. Never throws for trouble with it: the report says it. Calls at once share one load. */
  reload(): Promise<LoadReport>
}

/** Loads the CA directory. Throws SsmError `configuration` or `no-trust` when there is nothing usable to begin with. */
export async function createTrust(options: TrustOptions): Promise<Trust> {
  const { capath, clock, ...given } = options
  const settings: TrustSettings = { allowSha1: false, allowWeak: false, crlPolicy: 'hold', ...given }
  const load = async (): Promise<{ store: TrustStore; report: LoadReport }> => {
    const data = await loadCaDirectory(capath)
    const store = createTrustStore(data, settings)
    const { certificates, crls } = data
    const warnings = [...data.warnings, ...leftOutRoots(data, settings)]
    return {
      store,
      report: { warnings, certificates: certificates.length, crls: crls.length, crlsUntil: endsOf(crls) },
    }
  }
  let current = await load()
  let failedSince: number | undefined
  let loading: Promise<LoadReport> | undefined

  const reloadOnce = async (): Promise<LoadReport> => {
    try {
      current = await load()
      failedSince = undefined
    } catch (error) {
      failedSince ??= clock.monotonic()
      const failed = isSsmError(error) ? error : new SsmError('no-trust', messageOf(error), { cause: error })
      current = { ...current, report: { ...current.report, warnings: [], failed } }
    }
    return current.report
  }

  return {
    get report() {
      return current.report
    },
    judge(certificate, judgeOptions) {
      if (failedSince !== undefined && clock.monotonic() - failedSince > OLD_FOR) {
        const why = current.report.failed?.message ?? 'unknown'
        throw new SsmError('no-trust', `the CA directory could not be loaded for more than an hour: ${why}`)
      }
      return current.store.judge(certificate, judgeOptions)
    },
    reload() {
      loading ??= reloadOnce().finally(() => {
        loading = undefined
      })
      return loading
    },
  }
}

/** The newest of each issuer counts: an old list that lies beside it harms nobody. */
function endsOf(crls: readonly Crl[]): readonly number[] {
  const ends = new Map<string, number>()
  for (const { issuer, nextUpdate } of crls) {
    if (nextUpdate !== undefined) ends.set(issuer.key, Math.max(nextUpdate, ends.get(issuer.key) ?? 0))
  }
  return [...ends.values()]
}
