/**
 * A bare system below a folder, to install packages into: a shell, the programs that packages' scripts call, accounts, and
 * a systemctl that only remembers. Not a distribution; what a package needs beyond it must be in its dependencies.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { programPath } from './need.js'

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface BareRoot {
  readonly path: string
  /** A program inside, as root or as `user`. */
  run(command: readonly string[], user?: string): Ran
  /** The same, and it must succeed; returns its standard output. */
  ok(command: readonly string[], user?: string): string
  /** The path of a file inside, for this machine. */
  at(path: string): string
  write(path: string, text: string, mode?: number): void
  read(path: string): string
  has(path: string): boolean
  /** Puts a program of this machine inside, with its libraries. */
  addProgram(file: string, as?: string): void
  /** Copies a laid out system over it. */
  copyTree(from: string): void
  /** `drwxr-x--- apel apel` of a path inside, with the names that it has there. */
  owned(path: string): string
}

const TOOLS = [
  'sh',
  'cat',
  'stat',
  'mkdir',
  'rm',
  'cp',
  'chown',
  'chmod',
  'ls',
  'touch',
  'getent',
  'groupadd',
  'useradd',
  'env',
]

/**
 * Remembers what is enabled and what runs, by name of the unit, an alias as its unit. `start` needs the unit's file: as it is,
 * or made of an init script.
 */
const SYSTEMCTL = `#!/bin/sh
state=/var/lib/systemctl-stand-in
mkdir -p $state/enabled $state/running
now=no verb= units=
for word in "$@"; do
  case $word in
  --now) now=yes ;;
  --*) ;;
  *) if [ -z "$verb" ]; then verb=$word; else units="$units \${word%.service}"; fi ;;
  esac
done
echo "$verb$units" >>$state/calls
for unit in $units; do
  case $unit in apel-ssm) if [ -e $state/alias ]; then unit=apelssm; fi ;; esac
  case $verb in
  is-enabled) [ -e $state/enabled/$unit ] || exit 1 ;;
  is-active) [ -e $state/running/$unit ] || exit 3 ;;
  enable | start)
    [ -e /usr/lib/systemd/system/$unit.service ] || [ -e /etc/rc.d/init.d/$unit ] || exit 5
    if [ $verb = enable ]; then : >$state/enabled/$unit; else : >$state/running/$unit; fi
    if [ $verb$unit = enableapelssm ]; then : >$state/alias; fi
    ;;
  disable)
    rm -f $state/enabled/$unit
    if [ $unit = apelssm ]; then rm -f $state/alias; fi
    if [ $now = yes ]; then rm -f $state/running/$unit; fi
    ;;
  stop) rm -f $state/running/$unit ;;
  esac
done
`

/** The shared libraries of a program, with the loader. */
function librariesOf(file: string): readonly string[] {
  const { stdout } = spawnSync('ldd', [file], { encoding: 'utf8' })
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)].map((found) => found[1] ?? '')
}

function copyInto(root: string, file: string, as: string): void {
  const to = join(root, as)
  if (existsSync(to)) return
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(realpathSync(file), to)
  chmodSync(to, 0o755)
}

/** A system that is there already, made by debootstrap for example. Needs root. */
export function openRoot(path: string): BareRoot {
  const root: BareRoot = {
    path,
    run: (command, user) => runInside(path, command, user),
    ok(command, user) {
      const ran = runInside(path, command, user)
      if (ran.status !== 0) throw new Error(`${command.join(' ')}: ${ran.status}\n${ran.stdout}${ran.stderr}`)
      return ran.stdout
    },
    at: (name) => join(path, name),
    write(name, text, mode = 0o644) {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), text)
      chmodSync(join(path, name), mode)
    },
    read: (name) => readFileSync(join(path, name), 'utf8'),
    has: (name) => existsSync(join(path, name)),
    addProgram(file, as = file) {
      for (const library of librariesOf(file)) copyInto(path, library, library)
      copyInto(path, file, as)
    },
    copyTree(from) {
      cpSync(from, path, { recursive: true })
    },
    owned: (name) => root.ok(['stat', '-c', '%A %U %G', name]).trim(),
  }
  return root
}

/** Lays out the system below `path`, which must be empty. Needs root. */
export function createBareRoot(path: string): BareRoot {
  const root = openRoot(path)
  for (const folder of [
    'tmp',
    'dev',
    'run',
    'var/log',
    'var/spool',
    'var/lib',
    'etc/rc.d/init.d',
    'usr/sbin',
    'usr/bin',
  ]) {
    mkdirSync(join(path, folder), { recursive: true })
  }
  for (const name of ['bin', 'sbin']) symlinkSync(`usr/${name}`, join(path, name))
  for (const name of TOOLS) root.addProgram(programPath(name), `/usr/bin/${name}`)
  chmodSync(join(path, 'tmp'), 0o1777)
  spawnSync('mknod', ['-m', '666', join(path, 'dev/null'), 'c', '1', '3'])
  root.write('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n')
  root.write('/etc/group', 'root:x:0:\nnogroup:x:65534:\n')
  root.write('/usr/bin/systemctl', SYSTEMCTL, 0o755)
  // As EL has them: in front of systemctl.
  root.write('/usr/sbin/service', '#!/bin/sh\nexec systemctl "$2" "$1"\n', 0o755)
  const chkconfig = 'case $2 in on) exec systemctl enable "$1" ;; off) exec systemctl disable "$1" ;; esac\n'
  root.write('/usr/sbin/chkconfig', `#!/bin/sh\n${chkconfig}`, 0o755)
  root.write('/usr/sbin/nologin', '#!/bin/sh\nexit 1\n', 0o755)
  return root
}

const PATH_INSIDE = 'PATH=/usr/bin:/usr/sbin'

function runInside(path: string, command: readonly string[], user?: string): Ran {
  const as = user === undefined ? [] : [`--userspec=${user}`]
  const args = [...as, path, '/usr/bin/env', '-i', PATH_INSIDE, ...command]
  const { status, stdout, stderr, error } = spawnSync('chroot', args, { encoding: 'utf8', timeout: 120_000 })
  return { status: status ?? -1, stdout, stderr: stderr + String(error ?? '') }
}
