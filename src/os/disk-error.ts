/**
 * System errors of files in words: what was being done, to what, and what to try.
 */
import { SsmError, isSsmError, messageOf, systemCode } from '../errors.js'
import type { DiskPath } from './disk.js'

/** What a person can do about it, by system error. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the disk is full: make room'],
  ['EDQUOT', 'the quota of this user is used up: make room or raise it'],
  [
    'EROFS',
    'the file system is read-only: look at the kernel log, remount it writable; a unit of systemd needs ReadWritePaths= for it',
  ],
  ['EACCES', 'permission denied: give this user read, write and search permission on the directory'],
  ['EPERM', 'not permitted: look at owner and mode of the file and its directory'],
  ['EMFILE', 'this process has too many open files: raise its limit (LimitNOFILE=, ulimit -n)'],
  ['ENFILE', 'the system has too many open files: raise fs.file-max'],
  ['ENOMEM', 'out of memory'],
  ['EIO', 'the disk reports an error: look at the kernel log, check the disk'],
  ['ENOENT', 'it does not exist'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['ELOOP', 'it is a symbolic link, which is not followed here'],
  ['EXDEV', 'the two names are on different file systems: a spool must be one file system'],
  ['EMLINK', 'too many links or sub-directories: this file system cannot hold more'],
  ['ENAMETOOLONG', 'the path is too long'],
  ['ENOTSUP', 'the file system cannot do this: put the spool on a local Unix file system'],
  ['ENOSYS', 'the file system cannot do this: put the spool on a local Unix file system'],
])

/** A path for a sentence. Names may come from outside: control characters are escaped, 256 characters at most. */
export function pathText(path: DiskPath): string {
  const text = typeof path === 'string' ? path : path.toString('utf8')
  const shown = text.length > 256 ? `${text.slice(0, 253)}...` : text
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return shown.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufffd]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Makes an SsmError `disk` of a system error; ours pass through unchanged. `doing` is a verb phrase: `lock the element`. */
export function diskError(cause: unknown, doing: string, path: DiskPath): SsmError {
  if (isSsmError(cause)) return cause
  return new SsmError('disk', `cannot ${doing} ${pathText(path)}: ${systemWords(cause)}`, { cause })
}

/** Why, and what to try; without the path, which the caller's sentence names. */
export function systemWords(cause: unknown): string {
  const code = systemCode(cause) ?? ''
  const remedy = REMEDIES.get(code)
  return remedy === undefined ? messageOf(cause) : `${remedy} (${code})`
}

/** Does the system error have one of these codes? */
export function isSystem(error: unknown, ...codes: readonly string[]): boolean {
  const code = systemCode(error)
  return code !== undefined && codes.includes(code)
}
