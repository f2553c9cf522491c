/**
 * Who is this process, and is that other one provably gone? Used to free what a killed run left locked.
 * `process` is read here and nowhere else in the room: a process identity is this file's whole business.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { parseJsonObject } from './json-object.js'

/** Enough to tell one process from every other, also after a reboot, in another container, on another host. */
export interface ProcessIdentity {
  /** Machine id and host name together: container images share the one, clusters the other. */
  readonly host: string
  readonly boot: string
  readonly pid: number
  /** Start time in clock ticks since boot (proc(5), field 22 of stat). Empty where there is no /proc. */
  readonly started: string
  /** PID namespace: the same number means another process in another container. */
  readonly namespace: string
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    // Not there (no /proc, no machine id) or not for us: an empty part never proves anything.
    return ''
  }
}

function readNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    // As above.
    return ''
  }
}

/** State letter and start time. The command name may hold blanks and brackets: fields count from the last `)`. */
function readStat(pid: number): { readonly state: string; readonly started: string } | undefined {
  const text = readText(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  const started = fields[19]
  return state === undefined || started === undefined ? undefined : { state, started }
}

/** This process. */
export function thisProcess(): ProcessIdentity {
  return {
    host: `${readText('/etc/machine-id')} ${hostname()}`,
    boot: readText('/proc/sys/kernel/random/boot_id'),
    pid: process.pid,
    started: readStat(process.pid)?.started ?? '',
    namespace: readNamespace(),
  }
}

/** The user whose rights we have, or undefined where there are no user ids. */
export function effectiveUser(): number | undefined {
  return process.geteuid?.()
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, under another user. Only ESRCH says that there is none.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

/** Can that process be looked up from here: the same host and boot, and one PID namespace? */
export function isSeen(other: ProcessIdentity, self: ProcessIdentity = thisProcess()): boolean {
  if (other.host !== self.host || other.boot === '' || other.boot !== self.boot) return false
  return other.namespace !== '' && other.namespace === self.namespace
}

/**
 * Is that process provably gone? true only with proof: the same host booted since; or, within one boot and one PID
 * namespace, the pid is free, a zombie, or somebody else's by now. When in doubt false: then the age of a lock decides.
 */
export function isGone(other: ProcessIdentity, self: ProcessIdentity = thisProcess()): boolean {
  if (other.host !== self.host || other.boot === '' || self.boot === '') return false
  if (other.boot !== self.boot) return other.host.trim().includes(' ')
  if (!isSeen(other, self)) return false
  if (!pidExists(other.pid)) return true
  const stat = readStat(other.pid)
  // hidepid= hides other users' processes: a living pid without a visible stat proves nothing.
  if (stat === undefined) return false
  return stat.state === 'Z' || stat.state === 'X' || (other.started !== '' && stat.started !== other.started)
}

/** Reads an identity back from JSON. undefined when it is not one: the text may be half-written or somebody's joke. */
export function parseProcessIdentity(text: string): ProcessIdentity | undefined {
  const { host, boot, pid, started, namespace } = parseJsonObject(text) ?? {}
  if (typeof host !== 'string' || typeof boot !== 'string' || typeof started !== 'string') return undefined
  if (typeof namespace !== 'string' || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0)
    return undefined
  return { host, boot, pid, started, namespace }
}
