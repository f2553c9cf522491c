/**
 * Watching directories, as a hint only: an event may be late, doubled or missing, and the caller scans every few seconds anyway.
 * What is worth knowing is that something happened, so one call without arguments is all there is.
 */
import { basename, relative, sep } from 'node:path'
import { SsmError, messageOf } from '../errors.js'

export interface WatchOptions {
  /** Levels below the directory. Default 1: a queue and its intermediate directories. */
  readonly depth?: number
  /** Nothing below the directory is watched by itself, whatever its name: the directory reports it all the same. */
  readonly flat?: boolean
  /** Quiet time in ms before the hint, for things that change in bursts. Default 0: at once, then at most every 10 ms. */
  readonly debounce?: number
  /** Names below the directory that are neither watched nor reported. */
  readonly ignored?: (name: string) => boolean
  /** Trouble with watching (too many watches). Hints may be missing from then on; never throws into the caller. */
  readonly onTrouble?: (error: SsmError) => void
}

export interface Watcher {
  close(): Promise<void>
}

/** Elements of queues: watching each of 100 000 files cost 418 MB; their directory reports them all the same. */
const ELEMENT = /^[0-9a-f]{14}(\.|$)/
const SHORTEST = 10

/** For a CA directory: flat, and one hint when an update of many files has settled. */
export const CA_DIRECTORY: WatchOptions = { depth: 0, debounce: 2000 }

/** Starts watching; resolves when events will be seen. A directory that is missing is watched for. Loads chokidar on first use. */
export async function watch(path: string, onHint: () => void, options: WatchOptions = {}): Promise<Watcher> {
  const { watch: start } = await import('chokidar')
  const { depth = 1, flat = false, debounce = 0, ignored = () => false } = options
  const hint = createHint(onHint, debounce)
  const isIgnored = (file: string): boolean => {
    const below = relative(path, file)
    if (below === '' || below.startsWith('..')) return false
    return flat || ELEMENT.test(basename(file)) || below.split(sep).some(ignored)
  }
  const watcher = start(path, {
    depth,
    followSymlinks: false,
    ignoreInitial: true,
    persistent: true,
    ignored: isIgnored,
  })
  // `raw` comes for every name in a watched directory, the ignored ones included: that is the event we want.
  watcher.on('raw', (_event, name) => {
    if (typeof name !== 'string' || !ignored(name)) hint.trigger()
  })
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
  watcher.on('all', () => {
    hint.trigger()
  })
  return {
    async close() {
      hint.cancel()
      await watcher.close()
    },
  }
}

/** Joins many events into one call. Without a quiet time the first is passed on in the same turn. */
export function createHint(onHint: () => void, debounce: number): { trigger(): void; cancel(): void } {
  let timer: NodeJS.Timeout | undefined
  let last = Number.NEGATIVE_INFINITY
  const fire = (): void => {
    timer = undefined
    last = performance.now()
    onHint()
  }
  return {
    trigger() {
      if (debounce > 0) {
        clearTimeout(timer)
        timer = setTimeout(fire, debounce)
      } else if (performance.now() - last >= SHORTEST) {
        clearTimeout(timer)
        fire()
      } else timer ??= setTimeout(fire, SHORTEST)
    },
    cancel() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}
