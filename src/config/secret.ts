/** A secret in a file of its own: its first line. */
import { SsmError } from '../errors.js'
import { readSmallFile } from '../os/small-file.js'
import type { Findings } from './finding.js'
import type { Values } from './values.js'

const SECRET_BYTES = 4096

/** What the file named by this option holds; undefined: the option is not set, or there is a problem now. */
export function readSecret(
  values: Values,
  findings: Findings,
  file: string,
  section: string,
  key: string,
): string | undefined {
  const path = values.find('path', section, key)
  if (path === undefined) return undefined
  const line = values.lineOf(section, key)
  const place = { section, key, ...(line === undefined ? {} : { line }) }
  const problem = (text: string) => findings.problems.push({ ...place, text })
  try {
    const { bytes, worldReadable } = readSmallFile(path, SECRET_BYTES, `there is no file ${path} (named in ${file}).`)
    if (worldReadable)
      findings.warnings.push({ ...place, text: `everybody on this machine can read it: chmod o-r ${path}` })
    const secret = firstLine(bytes)
    if (secret === '') problem(`the first line of ${path} is empty.`)
    // A NUL or line end would end the header or the frame that carries it.
    // eslint-disable-next-line no-control-regex
    if (/[\0-\x1f]/u.test(secret)) problem(`the first line of ${path} has a control character.`)
    return secret
  } catch (error) {
    if (!(error instanceof SsmError)) throw error
    problem(error.message)
    return undefined
  }
}

/** Of a file that holds a secret. */
export function firstLine(bytes: Buffer): string {
  return bytes.toString('utf8').split(/\r?\n/u, 1)[0] ?? ''
}

/** The secret once more, as it is now. Throws SsmError `configuration`. */
export function rereadSecret(path: string): string {
  return firstLine(readSmallFile(path, SECRET_BYTES, `There is no file ${path}.`).bytes)
}
