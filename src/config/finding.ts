/**
 * What is wrong with a configuration, or odd about it: collected, so that a person sees everything at once.
 */

/** A place in a configuration file and a sentence about it. */
export interface Finding {
  readonly line?: number
  readonly section?: string
  readonly key?: string
  /** Says what is wrong and what to do. Holds no secret. */
  readonly text: string
}

/** Collects while a file is read and judged. */
export interface Findings {
  readonly warnings: Finding[]
  readonly problems: Finding[]
}

/** `FILE:12: [broker] port: 'abc' is not a number …` */
export function sentence(file: string, { line, section, key, text }: Finding): string {
  const place = line === undefined ? file : `${file}:${line}`
  const subject = section === undefined ? '' : key === undefined ? `[${section}]: ` : `[${section}] ${key}: `
  return `${place}: ${subject}${text}`
}

/** A value from the file, short and on one line, for a sentence. */
export function quoted(value: string): string {
  const short = value.length > 80 ? `${value.slice(0, 79)}…` : value
  return `'${short.replaceAll(/\p{C}/gu, '?')}'`
}

/** The nearest of `known` when it is near enough to be what was meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  if (word.length > 64) return undefined // no key is that long, and the comparison is quadratic
  for (const candidate of known) {
    const distance = editDistance(word, candidate)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const changed = at(above, j - 1) + (same ? 0 : 1)
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(before, j - 2) + 1 : Infinity
      row.push(Math.min(changed, swapped, at(above, j) + 1, at(row, j - 1) + 1))
    }
    before = above
    above = row
  }
  return at(above, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity
}
