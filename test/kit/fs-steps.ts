/**
 * Sees every change a program makes to the files below a folder, and may stop it there. The programs have no test hooks:
 * the functions of `node:fs` themselves are exchanged, for all that imported them before or import them later.
 *
 * A step is one call. `before` may throw (the call fails with that error, nothing is done) or make a write shorter;
 * `after` runs when it is done. Steps are counted in the order of their calls.
 */
import type * as nodeFs from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'

export interface Step {
  /** Of all steps below the folder, from 1. */
  readonly n: number
  /** The operation, as the system calls it: `open` creates a file, `rename`, `link`, `unlink`, `write`, `fsync`, … */
  readonly operation: string
  /** The (first) path, absolute. */
  readonly path: string
  /** The second path of a link or rename. */
  readonly to?: string
  /** Operation and path below the folder without what differs from run to run: `rename temporary/ELEMENT.PID.ssm`. */
  readonly shape: string
  /** What a write writes. */
  readonly bytes?: Uint8Array
  readonly fd?: number
}

export interface Watcher {
  before?(step: Step): void
  /** At most so many bytes of a write; default all. */
  room?(step: Step): number
  /** `done`: it succeeded; with `result` for what opens a file: its descriptor. */
  after?(step: Step, done: boolean, result?: unknown): void
}

/** The functions as they were. */
export const realFs: typeof nodeFs = { ...(createRequire(import.meta.url)('node:fs') as typeof nodeFs) }

// The casts: functions are exchanged by name here, with whatever arguments they take.
type AnyFunction = (...args: unknown[]) => unknown
const fs = createRequire(import.meta.url)('node:fs') as Record<string, AnyFunction>
const real = realFs as unknown as Record<string, AnyFunction>

interface Kind {
  readonly operation: string
  /** Which argument is the path, or the descriptor. */
  readonly by: 'path' | 'fd'
  readonly two?: true
}

const BY_PATH: Kind = { operation: '', by: 'path' }
const BY_FD: Kind = { operation: '', by: 'fd' }

/** What changes something, or makes it durable. Each has a form that waits (`…Sync`) and one with a callback. */
const KINDS: Readonly<Record<string, Kind>> = {
  open: { ...BY_PATH, operation: 'open' },
  mkdir: { ...BY_PATH, operation: 'mkdir' },
  rmdir: { ...BY_PATH, operation: 'rmdir' },
  unlink: { ...BY_PATH, operation: 'unlink' },
  link: { ...BY_PATH, operation: 'link', two: true },
  rename: { ...BY_PATH, operation: 'rename', two: true },
  lutimes: { ...BY_PATH, operation: 'touch' },
  utimes: { ...BY_PATH, operation: 'touch' },
  write: { ...BY_FD, operation: 'write' },
  fsync: { ...BY_FD, operation: 'fsync' },
  fdatasync: { ...BY_FD, operation: 'fsync' },
  ftruncate: { ...BY_FD, operation: 'truncate' },
}

const DIFFERENT: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{14}\b/g, 'ELEMENT'],
  [/\b\d+-[0-9a-f]{12}\b/g, 'RUN'],
  [/\b[0-9a-f]{8}\b/g, 'FOLDER'],
  [/\d{4}-?\d\d-?\d\d/g, 'DATE'],
  [/\d{2,}/g, 'N'],
]

/** Watches what happens below `folder`. One watcher at a time; returns the function that ends it. */
export function watchSteps(folder: string, watcher: Watcher): () => void {
  const paths = new Map<number, string>()
  current = { folder: `${folder}/`, watcher, paths, n: 0, paused: false }
  const shared = current
  for (const [name, kind] of Object.entries(KINDS)) {
    fs[name] = withCallback(shared, kind, real[name]!)
    fs[`${name}Sync`] = waiting(shared, kind, real[`${name}Sync`]!)
  }
  syncBuiltinESMExports()
  return () => {
    current = undefined
    for (const name of Object.keys(KINDS)) {
      fs[name] = real[name]!
      fs[`${name}Sync`] = real[`${name}Sync`]!
    }
    syncBuiltinESMExports()
  }
}

interface Shared {
  readonly folder: string
  readonly watcher: Watcher
  readonly paths: Map<number, string>
  n: number
  /** A watcher works on files itself. */
  paused: boolean
}

let current: Shared | undefined

