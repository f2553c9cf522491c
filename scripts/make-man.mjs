// Writes the manual pages ssmsend(1), ssmreceive(1), ssmctl(1) and ssm.cfg(5): node scripts/make-man.mjs DIR, after a build.
// From the flags and verbs that the programs parse, the option table and the table of exit codes in docs/operations.md.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCommand as createProgramCommand } from '../dist/src/cli/flag-command.js'
import { createCommand as createCtlCommand } from '../dist/src/cli/ssmctl.js'
import { VERSION } from '../dist/src/cli/version.js'
import { OPTIONS } from '../dist/src/config/options.js'

const repository = join(import.meta.dirname, '..')
const target = process.argv[2]
if (target === undefined) throw new Error('usage: node scripts/make-man.mjs DIR')

// groff would take these for requests, escapes and typographic signs.
const plain = (text) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
    .replace(/[^\0-\x7f]/gu, (sign) => `\\[u${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`)
const bold = (text) => `\\fB${plain(text)}\\fR`
const rich = (text) => plain(text).replace(/`([^`]+)`/g, '\\fB$1\\fR')

const date = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? 0) * 1000).toISOString().slice(0, 10)
const head = (name, section) =>
  `.TH ${name.toUpperCase()} ${section} "${date}" "SSM ${VERSION}" "Secure STOMP Messenger"\n.nh`
const section = (title, ...lines) => [`.SH ${title}`, ...lines]
const entry = (tag, ...text) => ['.TP', tag, ...text]

function optionEntry(option) {
  const given = option.defaultValue === undefined ? '' : ` (default: ${option.defaultValue})`
  return entry(bold(option.flags), plain(`${option.description}${given}`))
}

function optionEntries(command) {
  const help = command.createHelp()
  return help.visibleOptions(command).flatMap(optionEntry)
}

const words = (command) => command.registeredArguments.map((each) => argumentWord(each)).join(' ')
function argumentWord(argument) {
  const name = argument.variadic ? `${argument.name()}...` : argument.name()
  return argument.required ? `<${name}>` : `[${name}]`
}

// Every verb with its full name; a group's own line is of no use to anybody.
function verbs(command, path) {
  return command.commands.flatMap((each) => {
    const name = `${path} ${each.name()}`
    if (each.commands.length > 0) return verbs(each, name)
    return [`.SS ${plain([name, words(each)].join(' ').trim())}`, plain(each.description()), ...optionEntries(each)]
  })
}

// Rows of docs/operations.md, section "Exit codes": code, ssmsend, ssmreceive, what to do.
function exitStatus(column) {
  const text = readFileSync(join(repository, 'docs', 'operations.md'), 'utf8')
  const [, after = ''] = text.split('\n## Exit codes\n')
  const rows = after
    .split('\n## ')[0]
    .split('\n')
    .filter((line) => /^\| \d/.test(line))
    .map((line) => line.split(' | ').map((cell) => cell.replaceAll('|', '').trim()))
  if (rows.length < 4) throw new Error('docs/operations.md has no table of exit codes')
  const meaning = (row) => (row[column] === 'the same' ? row[1] : row[column])
  return rows.filter((row) => meaning(row) !== '–').flatMap((row) => entry(bold(row[0]), rich(meaning(row))))
}

const CONFIG_FILES = {
  ssmsend: [
    ['/etc/apel/sender.cfg', 'Configuration: see ssm.cfg(5).'],
    [
      '/var/spool/apel/outgoing',
      'What waits to be sent. What cannot be sent is in its folder .ssm/failed, with the reason.',
    ],
    ['/var/log/apel/ssmsend.log', 'The log.'],
  ],
  ssmreceive: [
    ['/etc/apel/receiver.cfg', 'Configuration: see ssm.cfg(5).'],
    ['/etc/apel/dns', 'The DNs that may send, one a line.'],
    ['/var/spool/apel/incoming', 'What was accepted.'],
    ['/var/spool/apel/reject', 'What was refused, with the reason.'],
    ['/var/log/apel/ssmreceive.log', 'The log.'],
    ['/var/run/apel/ssmreceive.pid', 'The pidfile.'],
  ],
}
const SIGNALS = [
  ['SIGTERM, SIGINT', 'Take nothing new, finish what is in flight within 20 s, end with 0. A second one ends at once.'],
  ['SIGHUP', 'Programs that stay open the log again and read certificates, CA directory and DN list again.'],
]
const seeAlso = (own) =>
  section('"SEE ALSO"', ['ssmsend(1)', 'ssmreceive(1)', 'ssmctl(1)', 'ssm.cfg(5)'].filter((name) => name !== own).join(', '), '.PP', 'All log lines with their remedies, and the life of a message: /usr/share/doc/apelssm/docs/.') // prettier-ignore

function programPage(name, column) {
  const command = createProgramCommand(name)
  return [
    head(name, 1),
    ...section('NAME', `${name} \\- ${name === 'ssmsend' ? 'send' : 'receive'} signed messages of a directory queue`),
    ...section('SYNOPSIS', `${bold(name)} [options]`),
    ...section('DESCRIPTION', plain(command.description())),
    ...section('OPTIONS', ...optionEntries(command)),
    ...section('"EXIT STATUS"', ...exitStatus(column)),
    ...section('SIGNALS', ...SIGNALS.flatMap(([tag, text]) => entry(bold(tag), plain(text)))),
    ...section('FILES', ...CONFIG_FILES[name].flatMap(([tag, text]) => entry(`\\fI${plain(tag)}\\fR`, plain(text)))),
    ...seeAlso(`${name}(1)`),
  ]
}

function ctlPage() {
  // Building the command runs nothing: no verb is called.
  const command = createCtlCommand({ program: {}, out: {}, err: {}, action: (run) => run })
  return [
    head('ssmctl', 1),
    ...section('NAME', 'ssmctl \\- check a set\\-up, look into spools, sign and verify messages by hand'),
    ...section('SYNOPSIS', `${bold('ssmctl')} verb [arguments] [options]`),
    ...section('DESCRIPTION', plain(command.description()), '.PP', 'Results go to standard output, complaints to standard error.'),
    ...section('OPTIONS', ...optionEntries(command)),
    ...section('VERBS', ...verbs(command, 'ssmctl')),
    ...section('"EXIT STATUS"', '0: done. 1: looked, and the answer is no. 64: wrong usage. Others as those of ssmsend(1).'),
    ...seeAlso('ssmctl(1)'),
  ] // prettier-ignore
}

function configOption(option) {
  const facts = [
    option.who === 'both' ? '' : `Only for the ${option.who}.`,
    option.choices === undefined ? '' : `One of: ${option.choices.join(', ')}.`,
    option.default === undefined ? '' : `Default: ${option.default}.`,
  ]
  return entry(bold(option.key), plain([option.meaning, ...facts.filter((fact) => fact !== '')].join(' ')))
}

function configPage() {
  const sections = [...new Set(OPTIONS.map((option) => option.section))]
  const of = (name) => OPTIONS.filter((option) => option.section === name).flatMap(configOption)
  return [
    head('ssm.cfg', 5),
    ...section('NAME', 'ssm.cfg \\- configuration of ssmsend and ssmreceive'),
    ...section('SYNOPSIS', '\\fI/etc/apel/sender.cfg\\fR, \\fI/etc/apel/receiver.cfg\\fR'),
    ...section(
      'DESCRIPTION',
      plain(
        "INI files as Python's configparser reads them: key = value or key: value; lines that begin with # or ; are",
      ),
      plain(
        'comments; %(name)s refers to another key, and %% is a percent sign. The flag --print-config shows what is',
      ),
      plain('in effect, --check whether it works. An unknown key is a warning.'),
    ),
    ...sections.flatMap((name) => section(`"[${name}]"`, ...of(name))),
    ...seeAlso('ssm.cfg(5)'),
  ]
}

const pages = {
  'ssmsend.1': programPage('ssmsend', 1),
  'ssmreceive.1': programPage('ssmreceive', 2),
  'ssmctl.1': ctlPage(),
  'ssm.cfg.5': configPage(),
}
mkdirSync(target, { recursive: true })
for (const [name, lines] of Object.entries(pages)) writeFileSync(join(target, name), `${lines.join('\n')}\n`)
