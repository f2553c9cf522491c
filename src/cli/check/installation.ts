/**
 * The installed files against the table that the packages are made from. Only programs that were started from where a
 * package puts them are compared: elsewhere the table says nothing.
 *
 * What lets others write is wrong; what a site may have wanted so (another owner of a spool, narrower rights) is named.
 */
import { readFileSync, realpathSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { INSTALLED, SERVICE_ACCOUNT, type InstalledPath, type PathKind } from '../installed.js'
import { failed, ok, unchecked, warning, type Check, type Finding } from './finding.js'

const ABOUT = 'installation'
/** More than these would bury the rest. */
const MOST = 8

export const INSTALLATION_CHECKS: readonly Check[] = [
  { about: ABOUT, run: ({ program }) => checkInstallation('/', program.argv[1] ?? '', idsOf('/')) },
]

/** Numbers of the names in the table. Without `apel` no owner of its directories is compared. */
export interface Ids {
  readonly root: number
  readonly apel?: { readonly uid: number; readonly gid: number }
}

/** May it be absent? Documents are left out by small systems, a configuration by who needs one program only. */
const MAY_LACK: ReadonlySet<PathKind> = new Set(['config', 'manual', 'document', 'licence'])

/** Of bits that are missing those that matter: an administrator may keep others from reading. */
const NEEDED: Readonly<Partial<Record<PathKind, number>>> = { file: 0o7777, directory: 0o7777, state: 0o7770 }

/** `started`: the file that runs. Empty: it is not from a package below `root`. */
export function checkInstallation(root: string, started: string, ids: Ids): readonly Finding[] {
  if (!isInstalled(root, started)) return []
  const findings = INSTALLED.flatMap((each) => compare(root, each, ids))
  if (ids.apel === undefined) {
    const text = `whose directories are the service’s was not looked at: there is no account ${SERVICE_ACCOUNT.name} in /etc/passwd`
    findings.push(
      unchecked(ABOUT, text, 'systemd-sysusers, or install the package again, unless it comes from elsewhere'),
    )
  }
  if (findings.length === 0) return [ok(ABOUT, `${INSTALLED.length} files and directories are as the package has them`)]
  if (findings.length <= MOST) return findings
  const rest = findings.slice(MOST)
  const make = rest.some(({ level }) => level === 'failed') ? failed : warning
  const more = make(ABOUT, `${rest.length} more files and directories are not as the package has them`, REINSTALL)
  return [...findings.slice(0, MOST), more]
}

const REINSTALL = 'install the package again: dnf reinstall apelssm, or apt install --reinstall apel-ssm'

/** An image has the programs, and none of what a package tells the system: its directories are volumes. */
const TOLD = INSTALLED.filter(({ path }) => /\.d\/|\.service$/u.test(path) && !path.startsWith('/etc/'))

/** Is `started` a program that a package put below `root`, with its units? */
export function isInstalled(root: string, started: string): boolean {
  const programs = INSTALLED.filter(({ path }) => path.endsWith('.js')).map(({ path }) => join(root, path))
  try {
    return programs.includes(realpathSync(started)) && TOLD.some(({ path }) => find(join(root, path)) !== undefined)
  } catch {
    return false // nothing that could be compared
  }
}

function compare(root: string, each: InstalledPath, ids: Ids): readonly Finding[] {
  const path = join(root, each.path)
  const stats = find(path)
  if (stats === undefined) return MAY_LACK.has(each.kind) ? [] : [lacking(path, each)]
  const isDirectory = each.kind === 'directory' || each.kind === 'state' || each.kind === 'runtime'
  if (stats.isDirectory() !== isDirectory) {
    return [failed(ABOUT, `${path} is no ${isDirectory ? 'directory' : 'file'}`, `move it away, then ${REINSTALL}`)]
  }
  return [...compareOwner(path, each, stats, ids), ...compareMode(path, each, stats)]
}

function find(path: string): Stats | undefined {
  try {
    // Links are followed: sites have their spools on other disks.
    return statSync(path)
  } catch {
    return undefined // not there, or not for us to see, which comes to the same
  }
}

function lacking(path: string, { kind, mode, owner, group }: InstalledPath): Finding {
  const text = `${path} is missing`
  if (kind === 'runtime') return warning(ABOUT, text, 'systemd-tmpfiles --create, or start the service')
  if (kind !== 'state') return failed(ABOUT, text, REINSTALL)
  return warning(ABOUT, text, `install -d -m ${octal(mode)} -o ${owner} -g ${group} ${path}`)
}

function compareOwner(path: string, { kind, owner, group }: InstalledPath, stats: Stats, ids: Ids): readonly Finding[] {
  const uid = owner === 'root' ? ids.root : ids.apel?.uid
  const gid = group === 'root' ? ids.root : ids.apel?.gid
  if (uid === undefined || (stats.uid === uid && (stats.gid === gid || (stats.mode & 0o020) === 0))) return []
  const text = `${path} belongs to ${stats.uid}:${stats.gid}, and to ${owner}:${group} as the package has it`
  const remedy = `chown ${owner}:${group} ${path}`
  // Whoever owns a program can have others run what he likes.
  if (kind === 'file' || kind === 'directory') return [failed(ABOUT, text, remedy)]
  return [warning(ABOUT, text, `${remedy}, unless the service is to run as another user`)]
}

function compareMode(path: string, { kind, mode }: InstalledPath, stats: Stats): readonly Finding[] {
  const is = stats.mode & 0o7777
  const added = is & ~mode
  const lacks = mode & ~is & (NEEDED[kind] ?? 0)
  if (added === 0 && lacks === 0) return []
  const text = `${path} has mode ${octal(is)}, and ${octal(mode)} as the package has it`
  return [((added & 0o022) === 0 ? warning : failed)(ABOUT, text, `chmod ${octal(mode)} ${path}`)]
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function idsOf(root: string): Ids {
  const line = passwdOf(root).find((text) => text.startsWith(`${SERVICE_ACCOUNT.name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return {
    root: 0,
    ...(uid === undefined || gid === undefined ? {} : { apel: { uid: Number(uid), gid: Number(gid) } }),
  }
}

function passwdOf(root: string): readonly string[] {
  try {
    return readFileSync(join(root, 'etc/passwd'), 'utf8').split('\n')
  } catch {
    return [] // a container without the file
  }
}
