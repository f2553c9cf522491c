/** A directory that is named on the command line, and the path of a configuration: are they one? */
import { realpathSync } from 'node:fs'

/** One that is not there is compared by its name. */
export function isSamePath(one: string, other: string): boolean {
  return realOf(one) === realOf(other)
}

function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // not there, or not for us to see: whoever works with it says so
  }
}
