/** What a child process costs, looked up in /proc while it runs. */
import { readFileSync } from 'node:fs'
import type { Running } from '../kit/site.js'

/** Clock ticks of /proc are 1/100 s on every Linux of today. */
const TICK_MS = 10

/** Follows a child's CPU (ms) and peak resident memory (MB) through /proc until it ends. */
export function meter(running: Running, every = 20): () => { readonly cpu: number; readonly rss: number } {
  const pid = running.child.pid ?? 0
  let last = { cpu: 0, rss: 0 }
  const look = (): void => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
      const status = readFileSync(`/proc/${pid}/status`, 'latin1')
      const rss = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
      if (rss > 0) last = { cpu: (Number(fields[11]) + Number(fields[12])) * TICK_MS, rss }
    } catch {
      // It has ended: what was seen last counts.
    }
  }
  const timer = setInterval(look, every)
  void running.ended.finally(() => {
    clearInterval(timer)
  })
  return () => {
    look()
    return last
  }
}
