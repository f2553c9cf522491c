/**
 * The programs in this process: the same code from configuration to exit code, with a `process` of ours. Thousands of
 * short runs fit into the time that a few hundred real ones take; waits are shortened.
 */
import { EventEmitter } from 'node:events'
import { rmSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { ssmreceive } from '../../src/cli/ssmreceive.js'
import { ssmsend } from '../../src/cli/ssmsend.js'
import type { Program } from '../../src/cli/program.js'
import type { Site } from './site.js'

export interface HereRun {
  /** The exit code. */
  readonly ended: Promise<number>
  /** As a signal would. */
  stop(): Promise<number>
  readonly output: () => string
}

type Name = 'ssmsend' | 'ssmreceive'

const RUN: Readonly<Record<Name, (program: Program) => Promise<number>>> = { ssmsend, ssmreceive }

export function runHere(site: Site, name: Name): HereRun {
  const events = new EventEmitter()
  let output = ''
  const stream = { isTTY: false, write: (text: string) => (output += text) }
  const args = name === 'ssmsend' ? ['-c', site.senderCfg] : ['-c', site.receiverCfg, '-d', site.dns, '--foreground']
  const program = Object.assign(events, {
    ...{ argv: [process.execPath, name, ...args], cwd: () => site.dir, chdir: () => undefined, env: {} },
    ...{ execArgv: [], execPath: process.execPath, connected: false, pid: process.pid, getuid: process.getuid },
    ...{ kill: process.kill.bind(process), stdout: stream, stderr: stream },
  })
  // The cast: what the programs use of a process is here.
  const ended = RUN[name](program as unknown as Program)
  return {
    ended,
    stop: () => {
      program.emit('SIGTERM', 'SIGTERM')
      return ended
    },
    output: () => output,
  }
}

/** A receiver that is started again when it ends by itself, as a service is. `stop` ends it in good order. */
export function serveHere(site: Site): { stop(): Promise<void> } {
  let run = runHere(site, 'ssmreceive')
  const stopped = new AbortController()
  const serving = (async () => {
    for (;;) {
      await run.ended
      if (stopped.signal.aborted) return
      // What a process that has ended would have left to the system.
      rmSync(join(site.spool, '.ssm', 'lock'), { recursive: true, force: true })
      await new Promise((resolve) => setTimeout(resolve, 10))
      run = runHere(site, 'ssmreceive')
    }
  })()
  return {
    async stop() {
      stopped.abort()
      await run.stop()
      await serving
    },
  }
}

/** Sends until nothing is left, as cron does, for at most a minute. */
export async function sendHere(site: Site, left: () => number): Promise<void> {
  const end = Date.now() + 60_000
  while (left() > 0) {
    const exit = await runHere(site, 'ssmsend').ended
    if (Date.now() > end)
      throw new Error(`exit ${exit}, ${left()} messages are left: ${site.log('ssmsend').slice(-2000)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

type Timers = Record<'setTimeout', (ms: number, value?: unknown, options?: object) => Promise<unknown>>

/** Waits of a tenth of a second and more pass `times` as fast, in everything that sleeps through `os/clock`. Returns the end of it. */
export function hurryWaits(times: number): () => void {
  const timers = createRequire(import.meta.url)('node:timers/promises') as Timers
  const real = timers.setTimeout
  timers.setTimeout = (ms, value, options) => real(ms >= 100 ? ms / times : ms, value, options)
  syncBuiltinESMExports()
  return () => {
    timers.setTimeout = real
    syncBuiltinESMExports()
  }
}
