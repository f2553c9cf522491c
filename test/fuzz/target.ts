/**
 * What is fuzzed, and how long. A target takes any bytes and throws for what must never happen; bytes for which it did are
 * written to test/vectors/crashes/TARGET and are tried at the beginning of every run, for ever.
 *
 * Short by default. `FUZZ_SECONDS=600` gives every target ten minutes (`npm run fuzz`), `FUZZ_SEED=N` other luck.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FUZZ_SECONDS, FUZZ_SEED } from './budget.js'
import { createChance, type Chance } from './random.js'

export interface Target {
  readonly name: string
  /** In the short run. */
  readonly rounds: number
  /** The next input. */
  make(chance: Chance): Buffer | Promise<Buffer>
  /** Throws when something happens that must not. */
  run(input: Buffer): unknown
}

const crashes = join(import.meta.dirname, '..', '..', '..', 'test', 'vectors', 'crashes')

/** Declares the tests of a target. */
export function fuzz(target: Target): void {
  const folder = join(crashes, target.name)
  for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
    test(`${target.name}: ${name}`, async () => {
      await target.run(readFileSync(join(folder, name)))
    })
  }
  test(`${target.name}: at random`, async (t) => {
    const [seconds, seed] = [FUZZ_SECONDS, FUZZ_SEED]
    const chance = createChance(seed)
    const end = Date.now() + seconds * 1000
    let slowest = 0
    let rounds = 0
    for (; seconds > 0 ? Date.now() < end : rounds < target.rounds; rounds++) {
      const input = await target.make(chance)
      const start = performance.now()
      try {
        await target.run(input)
      } catch (cause) {
        const place = keep(folder, input)
        throw new Error(`seed ${seed}, round ${rounds}, kept as ${place}: ${String(cause)}`, { cause })
      }
      slowest = Math.max(slowest, performance.now() - start)
    }
    const memory = Math.round(process.memoryUsage().rss / 2 ** 20)
    t.diagnostic(
      `${target.name}: ${rounds} inputs of seed ${seed}, the slowest ${slowest.toFixed(1)} ms, ${memory} MiB`,
    )
  })
}

function keep(folder: string, input: Buffer): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 16))
  writeFileSync(file, input)
  return file
}