/** Does something to the files below the folder that is no step. It must not wait. */
export function unwatched<T>(work: () => T): T {
  if (current === undefined) return work()
  const shared = current
  shared.paused = true
  try {
    return work()
  } finally {
    shared.paused = false
  }
}

const CREATES = realFs.constants.O_CREAT

function textOf(path: unknown): string {
  return typeof path === 'string' ? path : Buffer.isBuffer(path) ? path.toString('utf8') : ''
}

/** undefined: not below the folder, or it changes nothing. */
function stepOf(shared: Shared, kind: Kind, args: readonly unknown[]): Step | undefined {
  if (shared.paused) return undefined
  const fd = kind.by === 'fd' ? (args[0] as number) : undefined
  const path = fd === undefined ? textOf(args[0]) : (shared.paths.get(fd) ?? '')
  const to = kind.two === true ? textOf(args[1]) : undefined
  if (!`${path}/`.startsWith(shared.folder)) return undefined
  if (kind.operation === 'open' && !(typeof args[1] === 'number' && (args[1] & CREATES) !== 0)) return undefined
  const below = `${path}/`.slice(shared.folder.length, -1)
  const shape = DIFFERENT.reduce((text, [pattern, by]) => text.replace(pattern, by), below)
  shared.n += 1
  return {
    n: shared.n,
    operation: kind.operation,
    path,
    shape: `${kind.operation} ${shape === '' ? '.' : shape}`,
    ...(to === undefined ? {} : { to }),
    ...(fd === undefined ? {} : { fd }),
    ...(kind.operation === 'write' ? { bytes: bytesOf(args) } : {}),
  }
}

/** `write` is called with a text, or with a buffer, its offset and its length. */
function bytesOf(args: readonly unknown[]): Uint8Array {
  const data = args[1]
  if (typeof data === 'string') return Buffer.from(data)
  const bytes = data as Uint8Array
  const offset = typeof args[2] === 'number' ? args[2] : 0
  return bytes.subarray(offset, typeof args[3] === 'number' ? offset + args[3] : undefined)
}

/** Asks the watcher; throws what it throws; the arguments to go on with. */
function ask(shared: Shared, step: Step, args: readonly unknown[]): readonly unknown[] {
  shared.paused = true
  try {
    shared.watcher.before?.(step)
    const room = step.bytes === undefined ? undefined : shared.watcher.room?.(step)
    if (room === undefined || step.bytes === undefined || room >= step.bytes.length) return args
    const rest = args.slice(typeof args[1] === 'string' ? 2 : 4)
    return [args[0], step.bytes, 0, room, ...rest]
  } finally {
    shared.paused = false
  }
}

function tell(shared: Shared, step: Step | undefined, done: boolean, result?: unknown): void {
  if (step === undefined) return
  shared.paused = true
  try {
    shared.watcher.after?.(step, done, result)
  } finally {
    shared.paused = false
  }
}

/** Descriptors get their paths also when nothing is created: directories are opened to be fsynced. */
function noteDescriptor(shared: Shared, kind: Kind, args: readonly unknown[], fd: unknown): void {
  if (kind.operation === 'open' && typeof fd === 'number') shared.paths.set(fd, textOf(args[0]))
}

function waiting(shared: Shared, kind: Kind, call: AnyFunction): AnyFunction {
  return (...args) => {
    const step = stepOf(shared, kind, args)
    const going = step === undefined ? args : ask(shared, step, args)
    let result: unknown
    try {
      result = call(...going)
    } catch (error) {
      tell(shared, step, false)
      throw error
    }
    noteDescriptor(shared, kind, args, result)
    tell(shared, step, true, result)
    return result
  }
}

function withCallback(shared: Shared, kind: Kind, call: AnyFunction): AnyFunction {
  return (...args) => {
    const callback = args.at(-1) as AnyFunction
    const step = stepOf(shared, kind, args)
    let going: readonly unknown[]
    try {
      going = step === undefined ? args : ask(shared, step, args)
    } catch (error) {
      setImmediate(callback, error)
      return
    }
    call(...going.slice(0, -1), (error: unknown, ...results: unknown[]) => {
      const done = error === null || error === undefined
      if (done) noteDescriptor(shared, kind, args, results[0])
      tell(shared, step, done, results[0])
      callback(error, ...results)
    })
  }
}
