/**
 * A site in this process: both programs run here, through a broker that lies here too. For faults by the thousand.
 */
import { createLedger, type Ledger } from './ledger.js'
import { startMiniBroker, type BrokerEvents, type MiniBroker } from './mini-broker.js'
import { createSite, type Site } from './site.js'

export interface Bench extends AsyncDisposable {
  readonly site: Site
  readonly ledger: Ledger
  readonly broker: MiniBroker
  /** Of a queue that consumers empty as messages come. */
  readonly incoming: string
  count: { kills: number; faults: number }
}

export interface BenchOptions {
  readonly events?: BrokerEvents
  readonly sections?: Parameters<Site['configure']>[0]
  readonly heartBeat?: number
  /** Bytes of a message, about. */
  readonly size?: number
}

export async function createBench(dir: string, options: BenchOptions = {}): Promise<Bench> {
  const broker = await startMiniBroker(options.events, options.heartBeat)
  const site = createSite(dir, broker.port)
  site.configure(options.sections)
  return {
    site,
    ledger: createLedger({
      outgoing: site.outgoing,
      dn: site.pki.host.dn,
      ...(options.size === undefined ? {} : { size: options.size }),
    }),
    broker,
    incoming: `${site.spool}/incoming`,
    count: { kills: 0, faults: 0 },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  }
}
