/** `ssmctl pki`: throw-away certificates. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { KeyKind } from '../crypto/issue.js'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { makePki } from './pki.js'
import type { Ctl } from './ssmctl-process.js'

const KEY_KINDS: readonly KeyKind[] = ['rsa2048', 'rsa3072', 'p256', 'p384']
const MAX_DAYS = 3650

interface InitFlags {
  readonly host?: readonly string[]
  readonly days: string
  readonly keyType: string
}

export function addPkiVerbs(command: Command, ctl: Ctl): void {
  const pki = command.command('pki').description('Throw-away certificates, to try things out.')
  pki
    .command('init')
    .argument('<dir>', 'a new or an empty directory')
    .description(
      'Make a throw-away CA directory with hash links and CRL, and certificates for "sender", "receiver" and "server" (a broker). They say in themselves that they are worth nothing.',
    )
    .option('--host <name...>', 'names and IPv4 addresses of the servers, besides localhost and 127.0.0.1')
    .option('--days <n>', 'how long they are valid', '30')
    .option('--key-type <type>', KEY_KINDS.join(', '), 'rsa2048')
    .action(ctl.action((dir: string, flags: InitFlags) => initPki(resolve(ctl.program.cwd(), dir), flags, ctl)))
}

async function initPki(dir: string, flags: InitFlags, ctl: Ctl): Promise<number> {
  const { capath, holders } = makePki(dir, {
    holders: ['sender', 'receiver', 'server'],
    hosts: ['localhost', '127.0.0.1', ...(flags.host ?? []).map(hostName)],
    keyKind: keyKind(flags.keyType),
    days: days(flags.days),
    now: Date.now(),
    label: randomBytes(3).toString('hex'),
  })
  const dns = join(dir, 'dns')
  writeFileSync(dns, `# Signers the receiver accepts.\n${holders.sender?.dn ?? ''}\n`, { flag: 'wx', flush: true })
  const lines = Object.values(holders).map(({ certificate, key, dn }) => `${certificate}\n  key ${key}\n  DN  ${dn}`)
  await ctl.out.write(`${[`CA directory (capath) ${capath}`, ...lines, `DN list ${dns}`].map(shown).join('\n')}\n`)
  await ctl.err.write('These are throw-away certificates: they prove nothing to anybody else.\n')
  return 0
}

function shown(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, 4096))
    .join('\n')
}

function hostName(host: string): string {
  if (isIPv4(host) || /^(?=.*[a-z])[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/iu.test(host)) return host
  throw new SsmError('usage', `--host ${printable(host)}: neither a host name nor an IPv4 address`)
}

function days(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= MAX_DAYS) return value
  throw new SsmError('usage', `--days ${printable(text)}: write a whole number from 1 to ${MAX_DAYS}`)
}

function keyKind(text: string): KeyKind {
  const kind = KEY_KINDS.find((known) => known === text)
  if (kind === undefined)
    throw new SsmError('usage', `--key-type ${printable(text)}: write one of ${KEY_KINDS.join(', ')}`)
  return kind
}
