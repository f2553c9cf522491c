/** The status of a program as lines for people. */
import { createPaint } from '../colour.js'
import { OUTCOMES, type Outcome } from '../../observe/tally.js'
import { PRINTABLE_LIMITS, printable } from '../../observe/printable.js'
import type { ReceiverFigures, SenderFigures } from '../../spool/figures.js'
import type { TrustFigures } from '../receiver-trust.js'
import { isAnswer, isHealthy, type Seen } from './look.js'
import { NO_REASON } from './refused.js'
import type { SpoolFigures, Status } from './status.js'
import { bytes, clockTime, distance, grouped, some } from './words.js'

export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  stored: 'stored',
  rejected: 'rejected',
  held: 'held',
  again: 'came again',
  dropped: 'dropped (banned)',
  sent: 'sent',
  setAside: 'set aside',
}

/** Signers that are named; the rest is in `--json`. */
const TOP_SIGNERS = 5

/** `colour`: the first word of the state in green or red. */
export function renderSeen(seen: Seen, colour: boolean): string {
  const state = createPaint(colour)(isHealthy(seen) ? 'good' : 'wrong', stateOf(seen))
  const lines = isAnswer(seen) ? linesOf(seen) : [...spoolLines(seen.spools), ...refusedLine(seen), ...heldLines(seen)]
  return `${[`${seen.program}: ${state}`, ...lines].join('\n')}\n`
}

function stateOf(seen: Seen): string {
  if (!seen.running) return `not running (${printable(seen.path)})`
  const since = seen.since === undefined ? '' : ` since ${clockTime(seen.since)} (${distance(seen.since, seen.now)})`
  const who = `running, pid ${seen.pid ?? 'unknown'}${since}`
  return isAnswer(seen) ? who : `${who}, and does not answer at its status socket: its log says why`
}

function linesOf(status: Status): string[] {
  return [
    linkLine(status),
    '',
    ...countLines(status),
    '',
    ...lastLine(status),
    ...(status.spools === undefined ? [`spools: ${status.spoolsFailed ?? 'unknown'}`] : spoolLines(status.spools)),
    ...reasonLine(status),
    ...heldLines(status),
    ...(status.trust === undefined ? [] : trustLines(status.trust, status.now)),
    ...signerLines(status),
  ]
}

function linkLine({ link, now, health }: Status): string {
  const since = `since ${clockTime(link.since)} (${distance(link.since, now)})`
  if (link.state !== 'connected') return `${printable(health.words, PRINTABLE_LIMITS.sentence)}, ${since}`
  const how = link.listens === true ? 'listening on' : 'connected to'
  return link.peer === undefined ? `connected ${since}` : `${how} ${link.peer} ${since}`
}

function countLines({ program, counts, minutes }: Status): string[] {
  const rows = OUTCOMES[program].map((outcome) => {
    const each = minutes[outcome] ?? []
    const hour = each.reduce((sum, count) => sum + count, 0)
    return [
      OUTCOME_WORDS[outcome],
      ...[each.at(-1) ?? 0, hour, counts[outcome] ?? 0].map((count) => grouped(count, ' ')),
    ]
  })
  const table = [['', 'last minute', 'last hour', 'since start'], ...rows]
  return table.map(([name = '', ...cells]) => `${name.padEnd(16)}${cells.map((cell) => cell.padStart(13)).join('')}`)
}

function lastLine({ last, now }: Status): string[] {
  if (last === undefined) return ['last message: none yet']
  const from = last.signer === undefined ? '' : `, from ${last.signer}`
  const name = last.name === undefined || last.name === '' ? '' : ` as ${last.name}`
  return [`last message: ${last.id} ${OUTCOME_WORDS[last.outcome]}${name} ${distance(last.at, now)}${from}`]
}

function spoolLines(spools: SpoolFigures): string[] {
  const free = spools.free === undefined ? '' : `; ${bytes(spools.free)} free`
  if (isReceiver(spools)) {
    const { incoming, reject, held, journal } = spools
    return [
      `spools: incoming ${incoming}, reject ${reject}, held ${held}${free}`,
      `journal: ${some(journal.files, 'file')}, ${bytes(journal.bytes)}`,
    ]
  }
  return [`spools: outgoing ${spools.outgoing}, set aside ${spools.failed}${free}`]
}

export function isReceiver(spools: ReceiverFigures | SenderFigures): spools is ReceiverFigures {
  return 'incoming' in spools
}

function reasonLine({ reasons }: Status): string[] {
  const text = reasonText(reasons)
  return text === '' ? [] : [`reasons: ${text}`]
}

/** Of what lies there: what was refused since the start, only a program that runs could tell. */
function refusedLine({ spools, refused }: Exclude<Seen, Status>): string[] {
  if (refused === undefined) return []
  const what = isReceiver(spools) ? 'reject' : 'set aside'
  const cut = refused.looked < refused.of ? ` (the newest ${refused.looked} of ${refused.of})` : ''
  return [`${what} by reason${cut}: ${reasonText(refused.reasons)}`]
}

/** Why messages wait for fresh trust data, and for how long they may. */
function heldLines({ held, now }: Pick<Seen, 'now' | 'held'>): string[] {
  if (held === undefined) return []
  const cut = held.looked < held.of ? ` (the oldest ${held.looked} of ${held.of})` : ''
  const time = (at: string): string => `${clockTime(at)} (${distance(at, now)})`
  const since = held.since === undefined ? '' : `, the first since ${time(held.since)}`
  const until = held.until === undefined ? '' : `, kept until ${time(held.until)}`
  const groups = held.groups.map(({ ca, reason, count, since: from }) => {
    const waits = from === undefined ? '' : ` (since ${distance(from, now)})`
    return `  ${grouped(count, ' ').padStart(9)}  ${reason === NO_REASON ? 'without a reason' : reason}, ${ca === '' ? 'no CA named' : ca}${waits}`
  })
  return [`held by CA and reason${cut}${since}${until}:`, ...groups]
}

function reasonText(reasons: Readonly<Record<string, number>>): string {
  const most = Object.entries(reasons).sort(([, a], [, b]) => b - a)
  return most.map(([reason, count]) => `${reason === NO_REASON ? 'without one' : reason} ${count}`).join(', ')
}

function trustLines(
  { certificates, crls, outdated, nextUpdate, read, dns, failed }: TrustFigures,
  now: string,
): string[] {
  const next = nextUpdate === undefined ? '' : `, the next ends ${distance(nextUpdate, now)}`
  const old = outdated === 0 ? 'none outdated' : `${outdated} OUTDATED`
  return [
    `trust: ${some(certificates, 'certificate')}, ${some(crls, 'CRL')} (${old}${next}), ${some(dns, 'DN')}; read ${distance(read, now)}`,
    ...(failed === undefined ? [] : [`trust: what was read before stays in use: ${failed}`]),
  ]
}

function signerLines({ signers, otherSigners, now }: Status): string[] {
  if (signers.length === 0) return []
  const most = [...signers].sort((a, b) => b.stored + b.refused - (a.stored + a.refused))
  const shown = most.slice(0, TOP_SIGNERS).map(({ signer, stored, refused, last }) => {
    const no = refused === 0 ? '' : `, ${refused} refused`
    return `  ${grouped(stored, ' ').padStart(9)}  ${signer}${no} (${distance(last, now)})`
  })
  const rest = signers.length - shown.length
  const more = rest === 0 ? [] : [`  and ${rest} more`]
  const others = otherSigners === 0 ? [] : [`  and ${otherSigners} messages of others`]
  return [`signers: ${signers.length}`, ...shown, ...more, ...others]
}
