/**
 * Messages a minute over the last hour, as bars in SVG. The drawing is stretched to the width there is; its labels are text of
 * the page beside it, so that they are legible on every screen.
 */
import type { Outcome, TallyView } from '../../observe/tally.js'
import { OUTCOME_WORDS } from '../status/render.js'
import { grouped } from '../status/words.js'
import { html, type Html } from './html.js'

/** Units of the drawing. */
const HEIGHT = 100
const BAR = 10
const GAP = 2
const SHOWN: readonly Outcome[] = ['stored', 'sent', 'held', 'rejected', 'setAside']

export function renderChart(minutes: TallyView['minutes']): Html {
  const series = SHOWN.flatMap((outcome) => {
    const counts = minutes[outcome]
    return counts === undefined ? [] : [{ outcome, counts }]
  })
  const length = series[0]?.counts.length ?? 0
  const sums = Array.from({ length }, (_, at) => series.reduce((sum, { counts }) => sum + (counts[at] ?? 0), 0))
  const top = ceilingOf(Math.max(0, ...sums))
  const total = sums.reduce((sum, count) => sum + count, 0)
  const bars = sums.map((sum, at) => (sum === 0 ? '' : barOf(series, at, top, length)))
  const label = `Messages a minute over the last hour: ${total} in all, at most ${Math.max(0, ...sums)} a minute`
  return html`<figure class="chart">
    <figcaption>
      <h2>Messages a minute</h2>
      <ul class="legend">
        ${series.map(({ outcome }) => html`<li class="${outcome}">${OUTCOME_WORDS[outcome]}</li>`)}
      </ul>
    </figcaption>
    <div class="y"><span>${grouped(top)}</span><span>${grouped(top / 2)}</span><span>0</span></div>
    <div class="plot">
      <svg viewBox="0 0 ${length * BAR} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
        <path class="grid" d="M0 0H${length * BAR}M0 ${HEIGHT / 2}H${length * BAR}" />
        ${bars}
        <path class="axis" d="M0 ${HEIGHT}H${length * BAR}" />
      </svg>
      ${total === 0 ? html`<p class="empty">No messages in the last hour</p>` : ''}
    </div>
    <div class="x"><span>60 min ago</span><span>45</span><span>30</span><span>15</span><span>now</span></div>
  </figure>`
}

interface Series {
  readonly outcome: Outcome
  readonly counts: readonly number[]
}

function barOf(series: readonly Series[], at: number, top: number, length: number): Html {
  let y = HEIGHT
  const pieces = series.flatMap(({ outcome, counts }) => {
    const count = counts[at] ?? 0
    if (count === 0) return []
    // One message of thousands must still be seen.
    const height = Math.max(1, Math.round((count / top) * HEIGHT * 100) / 100)
    y = Math.max(0, y - height)
    return [
      html`<rect class="${outcome}" x="${at * BAR + GAP / 2}" y="${y}" width="${BAR - GAP}" height="${height}" />`,
    ]
  })
  const words = series.map(({ outcome, counts }) => `${counts[at] ?? 0} ${OUTCOME_WORDS[outcome]}`).join(', ')
  const ago = length - 1 - at
  return html`<g><title>${ago === 0 ? 'the last minute' : `${ago} min ago`}: ${words}</title>${pieces}</g>`
}

/** The next 2, 4, 6 or 10 with noughts: half of it is whole. */
export function ceilingOf(most: number): number {
  for (let unit = 1; ; unit *= 10) {
    for (const step of [2, 4, 6, 10]) if (most <= step * unit) return step * unit
  }
}
