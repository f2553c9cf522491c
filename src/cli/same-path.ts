/** A directory that is named on the command line, and the path of a configuration: are they one? */
import { realpathSync } from 'node:fs'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'

/** One that is not there is compared by its name. */
export function isSamePath(one: string, other: string): boolean {
  return realOf(one) === realOf(other)
}

/** Throws SsmError `usage` unless the directory is the path that this configuration file names. */
export function assertPathOf(file: string, path: string, dir: string): void {
  if (isSamePath(dir, path)) return
  throw new SsmError('usage', `${printable(dir)} is not the path of ${printable(file)}, which is ${printable(path)}`)
}

function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // not there, or not for us to see: whoever works with it says so
  }
}
