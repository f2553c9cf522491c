/** A bar for a person who starts `ssmsend` by hand on a full spool. Cron never sees it. */
import type { SendReport } from '../pipeline/send.js'

/** Fewer are sent before anybody could read it. */
const MANY = 200

export interface Progress extends Disposable {
  readonly at: (report: Readonly<SendReport>) => void
}

const NONE: Progress = {
  at: () => undefined,
  [Symbol.dispose]: () => undefined,
}

/**
 * Shown on `stream` (stderr) when that is a terminal, the log does not go to the console too, and there are many messages.
 * The library is loaded only then.
 */
export async function createProgress(total: number, console: boolean, stream: NodeJS.WriteStream): Promise<Progress> {
  if (console || !stream.isTTY || total < MANY) return NONE
  const { SingleBar } = await import('cli-progress')
  const bar = new SingleBar({
    stream,
    format: '{bar} {percentage}% | {value} of {total} | {eta_formatted} left',
    barCompleteChar: '#',
    barIncompleteChar: '.',
    barsize: 30,
    etaBuffer: 500,
    // Signals are ours: what is in flight is finished first.
    gracefulExit: false,
  })
  bar.start(total, 0)
  return {
    // More may come while we send: the bar then waits at its end.
    at: ({ sent, setAside, locked, left }) => {
      bar.update(Math.min(total, sent + setAside + locked + left))
    },
    [Symbol.dispose]: () => {
      bar.stop()
    },
  }
}
