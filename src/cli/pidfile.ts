/**
 * The receiver's pidfile. One whose process is gone does not block a start; one that cannot be written is a warning, but of
 * process 1: who asks for its number, in a container, knows it.
 */
import { existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { systemCode } from '../errors.js'
import type { Logger } from '../observe/log.js'
import { systemWords } from '../os/disk-error.js'
import type { Program } from './program.js'

/** The pid in the file when that process lives and is not this one; else null. */
export function livingHolder(path: string, program: Program): number | null {
  let pid: number
  try {
    pid = Number(readFileSync(path, { encoding: 'utf8' }).slice(0, 32).trim())
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === program.pid) return null
  return isAlive(pid, program) && isReceiver(pid) ? pid : null
}

function isAlive(pid: number, program: Program): boolean {
  try {
    return program.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, as another user.
    return systemCode(error) === 'EPERM'
  }
}

/** Pids are used again: after a crash the number may belong to anything. Unreadable counts as a receiver. */
function isReceiver(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, { encoding: 'latin1' }).includes('ssmreceive')
  } catch (error) {
    return systemCode(error) !== 'ENOENT'
  }
}

/** Writes our pid. Disposing removes the file if it still holds it. */
export function createPidfile(path: string, program: Program, log: Logger): Disposable {
  let written = false
  try {
    writeFileSync(path, `${program.pid}\n`, { mode: 0o644 })
    written = true
  } catch (error) {
    const directory = dirname(path)
    const why = existsSync(directory) ? systemWords(error) : `there is no directory ${directory}`
    if (program.pid !== 1) log.warning('Failed to create pidfile %s: %s', path, { message: why })
  }
  return {
    [Symbol.dispose]() {
      if (!written) return
      try {
        if (readFileSync(path, { encoding: 'utf8' }).trim() === String(program.pid)) unlinkSync(path)
        else log.warning('pidfile %s not found.', path)
      } catch (error) {
        if (systemCode(error) === 'ENOENT') log.warning('pidfile %s not found.', path)
        else log.warning('Failed to remove pidfile %s: %s', path, { message: systemWords(error) })
      }
    },
  }
}
