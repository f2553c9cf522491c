// Lays out an installed system below DIR, from the table src/cli/installed.ts: node scripts/stage-package.mjs DIR, after a
// build. Packages are made of it:
//   DIR/tree             the files, with modes; owners are in the lists
//   DIR/rpm.files        for %files of the RPM
//   DIR/deb.conffiles    configuration files
//   DIR/scripts          scriptlets of the RPM
//   DIR/deb              control and scripts of the DEB
// The same sources and SOURCE_DATE_EPOCH give the same bytes.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { INSTALLED, SERVICE_ACCOUNT } from '../dist/src/cli/installed.js'

const repository = join(import.meta.dirname, '..')
if (process.argv[2] === undefined) throw new Error('usage: node scripts/stage-package.mjs DIR')
const target = resolve(process.argv[2])
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 0)
const made = join(target, 'made')
const root = join(target, 'tree')

const of = (...kinds) => INSTALLED.filter((each) => kinds.includes(each.kind))
const octal = (mode) => mode.toString(8).padStart(4, '0')
const run = (script, ...args) => execFileSync(process.execPath, [join(import.meta.dirname, script), ...args], { stdio: 'inherit' }) // prettier-ignore

function makeParts() {
  run('build-bundle.mjs', join(made, 'lib'))
  run('make-notices.mjs', join(made, 'THIRD-PARTY-NOTICES'))
  run('make-sbom.mjs', join(made, 'sbom.cdx.json'))
  run('make-man.mjs', join(made, 'man'))
  for (const name of readdirSync(join(made, 'man'))) {
    // Without time and name in its header.
    writeFileSync(join(made, 'man', `${name}.gz`), gzipSync(readFileSync(join(made, 'man', name)), { level: 9 }))
  }
  const ctl = join(repository, 'dist', 'src', 'bin', 'ssmctl.js')
  writeFileSync(join(made, 'completion.bash'), execFileSync(process.execPath, [ctl, 'completion', 'bash']))
  const { name, comment, home, shell } = SERVICE_ACCOUNT
  writeFileSync(join(made, 'sysusers.conf'), `u ${name} - "${comment}" ${home} ${shell}\n`)
  const rules = of('runtime').map(({ path, mode, owner, group }) => `d ${path} ${octal(mode)} ${owner} ${group} -\n`)
  writeFileSync(join(made, 'tmpfiles.conf'), rules.join(''))
}

function bytesOf(from) {
  const [kind, name] = from.split(':')
  if (kind === 'made') return readFileSync(join(made, name))
  if (kind !== 'launcher') return readFileSync(join(repository, from))
  return readFileSync(join(repository, 'packaging', 'launcher.sh'), 'utf8').replaceAll('@PROGRAM@', name)
}

function lay() {
  for (const { path, kind, mode, from } of INSTALLED) {
    const at = join(root, path)
    if (kind === 'directory') mkdirSync(at, { recursive: true })
    if (from === undefined) continue
    mkdirSync(dirname(at), { recursive: true })
    writeFileSync(at, bytesOf(from))
    chmodSync(at, mode)
  }
}

// Times and modes of parents, too: archives have them.
function settle(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = join(folder, entry.name)
    if (entry.isDirectory()) settle(at)
    else utimesSync(at, epoch, epoch)
  }
  chmodSync(folder, 0o755)
  utimesSync(folder, epoch, epoch)
}

const RPM_MARK = {
  config: '%config(noreplace) ',
  document: '%doc ',
  licence: '%license ',
  directory: '%dir ',
  // Made by the script, which does not take a directory from another account that a site has given it to.
  state: '%ghost %dir ',
  runtime: '%ghost %dir ',
}

function writeLists() {
  const rows = INSTALLED.map(
    ({ path, kind, mode, owner, group }) => `${RPM_MARK[kind] ?? ''}%attr(${octal(mode)},${owner},${group}) ${path}\n`,
  )
  writeFileSync(join(target, 'rpm.files'), rows.join(''))
  const configs = of('config').map(({ path }) => `${path}\n`)
  writeFileSync(join(target, 'deb.conffiles'), configs.join(''))
}

// What both kinds of packages do when they are installed.
function fragments() {
  const { name, comment, home, shell } = SERVICE_ACCOUNT
  const calls = of('state', 'runtime').map(
    ({ path, mode, owner, group }) => `make_directory ${path} ${octal(mode)} ${owner} ${group}`,
  )
  return {
    '@ACCOUNT@': [
      `getent group ${name} >/dev/null || groupadd -r ${name}`,
      `getent passwd ${name} >/dev/null ||`,
      `  useradd -r -g ${name} -d ${home} -M -s ${shell} -c "${comment}" ${name}`,
    ].join('\n'),
    '@DIRECTORIES@': [readFileSync(join(repository, 'packaging', 'directories.sh'), 'utf8'), ...calls].join('\n'),
  }
}

function writeScripts(from, to) {
  const parts = Object.entries(fragments())
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from)) {
    const text = readFileSync(join(from, name), 'utf8')
    const whole = parts.reduce((before, [mark, part]) => before.replace(mark, () => part), text)
    writeFileSync(join(to, name), whole)
  }
}

rmSync(target, { recursive: true, force: true })
mkdirSync(made, { recursive: true })
makeParts()
lay()
settle(root)
writeLists()
writeScripts(join(repository, 'packaging', 'rpm'), join(target, 'scripts'))
writeScripts(join(repository, 'packaging', 'deb'), join(target, 'deb'))
