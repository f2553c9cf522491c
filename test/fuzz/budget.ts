/**
 * How long anything is fuzzed, and with what luck: `FUZZ_SECONDS` for each target (`npm run fuzz`: 600), without it a fixed number
 * of rounds; `FUZZ_SEED` repeats a run.
 */
const number = (name: string, standard: number): number => {
  const value = Number(process.env[name] ?? standard)
  if (!Number.isFinite(value)) throw new Error(`${name} must be a number`)
  return value
}

/** 0: the short run. */
export const FUZZ_SECONDS = number('FUZZ_SECONDS', 0)

/** The same in every short run, another in each long one. */
export const FUZZ_SEED = number('FUZZ_SEED', FUZZ_SECONDS > 0 ? Date.now() % 2 ** 31 : 1)
