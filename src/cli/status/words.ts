/** Times, ages, numbers and sizes as people read them. */

const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
] as const

/** `3 min`: whole units, at least two of them. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  for (const [length, unit] of UNITS) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`
  return `${seconds} s`
}

/** `2026-11-26 01:20:11 UTC`, from ISO 8601. */
export function clockTime(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`
}

/** How long ago, or how long until then. */
export function distance(iso: string, now: string): string {
  const ms = Date.parse(now) - Date.parse(iso)
  return ms >= 0 ? `${span(ms)} ago` : `in ${span(-ms)}`
}

/** Thousands apart, by a narrow blank that does not break. */
export function grouped(count: number, gap = '\u202f'): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/gu, gap)
}

/** `1 file`, `2 files`. */
export function some(count: number, what: string): string {
  return `${grouped(count, ' ')} ${what}${count === 1 ? '' : 's'}`
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} bytes`
  return count < 1024 ** 2 ? `${Math.floor(count / 1024)} KiB` : `${grouped(Math.floor(count / 1024 ** 2), ' ')} MiB`
}
