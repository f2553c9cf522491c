/** `ssmctl sign`, `verify`, `encrypt`, `decrypt`: from standard input to standard output. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { CIPHER_NAMES } from '../crypto/cipher.js'
import { KEY_TRANSPORTS, MAX_RECIPIENTS } from '../crypto/cms-enveloped.js'
import { loadKeyPair, loadRecipient } from '../crypto/keys.js'
import { createSeal, encryptFor, encryptionWarning, sealWarning } from '../envelope/seal.js'
import { decryptText, isRefusal } from '../envelope/take-apart.js'
import { verifyMessage } from '../envelope/verify.js'
import { SsmError } from '../errors.js'
import type { Reason } from '../message.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { loadCaDirectory } from '../trust/ca-directory.js'
import { loadDnList } from '../trust/dn-file.js'
import { createTrustStore } from '../trust/store.js'
import { type Ctl, readAll } from './ssmctl-process.js'

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
  readonly dnWildcards?: true
  readonly allowSha1?: readonly string[]
  readonly allowWeak?: readonly string[]
}

interface EncryptFlags {
  readonly recipient: readonly string[]
  readonly cipher: (typeof CIPHER_NAMES)[number]
  readonly keyTransport: (typeof KEY_TRANSPORTS)[number]
}

interface DecryptFlags extends PairFlags {
  readonly allowWeak?: readonly string[]
}

/** The options of the configuration of these names. */
const allowWeak = (): Option =>
  new Option('--allow-weak <what...>', 'accept weak algorithms all the same').choices(['rsa1024', '3des'])
const allowSha1 = (): Option =>
  new Option('--allow-sha1 <where...>', 'accept SHA-1 all the same').choices(['certificates', 'crls', 'messages'])

export function addEnvelopeVerbs(command: Command, ctl: Ctl): void {
  addSigningVerbs(command, ctl)
  addEncryptingVerbs(command, ctl)
}

function addSigningVerbs(command: Command, ctl: Ctl): void {
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
    .option('--dn-wildcards', 'lines of the list that end in /* allow all names below')
    .option('--certificate <file>', 'for messages that are encrypted: the certificate of the recipient')
    .option('--key <file>', 'and its private key')
    .addOption(allowSha1())
    .addOption(allowWeak())
    .action(ctl.action((flags: VerifyFlags) => verify(flags, ctl)))
}

function addEncryptingVerbs(command: Command, ctl: Ctl): void {
  command
    .command('encrypt')
    .description('Encrypt a signed message; each of the recipients can read it.')
    .requiredOption('--recipient <file...>', 'the certificates of the recipients (PEM)')
    .addOption(new Option('--cipher <name>', 'how the message is encrypted').choices(CIPHER_NAMES).default('aes256'))
    .addOption(
      new Option('--key-transport <name>', 'how recipients with RSA keys get the key')
        .choices(KEY_TRANSPORTS)
        .default('pkcs1'),
    )
    .action(ctl.action((flags: EncryptFlags) => encrypt(flags, ctl)))
  command
    .command('decrypt')
    .description('Decrypt a message; what was encrypted, a signed message as a rule, goes to standard output.')
    .requiredOption('--certificate <file>', 'the certificate for which it was encrypted (PEM)')
    .requiredOption('--key <file>', 'its private key (PEM)')
    .addOption(allowWeak())
    .action(ctl.action((flags: DecryptFlags) => decrypt(flags, ctl)))
}

function loadPair({ certificate, key }: PairFlags, ctl: Ctl, weak: readonly string[] = []) {
  const cwd = ctl.program.cwd()
  const options = { now: systemClock.now(), allowWeak: weak.includes('rsa1024') }
  return loadKeyPair(resolve(cwd, certificate), resolve(cwd, key), options)
}

async function sign(flags: SignFlags, ctl: Ctl): Promise<number> {
  const { certificate, key } = loadPair(flags, ctl)
  const warning = sealWarning({ certificate, key })
  if (warning !== undefined) await ctl.err.write(`ssmctl sign: ${warning}\n`)
  const seal = createSeal({ certificate, key, ...NOT_ENCRYPTED, binary: flags.binary === true, clock: systemClock })
  await ctl.out.write(await seal({ body: await readAll(ctl.program.stdin) }))
  return 0
}

/** No recipient: these do not matter. */
const NOT_ENCRYPTED = { cipher: 'aes256', keyTransport: 'pkcs1' } as const

async function encrypt(flags: EncryptFlags, ctl: Ctl): Promise<number> {
  if (flags.recipient.length > MAX_RECIPIENTS) {
    throw new SsmError('usage', `--recipient: at most ${MAX_RECIPIENTS} can read one message`)
  }
  const recipients = flags.recipient.map((file) =>
    loadRecipient(resolve(ctl.program.cwd(), file), { now: systemClock.now() }),
  )
  const warning = encryptionWarning(recipients, flags)
  if (warning !== undefined) await ctl.err.write(`ssmctl encrypt: ${warning}\n`)
  await ctl.out.write(await encryptFor(await readAll(ctl.program.stdin), recipients, flags))
  return 0
}

async function decrypt(flags: DecryptFlags, ctl: Ctl): Promise<number> {
  const pair = loadPair(flags, ctl, flags.allowWeak)
  const text = await decryptText(await readAll(ctl.program.stdin), {
    pairs: () => [pair],
    allow3des: flags.allowWeak?.includes('3des') === true,
  })
  if (isRefusal(text)) return await refuse(text.refused, text.detail, ctl)
  await ctl.out.write(text)
  return 0
}

async function verify(flags: VerifyFlags, ctl: Ctl): Promise<number> {
  const path = (file: string): string => resolve(ctl.program.cwd(), file)
  const pair = pairOf(flags)
  const { allowSha1: sha1 = [], allowWeak: weak = [] } = flags
  const snapshot = await loadCaDirectory(path(flags.capath))
  const allowWeakKeys = weak.includes('rsa1024')
  const opened = await verifyMessage(await readAll(ctl.program.stdin), {
    trust: createTrustStore(snapshot, {
      allowSha1: sha1.includes('certificates'),
      allowSha1Crls: sha1.includes('crls'),
      allowWeak: allowWeakKeys,
      crlPolicy: 'require',
    }),
    allowSha1: sha1.includes('messages'),
    allowWeak: allowWeakKeys,
    allow3des: weak.includes('3des'),
    crls: flags.crls === true,
    clock: systemClock,
    ...(flags.dns === undefined
      ? {}
      : { dns: (await loadDnList(path(flags.dns), { wildcards: flags.dnWildcards === true })).list }),
    ...(pair === undefined ? {} : { decryption: [loadPair(pair, ctl, weak)] }),
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
