/**
 * Started as root on somebody else's spool, a program becomes that user once it has read configuration, key and
 * certificates and opened its log: whoever can write into the spool must not gain root by it (specs: dirq 2.11).
 */
import { lstatSync, type Stats } from 'node:fs'
import { SsmError, messageOf, systemCode } from '../errors.js'
import type { Program } from './program.js'

/** Becomes the owner of `path` when we are root and it is not root's. A path that is not there changes nothing. */
export function becomeOwner(path: string, program: Program): void {
  if (program.getuid?.() !== 0) return
  const owner = ownerOf(path)
  if (owner === null || owner.uid === 0) return
  try {
    takeGroups(owner, program)
    program.setgid?.(owner.gid)
    program.setuid?.(owner.uid)
  } catch (cause) {
    throw new SsmError(
      'configuration',
      `cannot become the owner of ${path} (uid ${owner.uid}): ${messageOf(cause)}. Start as that user instead.`,
      { cause },
    )
  }
}

/** Its supplementary groups; in a container the owner of a mounted spool mostly has no name, and so only its own. */
function takeGroups({ uid, gid }: Stats, program: Program): void {
  try {
    program.initgroups?.(uid, gid)
  } catch (error) {
    if (systemCode(error) !== 'ERR_UNKNOWN_CREDENTIAL') throw error
    program.setgroups?.([gid])
  }
}

function ownerOf(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw new SsmError('configuration', `cannot look at the spool ${path}: ${messageOf(error)}`, { cause: error })
  }
}
