/**
 * Options as text: the effective configuration, and the files that are shipped.
 */
import type { Option, Program } from './option.js'
import { optionsOf, sampleOf } from './options.js'
import type { Effective } from './values.js'

/** `--print-config`: every option with what it has, in file form; secrets hidden, defaults marked. */
export function printConfig(effective: readonly Effective[]): string {
  return inSections(
    effective,
    ({ option }) => option,
    ({ option, text, line }) => {
      if (text === undefined) return [`# ${option.key}: not set`]
      const value = option.secret === true ? '(hidden)' : text.replaceAll('\n', '\n    ')
      return line === undefined ? ['# default', `${option.key}: ${value}`] : [`${option.key}: ${value}`]
    },
  )
}

const HEADS: Readonly<Record<Program, readonly string[]>> = {
  sender: ['# Configuration of ssmsend. Lines that are commented out show the defaults.'],
  receiver: ['# Configuration of ssmreceive. Lines that are commented out show the defaults.'],
}

/** The file shipped as `conf/sender.cfg` or `conf/receiver.cfg`. */
export function sampleConfig(program: Program): string {
  const body = inSections(
    optionsOf(program),
    (option) => option,
    (option) => {
      const sample = sampleOf(option, program)
      const line =
        sample === undefined ? `#${option.key}: ${option.default ?? ''}`.trimEnd() : `${option.key}: ${sample}`
      return [...wrapped(choicesOf(option)), line, '']
    },
  )
  return `${HEADS[program].join('\n')}\n\n${body.trimEnd()}\n`
}

/** `conf/dns`. */
export function sampleDns(): string {
  return `${[
    ...wrapped(
      'The signers whose messages ssmreceive accepts: one DN a line in the form that openssl prints with -nameopt compat, beginning with a slash, or as RFC 4514 writes it (CN=host,O=Site,C=UK). Lines with # and empty lines are ignored. The file is read again every ten minutes and on SIGHUP.',
    ),
    '#',
    ...wrapped(
      'A line that begins with ! bans a signer: its messages are dropped. Behind a tab, issuer=DN allows certificates of that CA only. A line that ends in /* stands for all names below it (to allow them, dn_wildcards). A list that allows nobody on purpose says so: # none, without anything else in the line.',
    ),
    '#',
    '# openssl x509 -in hostcert.pem -noout -subject -nameopt compat',
    '#',
    '#/C=UK/O=eScience/OU=CLRC/CN=host.example.org',
  ].join('\n')}\n`
}

function choicesOf({ meaning, choices, only, amsDefault }: Option): string {
  const words = choices === undefined ? '' : ` (${choices.join(', ')})`
  const ams = amsDefault === undefined ? '' : ` Default with AMS: ${amsDefault}.`
  return `${only === undefined ? '' : `${only} only. `}${meaning}${words}${ams}`
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > 100) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

function inSections<T>(items: readonly T[], optionOf: (item: T) => Option, linesOf: (item: T) => string[]): string {
  const lines: string[] = []
  let section = ''
  for (const item of items) {
    const option = optionOf(item)
    if (option.section !== section) {
      if (section !== '') lines.push('')
      section = option.section
      lines.push(`[${section}]`)
    }
    lines.push(...linesOf(item))
  }
  return `${lines.join('\n')}\n`
}
