/**
 * What an installed package consists of: every path with its owner and mode, as data. The RPM, the DEB, the rules for
 * /run and the accounts are made from this table (scripts/stage-package.mjs), and a test compares installed systems with it.
 */

export type PathKind =
  /** A program or a file of the package; replaced by an upgrade. */
  | 'file'
  /** Edited by the administrator: an upgrade leaves it alone, a removal too when it was edited. */
  | 'config'
  | 'manual'
  | 'document'
  | 'licence'
  | 'directory'
  /** A directory of the service: made when it is missing, never removed with its contents, handed to nobody else. */
  | 'state'
  /** The same, made again at each boot. */
  | 'runtime'

export interface InstalledPath {
  readonly path: string
  readonly kind: PathKind
  readonly owner: 'root' | 'apel'
  readonly group: 'root' | 'apel'
  /** As `chmod` takes it. */
  readonly mode: number
  /**
   * Where its bytes are: a file of the repository, or what the build makes, with `made:` before it. `launcher:NAME` is
   * packaging/launcher.sh for that program.
   */
  readonly from?: string
}

/** The account that owns spools, logs and pidfiles, and that the services run as. */
export const SERVICE_ACCOUNT = {
  name: 'apel',
  home: '/var/spool/apel',
  shell: '/usr/sbin/nologin',
  comment: 'APEL secure STOMP messenger',
} as const

const owned = (kind: PathKind, mode: number) => (path: string, from?: string) =>
  ({ path, kind, owner: 'root', group: 'root', mode, ...(from === undefined ? {} : { from }) }) as const

const file = owned('file', 0o644)
const program = owned('file', 0o755)
const config = owned('config', 0o644)
const manual = owned('manual', 0o644)
const document = owned('document', 0o644)
const licence = owned('licence', 0o644)
const directory = owned('directory', 0o755)

const service = (kind: 'state' | 'runtime') => (path: string, mode: number) =>
  ({ path, kind, owner: 'apel', group: 'apel', mode }) as const

const state = service('state')
const runtime = service('runtime')

const LIB = '/usr/lib/apelssm'
const DOC = '/usr/share/doc/apelssm'
const MAN = '/usr/share/man'
const UNITS = '/usr/lib/systemd/system'
const PROGRAMS = ['ssmsend', 'ssmreceive', 'ssmctl'] as const
/** Libraries that few need, in files of their own. */
const LIBRARIES = ['asn1js', 'pkijs', 'undici'] as const
const UNIT_NAMES = ['apelssm.service', 'ssmsend.service', 'ssmsend.timer', 'ssmsend-watch.service'] as const

/** Parents come before what is in them. */
export const INSTALLED: readonly InstalledPath[] = [
  ...PROGRAMS.map((name) => program(`/usr/bin/${name}`, `launcher:${name}`)),
  directory(LIB),
  file(`${LIB}/package.json`, 'made:lib/package.json'),
  directory(`${LIB}/bin`),
  ...[...PROGRAMS, 'ssmsend-later', 'unwrap-thread'].map((name) =>
    file(`${LIB}/bin/${name}.js`, `made:lib/bin/${name}.js`),
  ),
  directory(`${LIB}/lib`),
  ...LIBRARIES.map((name) => file(`${LIB}/lib/${name}.js`, `made:lib/lib/${name}.js`)),
  ...UNIT_NAMES.map((name) => file(`${UNITS}/${name}`, `packaging/${name}`)),
  file('/usr/lib/sysusers.d/apelssm.conf', 'made:sysusers.conf'),
  file('/usr/lib/tmpfiles.d/apelssm.conf', 'made:tmpfiles.conf'),

  // Found by the name of the program; the folder belongs to bash-completion.
  ...PROGRAMS.map((name) => file(`/usr/share/bash-completion/completions/${name}`, 'made:completion.bash')),

  directory('/etc/apel'),
  ...['sender.cfg', 'receiver.cfg', 'dns'].map((name) => config(`/etc/apel/${name}`, `conf/${name}`)),
  // The name that it had in the Python package: two files for the same logs would be an error of logrotate.
  config('/etc/logrotate.d/apel-ssm', 'packaging/logrotate.conf'),

  ...PROGRAMS.map((name) => manual(`${MAN}/man1/${name}.1.gz`, `made:man/${name}.1.gz`)),
  manual(`${MAN}/man5/ssm.cfg.5.gz`, 'made:man/ssm.cfg.5.gz'),
  directory(DOC),
  ...['README.md', 'CHANGELOG.md', 'SECURITY.md'].map((name) => document(`${DOC}/${name}`, name)),
  directory(`${DOC}/docs`),
  ...[
    'configuration',
    'decisions',
    'flow',
    'library',
    'migration',
    'operations',
    'performance',
    'security',
    'torture',
  ].map((name) => document(`${DOC}/docs/${name}.md`, `docs/${name}.md`)),
  directory(`${DOC}/docs/monitoring`),
  ...['alerts.yml', 'grafana.json'].map((name) =>
    document(`${DOC}/docs/monitoring/${name}`, `docs/monitoring/${name}`),
  ),
  document(`${DOC}/sbom.cdx.json`, 'made:sbom.cdx.json'),
  licence(`${DOC}/LICENSE`, 'LICENSE'),
  licence(`${DOC}/THIRD-PARTY-NOTICES`, 'made:THIRD-PARTY-NOTICES'),

  state('/var/spool/apel', 0o755),
  // Sticky and setgid: producers of the group add, and nobody renames what is another's.
  state('/var/spool/apel/outgoing', 0o3770),
  state('/var/spool/apel/incoming', 0o750),
  state('/var/spool/apel/reject', 0o750),
  state('/var/spool/apel/.ssm', 0o750),
  state('/var/log/apel', 0o755),
  runtime('/run/apel', 0o755),
]
