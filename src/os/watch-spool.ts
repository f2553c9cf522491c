/**
 * Watching a spool, as a hint only, like watch.ts: a queue's top and its newest intermediate directories, or a plain directory.
 *
 * Not by chokidar: for each change it reads the directory anew and looks at every entry, at most once a second. A sender that
 * drained a queue with 4 000 elements waiting spent 60 % of its time on that, and with a backlog of an outage it would do
 * nothing else. Here one event of the system is one event.
 */
import { type FSWatcher, lstatSync, readdirSync, statSync, watch as watchDirectory } from 'node:fs'
import { SsmError, messageOf } from '../errors.js'
import { isSystem } from './disk-error.js'
import type { Watcher } from './watch.js'

export interface SpoolWatchOptions {
  /** Is it the name of an intermediate directory? undefined: there are none. */
  readonly isIntermediate?: (name: string) => boolean
  /** Names that are no reason to look. */
  readonly ignored?: (name: string) => boolean
  /** Trouble with watching (too many watches). Hints may be missing from then on; never throws into the caller. */
  readonly onTrouble?: (error: SsmError) => void
}

/** Between two hints, ms. */
const SHORTEST = 10
/** Producers add to the newest; the caller's own look now and then finds what happens in others. */
const NEWEST = 32
/** A directory that is missing, or was replaced, is tried again, ms. */
const AGAIN = 5000

interface Watched {
  readonly watcher: FSWatcher
  readonly identity: string
}

/** Starts watching; events are seen from now on. */
export function watchSpoolDirectory(path: string, onHint: () => void, options: SpoolWatchOptions = {}): Watcher {
  const { isIntermediate, ignored = () => false, onTrouble = () => undefined } = options
  const hint = createHint(onHint)
  const trigger = (): void => {
    hint.trigger()
  }
  const watchers = new Map<string, Watched>()

  function drop(directory: string): void {
    watchers.get(directory)?.watcher.close()
    watchers.delete(directory)
  }

  function add(directory: string, onName: (name: string) => void): void {
    const stats = statSync(directory, { throwIfNoEntry: false })
    // The watch of one that was replaced tells nothing any more. Inode numbers are given again at once, with another birth.
    const identity = stats === undefined ? undefined : `${stats.dev} ${stats.ino} ${stats.birthtimeMs}`
    if (watchers.get(directory)?.identity !== identity) drop(directory)
    if (identity === undefined || watchers.has(directory)) return
    const watcher = watchDirectory(directory, (_event, name) => {
      if (name !== null && !ignored(name)) onName(name)
    })
    watchers.set(directory, { watcher, identity })
    watcher.on('error', () => {
      drop(directory)
    })
  }

  function newest(): readonly string[] {
    if (isIntermediate === undefined || !watchers.has(path)) return []
    return readdirSync(path).filter(isIntermediate).sort().slice(-NEWEST)
  }

  /** Directories may have come, gone or been replaced. */
  function renew(): void {
    try {
      add(path, onTop)
      const wanted = new Set(newest().map((name) => `${path}/${name}`))
      for (const directory of watchers.keys()) if (directory !== path && !wanted.has(directory)) drop(directory)
      for (const directory of wanted) if (isRealDirectory(directory)) add(directory, trigger)
    } catch (error) {
      // Gone between two looks.
      if (isSystem(error, 'ENOENT', 'ENOTDIR')) return
      onTrouble(new SsmError('disk', `cannot watch ${path}: ${messageOf(error)}; it is looked at now and then instead`))
    }
  }

  function onTop(name: string): void {
    if (isIntermediate?.(name) === true) renew()
    trigger()
  }

  renew()
  const timer = setInterval(renew, AGAIN)
  timer.unref()
  return {
    close() {
      clearInterval(timer)
      hint.cancel()
      for (const directory of [...watchers.keys()]) drop(directory)
      return Promise.resolve()
    },
  }
}

/** No link that leads out of the spool is followed. */
function isRealDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** The first event is passed on in the same turn, those that follow at once are joined into one call. */
function createHint(onHint: () => void): { trigger(): void; cancel(): void } {
  let timer: NodeJS.Timeout | undefined
  let last = Number.NEGATIVE_INFINITY
  const fire = (): void => {
    clearTimeout(timer)
    timer = undefined
    last = performance.now()
    onHint()
  }
  return {
    trigger() {
      if (performance.now() - last >= SHORTEST) fire()
      else timer ??= setTimeout(fire, SHORTEST)
    },
    cancel() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}
