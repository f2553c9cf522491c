/**
 * Vectors: small files of `key: value` lines, an empty line, and bytes. Every key must be known to the test that reads
 * them: a misspelt one would be a test that tests nothing.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..', '..', 'test', 'vectors')

export interface Vector {
  readonly name: string
  readonly header: ReadonlyMap<string, string>
  readonly bytes: Buffer
}

/** All vectors of a folder below test/vectors. Throws for an unknown key, a missing empty line, an empty folder. */
export function loadVectors(folder: string, keys: readonly string[]): readonly Vector[] {
  const names = readdirSync(join(root, folder)).sort()
  if (names.length === 0) throw new Error(`there are no vectors in ${folder}`)
  return names.map((name) => parseVector(`${folder}/${name}`, readFileSync(join(root, folder, name)), keys))
}

function parseVector(name: string, file: Buffer, keys: readonly string[]): Vector {
  const end = file.indexOf('\n\n')
  if (end === -1) throw new Error(`${name} has no empty line behind its header`)
  const header = new Map<string, string>()
  for (const line of file.toString('utf8', 0, end).split('\n')) {
    const [key = '', ...value] = line.split(': ')
    if (!keys.includes(key)) throw new Error(`${name} has the unknown key ${key}`)
    if (header.has(key)) throw new Error(`${name} has the key ${key} twice`)
    header.set(key, value.join(': '))
  }
  return { name, header, bytes: file.subarray(end + 2) }
}
