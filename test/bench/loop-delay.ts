/**
 * Preloaded into a program (`--import`): notes each time the event loop did not turn for over 10 ms, and writes them as JSON to
 * the file SSM_BENCH_LOOP names when the process ends. `at` is the end of the pause, ms since the epoch.
 */
import { writeFileSync } from 'node:fs'

const file = process.env.SSM_BENCH_LOOP
const pauses: { readonly at: number; readonly ms: number }[] = []
let before = performance.now()
setInterval(() => {
  const now = performance.now()
  if (now - before > 10) pauses.push({ at: Date.now(), ms: now - before })
  before = now
}, 1).unref()
process.on('exit', () => {
  if (file !== undefined) writeFileSync(file, JSON.stringify(pauses))
})
