/**
 * Started as root on somebody else's spool, a program becomes that user once it has read configuration, key and
 * certificates and opened its log: whoever can write into the spool must not gain root by it (specs: dirq 2.11).
 */
import { lstatSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { SsmError, isSsmError, messageOf, systemCode } from '../errors.js'
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

/** How a log may be opened: `any`: made when missing, links followed; `there`: a file that is there, and no link. */
export type Opening = 'any' | 'there'

/**
 * Root opens a log with the rights of whoever owns its directory, so that a new one is his, and a link of his leads nowhere
 * that he could not write himself. One that is there already and not his, as older versions and the Python program left them
 * when root ran them, is opened with root's rights.
 */
export function openAsOwner<T>(file: string, program: Program, open: (opening: Opening) => T): T {
  const back = becomeForNow(file, program)
  if (back === undefined) return open('any')
  try {
    return open('any')
  } catch (error) {
    if (!isSsmError(error) || systemCode(error.cause) !== 'EACCES') throw error
  } finally {
    back()
  }
  return open('there')
}

/** The owner of the directory of `file`, until what is returned is called. undefined: nothing is to be changed, or can be. */
function becomeForNow(file: string, program: Program): (() => void) | undefined {
  const group = program.getegid?.()
  if (program.getuid?.() !== 0 || group === undefined) return undefined
  const back = (): void => {
    program.seteuid?.(0)
    program.setegid?.(group)
  }
  try {
    const { uid, gid } = statSync(dirname(file))
    if (uid === 0) return undefined
    program.setegid?.(gid)
    program.seteuid?.(uid)
    return back
  } catch {
    back()
    return undefined // no such directory, or a container whose root may not: opening it says the rest
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
