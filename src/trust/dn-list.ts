/**
 * The list of allowed signers (the `dns` file): one DN a line in slash form, `#` comments, blank lines. Lines are read into
 * structured names and compared by their canonical keys, never as text: `/CN=a/CN=b` is two attributes, and a certificate
 * whose own value holds `/CN=` cannot pass for them.
 */
import { readFile, stat } from 'node:fs/promises'
import { isSlashAmbiguous, parseSlash } from '../crypto/name.js'
import { SsmError, systemCode } from '../errors.js'
import type { Dn } from '../message.js'
import type { DnList } from './port.js'

/** Largest list, bytes, and most lines. */
const MAX_FILE = 16 * 1024 * 1024
const MAX_LINES = 200_000
/** Longest line that is read as a DN, characters. */
const MAX_LINE = 4096
/** Warnings kept; the rest is counted. */
const MAX_WARNINGS = 100

export interface ParsedDnList {
  readonly list: DnList
  /** Lines that were skipped, as log lines: `DN in incorrect format: L`. */
  readonly warnings: readonly string[]
}

/** Reads the text of a list. It may turn out empty: `loadDnList` refuses that. Throws SsmError `limit`. */
export function parseDnList(text: string): ParsedDnList {
  const lines = text.split(/\r\n|\n|\r/)
  if (lines.length > MAX_LINES) throw new SsmError('limit', `the DN list has more than ${MAX_LINES} lines`)
  const keys = new Set<string>()
  const warnings: string[] = []
  for (const [index, raw] of lines.entries()) {
    // Editors put a byte order mark in front of the first line.
    const line = (index === 0 ? raw.replace(/^\ufeff/, '') : raw).trim()
    if (line === '' || line.startsWith('#')) continue
    const dn = line.length <= MAX_LINE ? parseSlash(line) : undefined
    if (dn === undefined) warnings.push(`DN in incorrect format: ${line.slice(0, 256)}`)
    else keys.add(dn.key)
  }
  const more = warnings.length - MAX_WARNINGS
  if (more > 0) warnings.splice(MAX_WARNINGS, more, `${more} more lines of the DN list are in incorrect format`)
  return { list: createDnList(keys), warnings }
}

/**
 * A list of canonical keys that came from slash lines. A value with `/TYPE=` inside, or an RDN of several attributes, has a
 * key that no slash line can produce: reading a line always splits there, and never joins.
 */
function createDnList(keys: ReadonlySet<string>): DnList {
  return { size: keys.size, allows: (dn) => keys.has(dn.key) }
}

/** Reads a list file. Throws SsmError `configuration` when it cannot be read or holds no valid line. */
export async function loadDnList(file: string): Promise<ParsedDnList> {
  const parsed = parseDnList(await readList(file))
  if (parsed.list.size > 0) return parsed
  const bad = parsed.warnings.length === 0 ? '' : ` (${parsed.warnings.length} lines in incorrect format)`
  throw new SsmError(
    'configuration',
    `the DN list ${file} holds no DN${bad}: add a line for each sender, like /C=UK/O=Site/CN=host`,
  )
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
    const code = systemCode(cause)
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code ?? 'unknown error'})`
    throw new SsmError('configuration', `the DN list ${file} ${why}`, { cause })
  }
}

/** A list that follows its file. */
export interface DnListHolder extends DnList {
  /**
   * Reads the file again. A list that cannot be read or is empty leaves the old one in force and is told as `failed`.
   * Never throws.
   */
  reload(): Promise<{ readonly warnings: readonly string[]; readonly failed?: SsmError }>
}

/** Loads the list and keeps the last good one. Throws SsmError `configuration` when there is none to begin with. */
export async function createDnListHolder(
  file: string,
): Promise<{ readonly holder: DnListHolder; readonly warnings: readonly string[] }> {
  const first = await loadDnList(file)
  let current = first.list
  const holder: DnListHolder = {
    get size() {
      return current.size
    },
    allows: (dn: Dn) => current.allows(dn),
    async reload() {
      try {
        const { list, warnings } = await loadDnList(file)
        current = list
        return { warnings }
      } catch (error) {
        if (!(error instanceof SsmError)) throw error
        return { warnings: [], failed: error }
      }
    },
  }
  return { holder, warnings: first.warnings }
}

/** Why a signer is not allowed, for the reject text: where the slash form is ambiguous, that is said. */
export function explainNotListed(dn: Dn): string {
  if (!isSlashAmbiguous(dn)) return dn.slash
  return `${dn.slash} (a value of this name holds "/TYPE=" or several values stand together: no slash line can allow it)`
}
