/** `ssmctl sign`, `verify`, `encrypt`, `decrypt`: from standard input to standard output. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CipherName } from '../crypto/cipher.js'
import { loadKeyPair, loadRecipient } from '../crypto/keys.js'
import { createSeal, encryptFor, sealWarning } from '../envelope/seal.js'
import { decryptText, isRefusal } from '../envelope/take-apart.js'
import { verifyMessage } from '../envelope/verify.js'
import { SsmError } from '../errors.js'
import type { Reason } from '../message.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { loadCaDirectory } from '../trust/ca-directory.js'
import { loadDnList } from '../trust/dn-list.js'
import { createTrustStore } from '../trust/store.js'
import { type Ctl, readAll } from './ssmctl-process.js'

const CIPHERS: readonly CipherName[] = ['aes128', 'aes192', 'aes256']

interface PairFlags {
  readonly certificate: string
  readonly key: string
}

interface SignFlags extends PairFlags {
  readonly binary?: true
}

interface VerifyFlags extends Partial<PairFlags> {
  readonly capath: string
  readonly crls?: true
  readonly dns?: string
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
    .command('verify')
    .description(
      'Judge a message as ssmreceive does: its content goes to standard output, the signer to standard error. Refused: exit code 1, the reason on standard error, nothing on standard output.',
    )
    .requiredOption('--capath <dir>', 'the directory of trusted CAs')
    .option('--crls', 'require a current revocation list of every CA of the path')
    .option('--dns <file>', 'the list of allowed signers (default: every signer with a good path)')
    .option('--certificate <file>', 'for messages that are encrypted: the certificate of the recipient')
    .option('--key <file>', 'and its private key')
    .action(ctl.action((flags: VerifyFlags) => verify(flags, ctl)))
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
  if (isRefusal(text)) return await refuse(text.refused, text.detail, ctl)
  await ctl.out.write(text)
  return 0
}

async function verify(flags: VerifyFlags, ctl: Ctl): Promise<number> {
  const path = (file: string): string => resolve(ctl.program.cwd(), file)
  const pair = pairOf(flags)
  const snapshot = await loadCaDirectory(path(flags.capath))
  const opened = await verifyMessage(await readAll(ctl.program.stdin), {
    trust: createTrustStore(snapshot, { allowSha1: false, allowWeak: false, crlPolicy: 'require' }),
    crls: flags.crls === true,
    clock: systemClock,
    ...(flags.dns === undefined ? {} : { dns: (await loadDnList(path(flags.dns))).list }),
    ...(pair === undefined ? {} : { decryption: [loadPair(pair, ctl)] }),
  })
  if (opened.verdict === 'ok') {
    await ctl.out.write(opened.plain.body)
    await ctl.err.write(`signer: ${printable(opened.signer.slash, PRINTABLE_LIMITS.sentence)}\n`)
    return 0
  }
  // What was skipped in the CA directory may be why.
  for (const warning of snapshot.warnings) await ctl.err.write(`${printable(warning, PRINTABLE_LIMITS.sentence)}\n`)
  return await refuse(opened.reason, opened.detail, ctl)
}

function pairOf({ certificate, key }: VerifyFlags): PairFlags | undefined {
  if (certificate === undefined && key === undefined) return undefined
  if (certificate !== undefined && key !== undefined) return { certificate, key }
  throw new SsmError('usage', '--certificate and --key: write both or neither')
}

async function refuse(reason: Reason, detail: string, ctl: Ctl): Promise<number> {
  await ctl.err.write(`${reason}: ${printable(detail, PRINTABLE_LIMITS.sentence)}\n`)
  return 1
}
