/**
 * A disk that fails where a test wants it to: `disk.fail('fsync', 'EIO')`, `disk.before('link', () => …)`. The name of the
 * operation and the path name the step.
 */
import { createDisk } from '../../src/os/disk.js'
import type { Disk, DiskPath } from '../../src/os/disk.js'

export type Operation = keyof Disk

/** Called before the operation; what it throws the operation throws. `path` is the first path, or '' for a descriptor. */
export type Hook = (path: string, operation: Operation) => void

export interface FaultyDisk extends Disk {
  /** Runs before each such operation until `reset`. */
  before(operation: Operation, hook: Hook): void
  /** Such operations fail with this code; `times` of them (default all) whose path matches. */
  fail(operation: Operation, code: string, options?: { readonly times?: number; readonly path?: RegExp }): void
  /** Writes take at most so many bytes. */
  shortWrites(bytes: number): void
  reset(): void
  /** How often each operation was called. */
  readonly calls: Map<Operation, number>
}

export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code })
}

const OPERATIONS: readonly Operation[] = [
  ...(['lstat', 'fstat', 'open', 'createFile', 'createDirectory', 'removeFile', 'close', 'read', 'write'] as const),
  ...([
    'append',
    'fsync',
    'truncate',
    'touch',
    'link',
    'rename',
    'unlink',
    'mkdir',
    'rmdir',
    'openDirectory',
    'free',
  ] as const),
]
const ASYNCHRONOUS: ReadonlySet<Operation> = new Set<Operation>([
  ...(['createDirectory', 'removeFile', 'read', 'write', 'fsync', 'free'] as const),
])

function pathOf(argument: unknown): string {
  return typeof argument === 'string' || Buffer.isBuffer(argument) ? (argument satisfies DiskPath).toString() : ''
}

/** Everything goes to the real disk unless told otherwise. */
export function createFaultyDisk(real: Disk = createDisk()): FaultyDisk {
  const hooks: { readonly operation: Operation; readonly hook: Hook }[] = []
  const calls = new Map<Operation, number>()
  let longest = Number.POSITIVE_INFINITY

  const wrap = (operation: Operation) => {
    // The cast: all operations are called through one door here; their own types stand on the outside.
    const inner = real[operation].bind(real) as (...args: unknown[]) => unknown
    return (...args: unknown[]): unknown => {
      calls.set(operation, (calls.get(operation) ?? 0) + 1)
      try {
        for (const each of hooks.filter((entry) => entry.operation === operation)) each.hook(pathOf(args[0]), operation)
      } catch (error) {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- hooks throw errors
        if (ASYNCHRONOUS.has(operation)) return Promise.reject(error)
        throw error
      }
      return inner(...args)
    }
  }
  const disk = Object.fromEntries(OPERATIONS.map((operation) => [operation, wrap(operation)])) as unknown as Disk
  return {
    ...disk,
    write: (fd, buffer, offset) =>
      disk.write(fd, buffer.subarray(0, Math.min(buffer.length, offset + longest)), offset),
    calls,
    before(operation, hook) {
      hooks.push({ operation, hook })
    },
    fail(operation, code, { times = Number.POSITIVE_INFINITY, path = /(?:)/ } = {}) {
      let left = times
      hooks.push({
        operation,
        hook: (at) => {
          if (!path.test(at) || left <= 0) return
          left -= 1
          throw systemError(code)
        },
      })
    },
    shortWrites(bytes) {
      longest = bytes
    },
    reset() {
      hooks.length = 0
      longest = Number.POSITIVE_INFINITY
    },
  }
}
