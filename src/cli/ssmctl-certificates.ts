/** `ssmctl verify-cert`: judges certificates by a CA directory. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import type { SigningPolicyMode } from '../trust/policy-files.js'
import type { Purpose } from '../trust/port.js'
import { verifyCertificates } from '../trust/verify-cert.js'
import type { Ctl } from './ssmctl-process.js'

const PURPOSES: readonly Purpose[] = ['any', 'signer']
const POLICIES: readonly SigningPolicyMode[] = ['auto', 'enforce', 'ignore']
/** Paths and DNs, whole. */
const LINE = 16_384

interface Flags {
  readonly capath: string
  readonly crls?: true
  readonly at?: string
  readonly untrusted: readonly string[]
  readonly purpose: string
  readonly signingPolicy: string
  readonly allowSha1: readonly string[]
  readonly allowWeak: readonly string[]
}

export function addCertificateVerbs(command: Command, ctl: Ctl): void {
  // One value each time, not all that follow: the certificates stand behind them.
  const collect = (file: string, files: readonly string[]): readonly string[] => [...files, file]
  command
    .command('verify-cert')
    .argument('<cert...>', 'PEM files; the first certificate of each is judged, others in it may be part of its path')
    .description(
      'Judge certificates: a line each, "FILE: OK DN" or "FILE: FAILED REASON: detail". Exit code 0: all good; 1: one is not; 2: could not judge.',
    )
    .requiredOption('--capath <dir>', 'the directory of trusted CAs')
    .option('--crls', 'require a current revocation list of every CA of the path')
    .option('--at <time>', 'judge for this time (ISO 8601; without a zone: UTC), not for now')
    .option('--untrusted <file>', 'certificates that may be part of a path; may be given several times', collect, [])
    .option('--purpose <purpose>', 'any: the path alone; signer: as for the signer of a message', 'any')
    .option('--signing-policy <mode>', 'as the option signing_policy of a receiver: auto, enforce or ignore', 'auto')
    .option('--allow-sha1 <where>', 'accept SHA-1 in certificates or crls; may be given twice', collect, [])
    .option('--allow-weak <what>', 'accept rsa1024', collect, [])
    .action(ctl.action((files: string[], flags: Flags) => verifyCert(files, flags, ctl)))
}

async function verifyCert(files: readonly string[], flags: Flags, ctl: Ctl): Promise<number> {
  const purpose = PURPOSES.find((known) => known === flags.purpose)
  if (purpose === undefined) throw new SsmError('usage', `--purpose ${printable(flags.purpose)}: write any or signer`)
  const signingPolicy = POLICIES.find((known) => known === flags.signingPolicy)
  if (signingPolicy === undefined) {
    throw new SsmError('usage', `--signing-policy ${printable(flags.signingPolicy)}: write ${POLICIES.join(', ')}`)
  }
  assertWords('--allow-sha1', flags.allowSha1, ['certificates', 'crls'])
  assertWords('--allow-weak', flags.allowWeak, ['rsa1024'])
  // Reported as they were named: scripts look for the names they gave.
  const { lines, errors, exitCode } = await verifyCertificates({
    capath: resolve(ctl.program.cwd(), flags.capath),
    crls: flags.crls === true,
    at: flags.at === undefined ? systemClock.now() : parseTime(flags.at),
    untrusted: flags.untrusted,
    purpose,
    signingPolicy,
    allowSha1: flags.allowSha1.includes('certificates'),
    allowSha1Crls: flags.allowSha1.includes('crls'),
    allowWeak: flags.allowWeak.includes('rsa1024'),
    files,
  })
  for (const error of errors) await ctl.err.write(`${printable(error, LINE)}\n`)
  for (const line of lines) await ctl.out.write(`${printable(line, LINE)}\n`)
  return exitCode
}

function assertWords(option: string, words: readonly string[], known: readonly string[]): void {
  const other = words.find((word) => !known.includes(word))
  if (other !== undefined) throw new SsmError('usage', `${option} ${printable(other)}: write ${known.join(' or ')}`)
}

const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?$/u

/** ms since the epoch. Throws SsmError `usage`. */
function parseTime(text: string): number {
  const [match, zone] = TIME.exec(text) ?? []
  const iso = match?.replace(' ', 'T')
  const day = iso?.length === 10
  const at = iso === undefined ? NaN : Date.parse(zone === undefined && !day ? `${iso}Z` : iso)
  // Date.parse rolls 30 February over into March.
  if (Number.isNaN(at) || !rollsBack(at, text, zone)) {
    throw new SsmError('usage', `--at ${printable(text)}: write a time such as 2026-11-20T14:18:06Z`)
  }
  return at
}

function rollsBack(at: number, text: string, zone: string | undefined): boolean {
  return (zone !== undefined && zone !== 'Z') || new Date(at).toISOString().startsWith(text.slice(0, 10))
}
