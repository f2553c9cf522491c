/** Answers that many ask for and that take work. */
import type { Clock } from '../../os/clock.js'

/** An answer is good for `fresh` ms, and for so many times as long as making it took: nobody can keep us making answers. */
const RATIO = 20

/** One look at a time, and not all the time. */
export function remembered<T>(
  look: () => Promise<T>,
  clock: Pick<Clock, 'monotonic'>,
  fresh: number,
): () => Promise<T> {
  let known: { readonly value: T; readonly until: number } | undefined
  let looking: Promise<T> | undefined
  const again = async (): Promise<T> => {
    const since = clock.monotonic()
    const value = await look()
    const took = clock.monotonic() - since
    known = { value, until: since + took + Math.max(fresh, RATIO * took) }
    return value
  }
  return () => {
    if (known !== undefined && clock.monotonic() < known.until) return Promise.resolve(known.value)
    looking ??= again().finally(() => (looking = undefined))
    return looking
  }
}
