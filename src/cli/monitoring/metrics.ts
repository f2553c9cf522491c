/**
 * The numbers of a program for Prometheus. Made when somebody asks, by a library that is loaded then: a program that nobody
 * asks does not pay for it.
 */
import type { Registry } from 'prom-client'
import type { SendReport } from '../../pipeline/send.js'
import type { SenderFigures } from '../../spool/figures.js'
import { isReceiver } from '../status/render.js'
import type { SpoolFigures, Status } from '../status/status.js'
import { VERSION } from '../version.js'

/** The content type of the text format. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

type Labels = Readonly<Record<string, string>>
type Values = readonly (readonly [labels: Labels, value: number])[]

interface Metric {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly values: Values
}

/** The text of a running program. */
export async function metricsOf(status: Status): Promise<string> {
  return await textOf([
    ...aboutProgram(status),
    ...ofMessages(status),
    ...(status.spools === undefined ? [] : ofSpools(status.spools)),
    ...(status.trust === undefined ? [] : ofTrust(status.trust)),
  ])
}

/** What a sender's run from cron came to. */
export interface RunMetrics {
  readonly at: number
  readonly exit: number
  readonly seconds: number
  readonly report: Readonly<SendReport>
  readonly spools?: SenderFigures
}

export async function metricsOfRun({ at, exit, seconds, report, spools }: RunMetrics): Promise<string> {
  const { sent, setAside, locked, left } = report
  return await textOf([
    gauge('ssm_info', 'Program and version.', [[{ program: 'ssmsend', version: VERSION }, 1]]),
    one('ssm_last_run_timestamp_seconds', 'When the last run ended.', at / 1000),
    one('ssm_last_run_exit_code', 'Exit code of the last run: 0 is good.', exit),
    one('ssm_last_run_duration_seconds', 'How long the last run took.', seconds),
    gauge('ssm_last_run_messages', 'What became of the messages of the last run.', [
      [{ outcome: 'sent' }, sent],
      [{ outcome: 'set_aside' }, setAside],
      [{ outcome: 'locked' }, locked],
      [{ outcome: 'left' }, left],
    ]),
    ...(spools === undefined ? [] : ofSpools(spools)),
  ])
}

function gauge(name: string, help: string, values: Values): Metric {
  return { name, help, kind: 'gauge', values }
}

function counter(name: string, help: string, values: Values): Metric {
  return { name, help, kind: 'counter', values }
}

const one = (name: string, help: string, value: number): Metric => gauge(name, help, [[{}, value]])

const seconds = (iso: string): number => Date.parse(iso) / 1000

function aboutProgram({ program, version, since, link }: Status): Metric[] {
  return [
    gauge('ssm_info', 'Program and version.', [[{ program, version }, 1]]),
    one('ssm_start_time_seconds', 'When the program began to count.', seconds(since)),
    one('ssm_connected', '1: connected to a broker, or listening.', link.state === 'connected' ? 1 : 0),
    one('ssm_paused', '1: trouble of ours (disk, trust data) lets messages wait.', isPaused(link) ? 1 : 0),
  ]
}

const isPaused = (link: Status['link']): boolean => link.state === 'waiting' && link.paused

/** Labels are lower case with underscores, as usual there. */
const LABELS: Readonly<Record<string, string>> = { setAside: 'set_aside' }

function ofMessages({ counts, reasons, signers, otherSigners, last }: Status): Metric[] {
  const outcomes = Object.entries(counts).map(
    ([outcome, count]) => [{ outcome: LABELS[outcome] ?? outcome }, count] as const,
  )
  const bySigner = signers.flatMap(({ signer, stored, refused }) => [
    [{ signer, outcome: 'stored' }, stored] as const,
    [{ signer, outcome: 'refused' }, refused] as const,
  ])
  const others = otherSigners === 0 ? [] : [[{ signer: 'others', outcome: 'any' }, otherSigners] as const]
  return [
    counter('ssm_messages_total', 'Messages, by what became of them.', outcomes),
    counter('ssm_refused_total', 'Messages rejected or held, by reason.', Object.entries(reasons).map(byReason)),
    counter('ssm_signer_messages_total', 'Messages by verified signer.', [...bySigner, ...others]),
    ...(last === undefined
      ? []
      : [one('ssm_last_message_timestamp_seconds', 'When the last message was dealt with.', seconds(last.at))]),
  ]
}

const byReason = ([reason, count]: readonly [string, number]) => [{ reason }, count] as const

function ofSpools(spools: SpoolFigures): Metric[] {
  const places = isReceiver(spools)
    ? { incoming: spools.incoming, reject: spools.reject, held: spools.held }
    : { outgoing: spools.outgoing, failed: spools.failed }
  const { free } = spools
  return [
    gauge(
      'ssm_spool_messages',
      'Messages that lie in the spools.',
      Object.entries(places).map(([spool, n]) => [{ spool }, n]),
    ),
    ...(free === undefined ? [] : [one('ssm_spool_free_bytes', 'Bytes free on the file system of the spool.', free)]),
    ...(isReceiver(spools) ? [one('ssm_journal_bytes', 'Size of the journal.', spools.journal.bytes)] : []),
  ]
}

function ofTrust({
  certificates,
  crls,
  outdated,
  nextUpdate,
  read,
  dns,
  failed,
}: NonNullable<Status['trust']>): Metric[] {
  return [
    one('ssm_trust_ca_certificates', 'Certificates of the CA directory.', certificates),
    one('ssm_trust_crls', 'CRLs of the CA directory.', crls),
    one('ssm_trust_outdated_crls', 'CAs whose newest CRL is outdated.', outdated),
    ...(nextUpdate === undefined
      ? []
      : [one('ssm_trust_next_crl_end_timestamp_seconds', 'When the next CRL will be outdated.', seconds(nextUpdate))]),
    one('ssm_trust_read_timestamp_seconds', 'When the CA directory was last read.', seconds(read)),
    one('ssm_trust_dns', 'Lines of the DN list.', dns),
    one(
      'ssm_trust_old',
      '1: the CA directory or the DN list cannot be read again, old data stay in use.',
      failed === undefined ? 0 : 1,
    ),
  ]
}

async function textOf(metrics: readonly Metric[]): Promise<string> {
  const { Counter, Gauge, Registry } = await import('prom-client')
  const registry: Registry = new Registry()
  for (const { name, help, kind, values } of metrics) {
    const options = { name, help, labelNames: Object.keys(values[0]?.[0] ?? {}), registers: [registry] }
    // Both are set once: the library's counters begin at 0 and only grow.
    if (kind === 'counter') {
      const made = new Counter(options)
      for (const [labels, value] of values) made.inc(labels, value)
    } else {
      const made = new Gauge(options)
      for (const [labels, value] of values) made.set(labels, value)
    }
  }
  return await registry.metrics()
}
