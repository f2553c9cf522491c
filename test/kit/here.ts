/**
 * The programs in this process: the same code from configuration to exit code, with a `process` of ours. Thousands of
 * short runs fit into the time that a few hundred real ones take; waits are shortened.
 */
import { EventEmitter } from 'node:events'
import { rmSync } from 'node:fs'
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
  const stream = { isTTY: false, write: (text: string) => (output += text), on: () => undefined }
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
      // It may not listen yet: the signal waits for it.
      const tell = (): void => {
        clearInterval(timer)
        if (program.listenerCount('SIGTERM') > 0) program.emit('SIGTERM', 'SIGTERM')
        else timer = setInterval(tell, 5)
      }
      let timer: NodeJS.Timeout | undefined
      tell()
      void ended.finally(() => {
        clearInterval(timer)
      })
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

/** Far more than any fault here lasts. */
const RUNS = 1000

/** Sends until nothing is left, as cron does. */
export async function sendHere(site: Site, left: () => number): Promise<void> {
  for (let run = 0; left() > 0; run += 1) {
    const exit = await runHere(site, 'ssmsend').ended
    if (run > RUNS) throw new Error(`exit ${exit}, ${left()} messages are left: ${site.log('ssmsend').slice(-2000)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
