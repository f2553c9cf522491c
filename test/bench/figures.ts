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

/** A table; the column "of sign" is the ratio to the first figure, one core's RSA signatures. */
export function tableOf(figures: readonly Figure[]): string {
  const limit = figures[0]?.rate ?? NaN
  const width = Math.max(...figures.map(({ what }) => what.length)) + 2
  const head = [' '.repeat(width), '     1/s', 'of sign', '  ms CPU', ' MB RSS', 'x Python']
  const rows = figures.map(({ what, rate, cpu, rss, times }) => [
    what.padEnd(width),
    rate.toFixed(rate < 100 ? 1 : 0).padStart(8),
    `${((rate / limit) * 100).toFixed(0)} %`.padStart(7),
    (cpu?.toFixed(cpu < 10 ? 2 : 0) ?? '').padStart(8),
    (rss?.toFixed(0) ?? '').padStart(7),
    (times?.toFixed(1) ?? '').padStart(8),
  ])
  return `${[head, ...rows].map((row) => row.join(' ').trimEnd()).join('\n')}\n`
}
