/**
 * Watching a directory whose files change in bursts (CAs), as a hint only: an event may be late, doubled or missing, and the
 * caller looks now and then anyway. What is worth knowing is that something happened, so one call without arguments is all there is.
 */
import { SsmError, messageOf } from '../errors.js'

export interface WatchOptions {
  /** Quiet time before the hint, ms. */
  readonly debounce: number
  /** Trouble with watching (too many watches). Hints may be missing from then on; never throws into the caller. */
  readonly onTrouble?: (error: SsmError) => void
}

export interface Watcher {
  close(): Promise<void>
}

/** For a CA directory: one hint when an update of many files has settled. */
export const CA_DIRECTORY: WatchOptions = { debounce: 2000 }

/** Starts watching; resolves when events will be seen. A directory that is missing is watched for. Loads chokidar on first use. */
export async function watch(path: string, onHint: () => void, options: WatchOptions): Promise<Watcher> {
  const { watch: start } = await import('chokidar')
  let timer: NodeJS.Timeout | undefined
  const trigger = (): void => {
    clearTimeout(timer)
    timer = setTimeout(onHint, options.debounce)
  }
  const watcher = start(path, { depth: 0, followSymlinks: false, ignoreInitial: true, persistent: true })
  // `raw` comes for every name in a watched directory, also for what chokidar has no event of its own.
  watcher.on('raw', trigger)
  watcher.on('error', (error) => {
    options.onTrouble?.(
      new SsmError('disk', `cannot watch ${path}: ${messageOf(error)}; it is looked at now and then instead`),
    )
  })
  await new Promise<void>((resolve) => {
    watcher.once('ready', resolve)
    watcher.once('error', () => {
      resolve()
    })
  })
  // Only now: symbolic links that were there already are reported in spite of `ignoreInitial`.
  watcher.on('all', trigger)
  return {
    async close() {
      clearTimeout(timer)
      await watcher.close()
    },
  }
}
