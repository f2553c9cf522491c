/** For which program is this file? */
import { SsmError } from '../errors.js'
import { readSmallFile } from '../os/small-file.js'
import { INI_LIMITS, parseIni } from './ini.js'
import type { Program } from './option.js'

const PROGRAMS: readonly Program[] = ['sender', 'receiver']

/** By its section `[sender]` or `[receiver]`. Throws SsmError `configuration` when it has neither or both. */
export function findRole(file: string): Program {
  const { bytes } = readSmallFile(file, INI_LIMITS.bytes, `Config file not found at ${file}`)
  const { sections } = parseIni(bytes, { warnings: [], problems: [] })
  const [role, ...more] = PROGRAMS.filter((name) => sections.has(name))
  if (role !== undefined && more.length === 0) return role
  const has = role === undefined ? 'neither' : 'both'
  throw new SsmError(
    'configuration',
    `${file} has ${has} of the sections [sender] and [receiver]: use ssmsend --check or ssmreceive --check`,
  )
}
