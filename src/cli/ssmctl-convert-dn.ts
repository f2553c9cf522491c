/** `ssmctl convert-dn`: a distinguished name in the other spellings. */
import type { Command } from 'commander'
import { isSlashAmbiguous, makeDn } from '../crypto/name.js'
import { formatRfc2253, formatRfc4514, parseRfc4514 } from '../crypto/rfc4514.js'
import { SsmError } from '../errors.js'
import type { Dn } from '../message.js'
import { printable } from '../observe/printable.js'
import { parseDnName } from '../trust/dn-line.js'
import type { Ctl } from './ssmctl-process.js'

const FORMS: Readonly<Record<string, (dn: Dn) => string>> = {
  slash: ({ slash }) => slash,
  rfc4514: formatRfc4514,
  rfc2253: formatRfc2253,
}

interface Flags {
  readonly to?: string
}

/** Longest name that is printed, characters. */
const LONGEST = 8192

export function addConvertDnVerb(command: Command, ctl: Ctl): void {
  command
    .command('convert-dn')
    .argument('<dn>', '/C=…/O=…/CN=…, or CN=…,O=…,C=… in either direction')
    .option('--to <form>', `${Object.keys(FORMS).join(', ')} alone (default: a line each)`)
    .description(
      'Print a name with slashes (DN lists, logs), as RFC 4514 and as RFC 2253 write it. Exit code 1: it can be read in two ways, or in none.',
    )
    .action(ctl.action((text: string, flags: Flags) => convert(text, flags, ctl)))
}

async function convert(text: string, { to }: Flags, ctl: Ctl): Promise<number> {
  if (to !== undefined && !Object.hasOwn(FORMS, to)) {
    throw new SsmError('usage', `--to ${printable(to)}: write ${Object.keys(FORMS).join(', ')}`)
  }
  // As `openssl x509 -subject` prints it.
  const name = text.trim().replace(/^(?:subject|issuer) *= */u, '')
  const dn = parseDnName(name)
  if (typeof dn === 'string') {
    await ctl.err.write(`ssmctl convert-dn: ${whyNot(name, dn)}\n`)
    return 1
  }
  for (const [form, format] of Object.entries(FORMS)) {
    if (to !== undefined && to !== form) continue
    await ctl.out.write(`${to === undefined ? `${form}\t` : ''}${printable(format(dn), LONGEST)}\n`)
  }
  if (isSlashAmbiguous(dn) && (to === undefined || to === 'slash')) {
    await ctl.err.write(
      'ssmctl convert-dn: with slashes this name can be read in two ways: list it as RFC 4514 writes it\n',
    )
  }
  return 0
}

function whyNot(name: string, why: string): string {
  const rdns = name.startsWith('/') ? undefined : parseRfc4514(name)
  if (rdns === undefined) return `${printable(name)} is no name: write /C=UK/O=Site/CN=host, or CN=host,O=Site,C=UK`
  const read = [rdns, [...rdns].reverse()].map((each) => printable(makeDn(each).slash, LONGEST))
  return `this name can be read in both directions: it ${why.replace('readable in both directions: ', 'has C, DC or O at both ends: ')}.\n  from the left:  ${read[0] ?? ''}\n  from the right: ${read[1] ?? ''}`
}
