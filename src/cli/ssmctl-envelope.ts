/** `ssmctl sign`, `encrypt`, `decrypt`: from standard input to standard output. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CipherName } from '../crypto/cipher.js'
import { loadKeyPair, loadRecipient } from '../crypto/keys.js'
import { createSeal, encryptFor, sealWarning } from '../envelope/seal.js'
import { decryptText, isRefusal } from '../envelope/take-apart.js'
import { SsmError } from '../errors.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { type Ctl, readAll } from './ssmctl-process.js'

const CIPHERS: readonly CipherName[] = ['aes128', 'aes192', 'aes256']

interface PairFlags {
  readonly certificate: string
  readonly key: string
}

interface SignFlags extends PairFlags {
  readonly binary?: true
}

interface EncryptFlags {
  readonly recipient: string
  readonly cipher: string
}

export function addEnvelopeVerbs(command: Command, ctl: Ctl): void {
  command
    .command('sign')
    .description('Sign standard input as ssmsend does; the message goes to standard output.')
    .requiredOption('--certificate <file>', 'the certificate of the signer (PEM)')
    .requiredOption('--key <file>', 'its private key (PEM)')
    .option('--binary', 'sign contents that are not UTF-8, too')
    .action(ctl.action((flags: SignFlags) => sign(flags, ctl)))
  command
    .command('encrypt')
    .description('Encrypt a signed message for one recipient.')
    .requiredOption('--recipient <file>', 'the certificate of the recipient (PEM)')
    .option('--cipher <name>', CIPHERS.join(', '), 'aes256')
    .action(ctl.action((flags: EncryptFlags) => encrypt(flags, ctl)))
  command
    .command('decrypt')
    .description('Decrypt a message; what was encrypted, a signed message as a rule, goes to standard output.')
    .requiredOption('--certificate <file>', 'the certificate for which it was encrypted (PEM)')
    .requiredOption('--key <file>', 'its private key (PEM)')
    .action(ctl.action((flags: PairFlags) => decrypt(flags, ctl)))
}

function loadPair({ certificate, key }: PairFlags, ctl: Ctl) {
  const cwd = ctl.program.cwd()
  return loadKeyPair(resolve(cwd, certificate), resolve(cwd, key), { now: systemClock.now() })
}

async function sign(flags: SignFlags, ctl: Ctl): Promise<number> {
  const { certificate, key } = loadPair(flags, ctl)
  const warning = sealWarning({ certificate, key })
  if (warning !== undefined) await ctl.err.write(`ssmctl sign: ${warning}\n`)
  const seal = createSeal({ certificate, key, cipher: 'aes256', binary: flags.binary === true, clock: systemClock })
  await ctl.out.write(await seal({ body: await readAll(ctl.program.stdin) }))
  return 0
}

async function encrypt(flags: EncryptFlags, ctl: Ctl): Promise<number> {
  const cipher = CIPHERS.find((name) => name === flags.cipher)
  if (cipher === undefined) {
    throw new SsmError('usage', `--cipher ${printable(flags.cipher)}: write one of ${CIPHERS.join(', ')}`)
  }
  const recipient = loadRecipient(resolve(ctl.program.cwd(), flags.recipient), { now: systemClock.now() })
  await ctl.out.write(encryptFor(await readAll(ctl.program.stdin), recipient, cipher))
  return 0
}

async function decrypt(flags: PairFlags, ctl: Ctl): Promise<number> {
  const pair = loadPair(flags, ctl)
  const text = decryptText(await readAll(ctl.program.stdin), [pair])
  if (isRefusal(text)) {
    await ctl.err.write(`${text.refused}: ${printable(text.detail, PRINTABLE_LIMITS.sentence)}\n`)
    return 1
  }
  await ctl.out.write(text)
  return 0
}
