/**
 * Who may write where it matters. Whoever can write into incoming can pass off records as verified; whoever can write into a
 * parent can put another directory in its place.
 */
import { lstatSync, readFileSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { systemCode } from '../../errors.js'
import { failed, ok, warning, type Check, type Finding, type Subject } from './finding.js'

const ABOUT = 'rights'

export const RIGHTS_CHECKS: readonly Check[] = [{ about: ABOUT, run: checkRights }]

/** Who the program is when it works: root on somebody else's spool becomes its owner. undefined: no such thing here. */
export function serviceUser({ config: { messaging }, program }: Subject): number | undefined {
  const uid = program.getuid?.()
  return uid === 0 ? (find(messaging.path)?.uid ?? 0) : uid
}

function find(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

function checkRights(subject: Subject): readonly Finding[] {
  const user = serviceUser(subject)
  if (user === undefined) return []
  const findings = rightsOf(subject.role, subject.config.messaging.path, user)
  const inner = subject.role === 'receiver' ? 'incoming, reject, .ssm' : '.ssm'
  if (findings.length > 0) return findings
  return [ok(ABOUT, `${inner} and their parents can be written by root and user ${user} only`)]
}

/** What others may write. Empty: as it should be. Also said when the programs start. */
export function rightsOf(role: Subject['role'], path: string, user: number): readonly Finding[] {
  const found: Finding[] = []
  const inner = role === 'receiver' ? ['incoming', 'reject', '.ssm'] : ['.ssm']
  for (const name of inner) found.push(...judge(`${path}/${name}`, user, failed))
  // Producers in a common group may write into an outgoing spool.
  found.push(...judge(path, user, role === 'receiver' ? failed : warning))
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    found.push(...judge(parent, user, failed))
    if (parent === dirname(parent)) return found
  }
}

/** `level`: of what a group or another owner may do; what everybody may do is always wrong. */
function judge(path: string, user: number, level: typeof failed): readonly Finding[] {
  const stats = find(path)
  // A link's own mode says nothing; where it leads is looked at through its parents only.
  if (stats === undefined || stats.isSymbolicLink()) return []
  const sticky = (stats.mode & 0o1000) !== 0
  if (stats.uid !== 0 && stats.uid !== user) {
    const text = `${path} belongs to user ${stats.uid}, who can change it; the service is user ${user}`
    return [level(ABOUT, text, `chown root ${path}, or the service’s user`)]
  }
  const others = (stats.mode & 0o002) !== 0
  if (!others && ((stats.mode & 0o020) === 0 || isPrivateGroup(stats.gid, user))) return []
  const who = others ? 'everybody' : `group ${stats.gid}`
  const remedy = `chmod ${others ? 'o-w' : 'g-w'} ${path}`
  if (sticky) {
    const text = `${path} can be written by ${who} (sticky: what is ours in it is safe, what is not there yet is not)`
    return [warning(ABOUT, text, 'keep spools below a directory of the service alone')]
  }
  return [(others ? failed : level)(ABOUT, `${path} can be written by ${who}`, remedy)]
}

/** A group of nobody else: Debian and Fedora give each user one, and directories made with umask 0002 are writable for it. */
function isPrivateGroup(gid: number, user: number): boolean {
  if (gid === 0) return true
  const group = lines('/etc/group').find((fields) => fields[2] === String(gid))
  // Not a local group: who is in it cannot be seen here.
  if (group === undefined) return false
  const users = lines('/etc/passwd')
  const name = users.find((fields) => fields[2] === String(user))?.[0]
  const members = (group[3] ?? '').split(',').filter((member) => member !== '' && member !== name && member !== 'root')
  const primary = users.filter((fields) => fields[3] === String(gid) && fields[2] !== String(user))
  return members.length === 0 && primary.length === 0
}

function lines(file: string): readonly (readonly string[])[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
  } catch {
    // A container without the file: then every group counts as others.
    return []
  }
}
