/** DEBs for tests: stand-ins for packages that ours depends on or replaces, and installing into a bare root. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BareRoot, Ran } from './bare-root.js'

export interface DebStandIn {
  readonly name: string
  readonly version: string
  /** Path → text. */
  readonly files?: Readonly<Record<string, string>>
  readonly conffiles?: readonly string[]
  /** `prerm` → shell. */
  readonly scripts?: Readonly<Record<string, string>>
}

/** Builds a package below `folder`; returns its file. */
export function buildDebStandIn(folder: string, each: DebStandIn): string {
  const top = join(folder, `${each.name}-${each.version}`)
  const write = (path: string, text: string, mode: number): void => {
    mkdirSync(dirname(join(top, path)), { recursive: true })
    writeFileSync(join(top, path), text)
    chmodSync(join(top, path), mode)
  }
  for (const [path, text] of Object.entries(each.files ?? {})) write(path, text, 0o755)
  const about = `Package: ${each.name}\nVersion: ${each.version}\nArchitecture: all\nMaintainer: x <x@example.org>\n`
  write('DEBIAN/control', `${about}Description: stand-in\n`, 0o644)
  if (each.conffiles !== undefined) write('DEBIAN/conffiles', `${each.conffiles.join('\n')}\n`, 0o644)
  for (const [name, shell] of Object.entries(each.scripts ?? {}))
    write(`DEBIAN/${name}`, `#!/bin/sh\n${shell}\n`, 0o755)
  const built = spawnSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', top, `${top}.deb`], {
    encoding: 'utf8',
  })
  if (built.status !== 0) throw new Error(`dpkg-deb: ${built.stderr}`)
  return `${top}.deb`
}

/** `dpkg` with the database of the root. Configuration files that were edited are kept, as by answering with return. */
export function dpkg(root: BareRoot, ...args: readonly string[]): Ran {
  for (const folder of ['info', 'updates', 'triggers'])
    mkdirSync(root.at(`/var/lib/dpkg/${folder}`), { recursive: true })
  if (!root.has('/var/lib/dpkg/status')) root.write('/var/lib/dpkg/status', '')
  // The log of this machine is none of the root's business.
  const all = [`--root=${root.path}`, `--log=${root.at('/var/log/dpkg.log')}`, '--force-confold', ...args]
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr, error } = spawnSync('dpkg', all, { encoding: 'utf8', env, timeout: 120_000 })
  return { status: status ?? -1, stdout, stderr: stderr + String(error ?? '') }
}
