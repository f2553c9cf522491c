/** RPMs for tests: stand-ins for packages that ours depends on or replaces, and installing into a bare root. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BareRoot, Ran } from './bare-root.js'

export interface StandIn {
  readonly name: string
  readonly version: string
  readonly epoch?: number
  /** Path → text. */
  readonly files?: Readonly<Record<string, string>>
  /** Of `files`, those that the administrator edits. */
  readonly configs?: readonly string[]
  readonly directories?: readonly string[]
  readonly provides?: readonly string[]
  /** Section (`%preun`) → shell. */
  readonly scripts?: Readonly<Record<string, string>>
}

function specOf(each: StandIn, top: string): string {
  const files = Object.keys(each.files ?? {})
  const configs = new Set(each.configs ?? [])
  const lines = [
    `Name: ${each.name}\nVersion: ${each.version}\nRelease: 1\nSummary: stand-in\nLicense: none\nBuildArch: noarch`,
    'AutoReqProv: no',
    ...(each.epoch === undefined ? [] : [`Epoch: ${each.epoch}`]),
    ...(each.provides ?? []).map((name) => `Provides: ${name}`),
    '%description\nstand-in',
    `%install\ncp -a ${join(top, 'files')}/. %{buildroot}/`,
    ...Object.entries(each.scripts ?? {}).map(([section, shell]) => `${section}\n${shell}`),
    '%files',
    ...files.map((path) => `${configs.has(path) ? '%config(noreplace) ' : ''}%attr(0755,root,root) ${path}`),
    ...(each.directories ?? []).map((path) => `%dir ${path}`),
  ]
  return `%global __os_install_post %{nil}\n${lines.join('\n')}\n`
}

/** Builds a package below `folder`; returns its file. */
export function buildStandIn(folder: string, each: StandIn): string {
  const top = join(folder, `${each.name}-${each.version}`)
  mkdirSync(join(top, 'files'), { recursive: true })
  for (const path of each.directories ?? []) mkdirSync(join(top, 'files', path), { recursive: true })
  for (const [path, text] of Object.entries(each.files ?? {})) {
    mkdirSync(join(top, 'files', path, '..'), { recursive: true })
    writeFileSync(join(top, 'files', path), text)
  }
  writeFileSync(join(top, 'x.spec'), specOf(each, top))
  const args = ['--quiet', '-bb', '--define', `_topdir ${top}`, '--define', `_dbpath ${top}/db`, join(top, 'x.spec')]
  const built = spawnSync('rpmbuild', args, { encoding: 'utf8', timeout: 120_000 })
  const rpms = join(top, 'RPMS', 'noarch')
  if (built.status !== 0 || !existsSync(rpms)) throw new Error(`rpmbuild: ${built.stdout}${built.stderr}`)
  return join(rpms, readdirSync(rpms)[0] ?? '')
}

/** `rpm` with the database of the root. */
export function rpm(root: BareRoot, ...args: readonly string[]): Ran {
  const all = ['--root', root.path, '--dbpath', '/var/lib/rpm', ...args]
  const { status, stdout, stderr, error } = spawnSync('rpm', all, { encoding: 'utf8', timeout: 120_000 })
  // Debian's rpm says this each time.
  const own = stderr.replace(/^rpm: (RPM should not be used|However assuming you know).*\n/gm, '')
  return { status: status ?? -1, stdout, stderr: own + String(error ?? '') }
}
