/**
 * What a test needs from outside this package, and what becomes of the test when it is not there.
 *
 *     test('a real broker', { skip: need('rabbitmq') }, async (t) => { … })
 *
 * A missing need is a loud skip: the reason names the Debian package, and `scripts/run-tests.mjs` lists it at the end.
 * With `CI=true` nothing may be skipped: there `need` throws, which fails the whole test file.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

interface Need {
  /** What to install, in words. */
  readonly install: string
  readonly present: () => boolean
}

/** Broker scripts are in sbin, which is not on everybody's path. */
function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

/** Debian's interpreter, for which apt installs modules; another `python3` on the path would not see them. */
const debianPython = '/usr/bin/python3'

function runs(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore', timeout: 20_000 }).status === 0
}

const onPath = (program: string) => () => findProgram(program) !== undefined

/** In a mount namespace of its own, so that nothing is left. */
const mounts = (): boolean => runs('unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt')

const NEEDS = {
  // Only its jars count: the kit starts them itself.
  activemq: {
    install: 'activemq',
    present: () => existsSync('/usr/share/java/activemq-stomp.jar') && onPath('java')() && onPath('keytool')(),
  },
  rabbitmq: { install: 'rabbitmq-server', present: onPath('rabbitmq-server') },
  openssl: { install: 'openssl', present: onPath('openssl') },
  python3: { install: 'python3', present: () => runs(debianPython, '-c', '') },
  'python3-dirq': { install: 'python3-dirq', present: () => runs(debianPython, '-c', 'import dirq.queue') },
  'python3-openssl': { install: 'python3-openssl', present: () => runs(debianPython, '-c', 'import OpenSSL') },
  'python3-requests': { install: 'python3-requests', present: () => runs(debianPython, '-c', 'import requests') },
  'python3-daemon': { install: 'python3-daemon', present: () => runs(debianPython, '-c', 'import daemon') },
  // Containers may forbid ptrace: the program alone is not enough.
  strace: { install: 'strace (and the right to trace)', present: () => runs('strace', '-o', '/dev/null', 'true') },
  faketime: { install: 'faketime', present: onPath('faketime') },
  'systemd-notify': { install: 'systemd', present: onPath('systemd-notify') },
  logrotate: { install: 'logrotate', present: onPath('logrotate') },
  shellcheck: { install: 'shellcheck', present: onPath('shellcheck') },
  'systemd-analyze': { install: 'systemd', present: onPath('systemd-analyze') },
  chromium: { install: 'chromium', present: onPath('chromium') },
  zsh: { install: 'zsh', present: onPath('zsh') },
  groff: { install: 'groff-base', present: onPath('groff') },
  'dpkg-deb': { install: 'dpkg', present: onPath('dpkg-deb') },
  lintian: { install: 'lintian', present: onPath('lintian') },
  buildah: { install: 'buildah', present: onPath('buildah') },
  debootstrap: { install: 'debootstrap', present: onPath('debootstrap') },
  rpmbuild: { install: 'rpm', present: onPath('rpmbuild') },
  rpmspec: { install: 'rpm', present: onPath('rpmspec') },
  git: { install: 'git', present: onPath('git') },
  root: { install: 'the rights of root: run the tests as root', present: () => process.getuid?.() === 0 },
  // Containers often forbid it to root too.
  mount: { install: 'the right to mount: run the tests as root with CAP_SYS_ADMIN', present: mounts },
} as const satisfies Record<string, Need>

export type NeedName = keyof typeof NEEDS

const known = new Map<NeedName, boolean>()

function isPresent(name: NeedName): boolean {
  const before = known.get(name)
  if (before !== undefined) return before
  const present = NEEDS[name].present()
  known.set(name, present)
  return present
}

/** False when everything is there, else the reason for `{ skip: … }` or `t.skip(…)`. Throws instead with `CI=true`. */
export function need(...names: readonly NeedName[]): false | string {
  const missing = names.filter((name) => !isPresent(name))
  if (missing.length === 0) return false
  const reason = `needs ${missing.map((name) => NEEDS[name].install).join(', ')}`
  if (process.env.CI === 'true') {
    throw new Error(`${reason}; with CI=true nothing is skipped: sh scripts/test.sh --install puts it there`)
  }
  return reason
}

/** The full path of a program found by `need`, for spawning it. Throws when it is not there. */
export function programPath(name: string): string {
  const file = findProgram(name)
  if (file === undefined) throw new Error(`${name} is not installed`)
  return file
}
