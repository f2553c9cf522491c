/**
 * The DN file on disk: read with limits, and followed while a receiver runs.
 */
import { readFile, stat } from 'node:fs/promises'
import { SsmError, systemCode } from '../errors.js'
import type { Dn } from '../message.js'
import { systemWords } from '../os/disk-error.js'
import { parseDnList, type DnListOptions, type ParsedDnList } from './dn-list.js'
import type { DnList } from './port.js'

/** Largest list, bytes. */
const MAX_FILE = 16 * 1024 * 1024
const LINE_EACH = 'a line for each sender, like /C=UK/O=Site/CN=host'
/** So long the last good list stays in force while the file cannot be read, ms. */
const KEEP = 3_600_000

/** Reads a list file. Throws SsmError `configuration` when it cannot be read, or holds no valid line and not `# none`. */
export async function loadDnList(file: string, options: DnListOptions = {}): Promise<ParsedDnList> {
  const parsed = parseDnList(await readList(file), options)
  if (parsed.list.size > 0 || parsed.none) return parsed
  const bad = parsed.warnings.length === 0 ? '' : ` (${parsed.warnings.length} lines in incorrect format)`
  throw new SsmError('configuration', `the DN list ${file} holds no DN${bad}: add ${LINE_EACH}, or the line # none`)
}

async function readList(file: string): Promise<string> {
  try {
    // stat before open: opening a named pipe would wait for ever.
    const info = await stat(file)
    if (!info.isFile()) throw new SsmError('configuration', `the DN list ${file} is not a regular file`)
    if (info.size > MAX_FILE)
      throw new SsmError('configuration', `the DN list ${file} is larger than ${MAX_FILE} bytes`)
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof SsmError) throw cause
    const why =
      systemCode(cause) === 'ENOENT'
        ? `does not exist: is the name right? Else make it with ${LINE_EACH}`
        : `cannot be read: ${systemWords(cause)}`
    throw new SsmError('configuration', `the DN list ${file} ${why}`, { cause })
  }
}

/** A list that follows its file. `standing` throws SsmError `no-trust` when the file has been bad for over an hour. */
export interface DnListHolder extends DnList {
  /**
   * Reads the file again. A list that cannot be read or is empty leaves the old one in force, for an hour at most, and is
   * told as `failed`. Never throws.
   */
  reload(): Promise<{ readonly warnings: readonly string[]; readonly failed?: SsmError }>
}

export interface DnListHolderOptions extends DnListOptions {
  readonly clock: { now(): number }
}

/** Loads the list and keeps the last good one. Throws SsmError `configuration` when there is none to begin with. */
export async function createDnListHolder(
  file: string,
  options: DnListHolderOptions,
): Promise<{ readonly holder: DnListHolder; readonly warnings: readonly string[] }> {
  const first = await loadDnList(file, options)
  let current = first.list
  let good = options.clock.now()
  let trouble: SsmError | undefined
  const holder: DnListHolder = {
    get size() {
      return current.size
    },
    standing(dn: Dn, issuer: Dn) {
      if (trouble !== undefined && options.clock.now() - good > KEEP) {
        throw new SsmError('no-trust', `for over an hour: ${trouble.message}`, { cause: trouble })
      }
      return current.standing(dn, issuer)
    },
    async reload() {
      try {
        const { list, warnings } = await loadDnList(file, options)
        current = list
        good = options.clock.now()
        trouble = undefined
        return { warnings }
      } catch (error) {
        if (!(error instanceof SsmError)) throw error
        trouble = error
        return { warnings: [], failed: error }
      }
    },
  }
  return { holder, warnings: first.warnings }
}
