/** The status page: for people who would rather look. Read-only, without scripts, without anything from elsewhere. */
import { REASONS, type Reason } from '../../message.js'
import { OUTCOMES, type SignerCount } from '../../observe/tally.js'
import { OUTCOME_WORDS, isReceiver } from '../status/render.js'
import type { Status } from '../status/status.js'
import { bytes, clockTime, distance, grouped, some } from '../status/words.js'
import { renderChart } from './chart.js'
import { html, type Html, type Part } from './html.js'

/** Seconds after which a browser asks again. */
const REFRESH = 30
/** Signers that are shown: those with most messages. All of them are in /metrics. */
const SHOWN_SIGNERS = 100

export function renderPage(status: Status): Html {
  const { program, version, pid, now, since } = status
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="refresh" content="${REFRESH}" />
        <title>${program}: ${status.health.ok ? 'running' : stateOf(status)}</title>
        <link rel="stylesheet" href="/style.css" />
      </head>
      <body>
        <header>
          <h1>${program} <span class="state ${status.health.ok ? 'good' : 'bad'}">${stateOf(status)}</span></h1>
          <p>${linkWords(status)}</p>
        </header>
        <main>
          ${tiles(status)} ${renderChart(status.minutes)}
          <div class="columns">${reasons(status)} ${state(status)}</div>
          ${program === 'ssmreceive' ? signers(status) : ''}
        </main>
        <footer>
          <p>
            Version ${version}, process ${pid}, counting since ${clockTime(since)} (${distance(since, now)}). As of
            ${clockTime(now)}; asked again every ${REFRESH} s. <a href="/metrics">Metrics</a>
          </p>
        </footer>
      </body>
    </html> `
}

function stateOf({ link }: Status): string {
  if (link.state === 'connected') return link.listens === true ? 'listening' : 'connected'
  if (link.state === 'connecting') return 'connecting'
  return link.paused ? 'paused' : 'not connected'
}

function linkWords({ link, now }: Status): Part {
  const since = `since ${clockTime(link.since)} (${distance(link.since, now)})`
  if (link.state === 'waiting') return html`<strong>${link.why}</strong>, ${since}`
  if (link.state === 'connecting' || link.peer === undefined) return since
  return html`${link.listens === true ? 'at' : 'to'} <strong>${link.peer}</strong> ${since}`
}

function tiles({ program, minutes, counts, spools, last, now }: Status): Html {
  const [first] = OUTCOMES[program]
  const each = minutes[first] ?? []
  const hour = each.reduce((sum, count) => sum + count, 0)
  const word = OUTCOME_WORDS[first]
  const waiting = spools === undefined ? [] : isReceiver(spools) ? spools.incoming : spools.outgoing
  const where = program === 'ssmreceive' ? 'in incoming' : 'waiting in outgoing'
  const tile = (value: Part, words: Part): Html => html`<li><b>${value}</b> <span>${words}</span></li>`
  return html`<ul class="tiles">
    ${tile(grouped(each.at(-1) ?? 0), `${word}, last minute`)} ${tile(grouped(hour), `${word}, last hour`)}
    ${tile(grouped(counts[first] ?? 0), `${word} since the start`)}
    ${typeof waiting === 'number' ? tile(grouped(waiting), where) : ''}
    ${tile(last === undefined ? '–' : distance(last.at, now), 'last message')}
  </ul>`
}

function row(name: Part, value: Part, kind = ''): Html {
  return html`<tr${kind === '' ? '' : html` class="${kind}"`}><th scope="row">${name}</th><td>${value}</td></tr>`
}

function reasons({ program, counts, reasons: counted }: Status): Html {
  const [, ...others] = OUTCOMES[program]
  const most = Object.entries(counted).sort(([, a], [, b]) => b - a)
  return html`<section>
    <h2>Not ${OUTCOME_WORDS[OUTCOMES[program][0]]}</h2>
    <table class="pairs">
      ${others.map((outcome) => row(OUTCOME_WORDS[outcome], grouped(counts[outcome] ?? 0), (counts[outcome] ?? 0) === 0 ? 'none' : ''))}
    </table>
    ${
      most.length === 0
        ? ''
        : html`<h3>Why</h3>
            <table class="pairs">
              ${most.map(([reason, count]) => row(html`${reason}<small>${wordsOf(reason)}</small>`, grouped(count)))}
            </table>`
    }
  </section>`
}

function wordsOf(reason: string): string {
  // Just looked up.
  return Object.hasOwn(REASONS, reason) ? REASONS[reason as Reason].words : ''
}

function state({ spools, spoolsFailed, trust, now }: Status): Html {
  const rows: Html[] = []
  if (spools === undefined) rows.push(row('spools', spoolsFailed ?? 'unknown', 'bad'))
  else if (isReceiver(spools)) {
    rows.push(row('incoming', grouped(spools.incoming)), row('reject', grouped(spools.reject)))
    rows.push(row('held', grouped(spools.held), spools.held > 0 ? 'warn' : ''))
    rows.push(row('journal', `${some(spools.journal.files, 'file')}, ${bytes(spools.journal.bytes)}`))
  } else {
    rows.push(row('outgoing', grouped(spools.outgoing)))
    rows.push(row('set aside', grouped(spools.failed), spools.failed > 0 ? 'warn' : ''))
  }
  if (spools?.free !== undefined) rows.push(row('free on the disk', bytes(spools.free)))
  return html`<section>
    <h2>Spools</h2>
    <table class="pairs">
      ${rows}
    </table>
    ${trust === undefined ? '' : trustTable(trust, now)}
  </section>`
}

function trustTable(trust: NonNullable<Status['trust']>, now: string): Html {
  const { certificates, crls, outdated, nextUpdate, read, dns, failed } = trust
  return html`<h2>Trust</h2>
    <table class="pairs">
      ${row('CA certificates', grouped(certificates))} ${row('CRLs', grouped(crls))}
      ${row('outdated CRLs', grouped(outdated), outdated > 0 ? 'warn' : '')}
      ${nextUpdate === undefined ? '' : row('next CRL ends', distance(nextUpdate, now))}
      ${row('allowed and banned DNs', grouped(dns))} ${row('CA directory read', distance(read, now))}
      ${failed === undefined ? '' : row('old data stay in use', failed, 'bad')}
    </table>`
}

function signers({ signers: all, otherSigners, now }: Status): Html {
  const most = [...all].sort((a, b) => b.stored + b.refused - (a.stored + a.refused)).slice(0, SHOWN_SIGNERS)
  const line = ({ signer, stored, refused, last }: SignerCount): Html =>
    html`<tr><th scope="row">${signer}</th><td>${grouped(stored)}</td><td${refused > 0 ? html` class="warn"` : ''}>${grouped(refused)}</td><td>${distance(last, now)}</td></tr>`
  const more = [
    ...(all.length > most.length ? [`${all.length - most.length} more signers are in the metrics.`] : []),
    ...(otherSigners > 0 ? [`${otherSigners} messages came from signers beyond those that are counted by name.`] : []),
  ]
  return html`<section>
    <h2>Signers</h2>
    ${
      most.length === 0
        ? html`<p class="empty">Nobody has sent anything since the start.</p>`
        : html`<div class="wide">
            <table class="signers">
              <thead>
                <tr>
                  <th scope="col">name</th>
                  <th scope="col">stored</th>
                  <th scope="col">refused</th>
                  <th scope="col">last seen</th>
                </tr>
              </thead>
              <tbody>
                ${most.map(line)}
              </tbody>
            </table>
          </div>`
    }
    ${more.map((words) => html`<p class="note">${words}</p>`)}
  </section>`
}
