// Writes docs/configuration.md from the option table: `npm run build && node scripts/make-reference.mjs`.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OPTIONS, RETIRED } from '../dist/src/config/options.js'

const VALUES = {
  text: () => 'text',
  path: () => 'path',
  paths: () => 'list of paths',
  boolean: () => '`true`, `false`',
  integer: ({ min, max }) => (max === undefined ? 'number' : `${min ?? 0} to ${max}`),
  duration: () => 'time: `30 s`, `5 min`, `2 h`, `7 d`',
  size: () => 'size: `64 KiB`, `10 MiB`',
  keep: () => 'time, and a number: `7 d`, `7 d, 1000000`',
  choice: ({ choices }) => choices.map((word) => `\`${word}\``).join(', '),
  choices: ({ choices }) => `list of ${choices.map((word) => `\`${word}\``).join(', ')}`,
  addresses: () => 'list of hosts, each with or without a port',
  urls: () => 'list of URLs',
  address: () => 'HOST:PORT',
  ca: () => '`both`, `capath`, `system`, or a file',
}

const cell = (text) => text.replaceAll('|', '\\|')

function standard(option) {
  if (option.required === true) return 'required'
  const usual = option.default === undefined ? '–' : `\`${option.default}\``
  return option.amsDefault === undefined ? usual : `${usual}; AMS \`${option.amsDefault}\``
}

function row(option) {
  const meaning = option.only === undefined ? option.meaning : `${option.meaning} (${option.only} only.)`
  return `| \`${option.key}\` | ${option.who} | ${VALUES[option.type](option)} | ${standard(option)} | ${cell(meaning)} |`
}

function section(name) {
  const head =
    name === 'sender' || name === 'receiver' ? `the ${name}'s file` : 'both files unless a row says otherwise'
  const rows = OPTIONS.filter((option) => option.section === name).map(row)
  return [
    `## \`[${name}]\``,
    '',
    `In ${head}.`,
    '',
    '| key | who | values | default | meaning |',
    '|---|---|---|---|---|',
    ...rows,
  ]
}

const retired = Object.entries(RETIRED).flatMap(([name, keys]) =>
  Object.entries(keys).map(([key, words]) => `- \`[${name}] ${key}\`: ${words}`),
)

const sections = [...new Set(OPTIONS.map((option) => option.section))]
const text = [
  '# Configuration',
  '',
  '<!-- Made from the option table by scripts/make-reference.mjs: change src/config/table, not this file. -->',
  '',
  "Files are INI as Python's `configparser` reads them: `key = value` or `key: value`, `#` and `;` begin comment lines,",
  '`%(name)s` refers to another key, `%%` is a percent sign. `ssmsend --print-config` and `ssmreceive --print-config`',
  'show what is in effect. An unknown key is a warning that names the nearest known one; all problems are said at once.',
  '',
  ...sections.flatMap((name) => [...section(name), '']),
  '## Retired',
  '',
  ...retired,
  '',
].join('\n')

writeFileSync(join(import.meta.dirname, '..', 'docs', 'configuration.md'), text)
