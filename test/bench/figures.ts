/** Figures of a benchmark: what was measured, its medians, and how they are shown. */

export interface Figure {
  readonly what: string
  /** Per second. */
  readonly rate: number
  /** CPU of our process per message, ms. */
  readonly cpu?: number
  /** Peak resident memory, MB. */
  readonly rss?: number
  /** How many times the Python program's figure of the same run. */
  readonly times?: number
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

/** Of several rounds of the same figures, each figure's median round. */
export function middleOf(rounds: readonly (readonly Figure[])[]): Figure[] {
  const [first = []] = rounds
  return first.map((figure, index) => {
    const all = rounds.map((round) => round[index] ?? figure)
    const rate = median(all.map((each) => each.rate))
    return all.find((each) => each.rate === rate) ?? figure
  })
}

const HEAD = ['1/s', 'of sign', 'ms CPU', 'MB RSS', 'x Python'] as const

/** The column "of sign" is the ratio to the first figure, one core's RSA signatures. */
function cellsOf({ rate, cpu, rss, times }: Figure, limit: number): readonly string[] {
  return [
    rate.toFixed(rate < 100 ? 1 : 0),
    `${((rate / limit) * 100).toFixed(0)} %`,
    cpu?.toFixed(cpu < 10 ? 2 : 0) ?? '',
    rss?.toFixed(0) ?? '',
    times?.toFixed(1) ?? '',
  ]
}

/** For a terminal. */
export function tableOf(figures: readonly Figure[]): string {
  const limit = figures[0]?.rate ?? NaN
  const width = Math.max(...figures.map(({ what }) => what.length)) + 2
  const line = (what: string, cells: readonly string[]): string =>
    [what.padEnd(width), ...cells.map((cell) => cell.padStart(8))].join(' ').trimEnd()
  const rows = figures.map((figure) => line(figure.what, cellsOf(figure, limit)))
  return `${[line('', HEAD), ...rows].join('\n')}\n`
}

/** For docs/performance.md, as prettier lays it out. */
export function markdownOf(title: string, figures: readonly Figure[]): string {
  const limit = figures[0]?.rate ?? NaN
  const rows = [['', ...HEAD], ...figures.map((figure) => [figure.what.trim(), ...cellsOf(figure, limit)])]
  const widths = rows.reduce(
    (most: readonly number[], row) => row.map((cell, at) => Math.max(most[at] ?? 3, cell.length)),
    [],
  )
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`
  const [head = [], ...body] = rows
  const rule = widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return `${title}\n\n${[line(head), line(rule), ...body.map(line)].join('\n')}\n`
}
