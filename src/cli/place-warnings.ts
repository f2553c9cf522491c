/** What is wrong with the place of a spool, said when a program starts; `--check` says more. */
import { statfsSync } from 'node:fs'
import type { Logger } from '../observe/log.js'
import { systemCode } from '../errors.js'
import { unfit } from './check/file-system.js'
import { rightsOf } from './check/rights.js'
import type { Program } from './program.js'

/** Logs a sentence for each thing that others could do here, or that the file system cannot. */
export function warnOfPlace(role: 'sender' | 'receiver', path: string, program: Program, log: Logger): void {
  const user = program.getuid?.()
  if (user === undefined) return
  try {
    const rights = rightsOf(role, path, user).filter(({ level }) => level === 'failed')
    for (const { text, remedy = '' } of [...rights, ...unfit(path, statfsSync(path).type)]) {
      log.warning('%s', { message: `${text}: ${remedy}` })
    }
  } catch (error) {
    // Whatever hinders a look hinders the work too, and is said there in words.
    if (systemCode(error) === undefined) throw error
  }
}
