/**
 * From wire bytes to a signed message whose structure is known and of which nothing is verified: S/MIME text, perhaps
 * decryption, CMS structure. What the bytes are at fault for is a refusal, data; SsmError `malformed` and `limit` of the
 * parsers end here.
 */
import { breatheAfter } from '../crypto/breath.js'
import { CMS, parseCms } from '../crypto/cms.js'
import { decryptEnveloped, parseEnvelopedData, type Decrypted, type DecryptionPair } from '../crypto/cms-enveloped.js'
import { parseSignedData, type SignedData } from '../crypto/cms-signed.js'
import { malformed } from '../crypto/der.js'
import type { Unwrap } from '../crypto/key-transport.js'
import { parseSmime, type CmsKind, type Smime } from '../crypto/smime.js'
import { isSsmError } from '../errors.js'
import type { Reason } from '../message.js'

/** Refused without having looked at who signed. */
export interface Refusal {
  readonly refused: Reason
  readonly detail: string
}

export interface SignedMessage {
  readonly data: SignedData
  /** The signed content: the part as it came, or what the structure holds. */
  readonly content: Buffer
  /** Was it beside the structure, and may its line ends have changed on the way? */
  readonly detached: boolean
  /** Was it decrypted, so that nobody but us has its memory? */
  readonly ours?: true
}

/** One constant sentence for whatever goes wrong between here and a signed message: it must tell nothing more. */
const UNDECRYPTABLE: Refusal = {
  refused: 'undecryptable',
  detail: 'it is not encrypted for our certificate, or it is damaged, or there is no signed message inside',
}

/** Public before any key is used: what the message says of itself. */
const WEAK_CIPHER: Refusal = {
  refused: 'undecryptable',
  detail: 'it is encrypted with 3DES, which only allow_weak = 3des accepts',
}

/** With what encrypted messages are decrypted. */
export interface DecryptionSettings {
  /** Our certificates with their keys. Asked for each message whose outer header says that it is encrypted. */
  readonly pairs: () => readonly DecryptionPair[]
  /** Accept 3DES? */
  readonly allow3des: boolean
  /** Where private operations of RSA are done; default: here, which holds up everything else for 0.2 ms. */
  readonly unwrap?: Unwrap
}

/** Takes a message apart, decrypting it when its outer header says that it is encrypted. */
export async function takeApart(wire: Buffer, settings: DecryptionSettings): Promise<SignedMessage | Refusal> {
  const outer = await refusingLater(async () => {
    const smime = await parseSmime(wire)
    if (smime.kind === 'other') {
      return { refused: 'not-smime' as const, detail: `not an S/MIME signed message: ${smime.detail}` }
    }
    return kindOf(smime) === 'signed' ? { message: signedMessage(smime) } : { encrypted: smime }
  })
  if (isRefusal(outer)) return outer
  if ('message' in outer) return outer.message
  await breatheAfter(wire)
  const decrypted = await decryptSmime(outer.encrypted, settings)
  if (isRefusal(decrypted)) return decrypted
  await breatheAfter(wire)
  return await innerMessage(decrypted)
}

/** The text inside an encrypted message. */
export async function decryptText(wire: Buffer, settings: DecryptionSettings): Promise<Buffer | Refusal> {
  const outer = await refusingLater(async () => {
    const smime = await parseSmime(wire)
    if (smime.kind !== 'other' && kindOf(smime) === 'encrypted') return smime
    return { refused: 'not-smime' as const, detail: 'not an encrypted S/MIME message' }
  })
  if (isRefusal(outer)) return outer
  const decrypted = await decryptSmime(outer, settings)
  if (isRefusal(decrypted)) return decrypted
  return decrypted.intact ? decrypted.plain : UNDECRYPTABLE
}

/** Runs a parser; what it says about the bytes becomes a refusal, everything else goes on upwards. */
export function refusing<T>(parse: () => T | Refusal): T | Refusal {
  try {
    return parse()
  } catch (error) {
    if (isSsmError(error, 'malformed', 'limit')) return { refused: 'malformed', detail: error.message }
    throw error
  }
}

/** The same for what takes its time. */
export async function refusingLater<T>(work: () => Promise<T | Refusal>): Promise<T | Refusal> {
  try {
    return await work()
  } catch (error) {
    if (isSsmError(error, 'malformed', 'limit')) return { refused: 'malformed', detail: error.message }
    throw error
  }
}

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value
}

type Known = Exclude<Smime, { kind: 'other' }>

/** What the outer header declares, or else what the structure says it is. Never anything in the body. */
function kindOf(smime: Known): CmsKind {
  if (smime.kind === 'detached') return 'signed'
  if (smime.declared !== undefined) return smime.declared
  return parseCms(smime.cms, 'the message', ({ type }) => (type === CMS.signedData ? 'signed' : 'encrypted'))
}

function signedMessage(smime: Known): SignedMessage {
  const data = parseCms(smime.cms, 'the signature', parseSignedData)
  if (smime.kind === 'detached') {
    // Two contents, one of them signed: readers would disagree which one the message is.
    if (data.embedded !== undefined) throw malformed('the signature', 'holds content of its own beside the signed part')
    return { data, content: smime.content, detached: true }
  }
  if (data.embedded === undefined) throw malformed('the message', 'holds a signature without content')
  return { data, content: data.embedded, detached: false }
}

/** What was decrypted is in memory of its own: the octets of the envelope may go back then. */
async function decryptSmime(smime: Known, settings: DecryptionSettings): Promise<Decrypted | Refusal> {
  try {
    return await decryptCms(smime.cms, settings)
  } finally {
    if (smime.kind === 'opaque') smime.giveBack?.()
  }
}

async function decryptCms(cms: Buffer, { pairs, allow3des, unwrap }: DecryptionSettings): Promise<Decrypted | Refusal> {
  const ours = pairs()
  const message = refusing(() => parseCms(cms, 'the encrypted message', parseEnvelopedData))
  if (isRefusal(message)) return UNDECRYPTABLE
  if (message.cipher.weak && !allow3des) return WEAK_CIPHER
  try {
    return (await decryptEnveloped(message, ours, unwrap)) ?? UNDECRYPTABLE
  } catch (error) {
    if (isSsmError(error, 'malformed', 'limit')) return UNDECRYPTABLE
    throw error
  }
}

/**
 * The signed message inside. Padding is judged only after the text was parsed like any other, and behind the text there
 * may be nothing but blanks: otherwise appended blocks would tell by the verdict whether their padding is right.
 */
async function innerMessage({ plain, intact }: Decrypted): Promise<SignedMessage | Refusal> {
  const inner = await refusingLater(async () => {
    const smime = await parseSmime(plain)
    if (smime.kind === 'other' || kindOf(smime) !== 'signed') return UNDECRYPTABLE
    if (smime.kind === 'detached' && !isBlank(smime.epilogue)) return UNDECRYPTABLE
    return { ...signedMessage(smime), ours: true as const }
  })
  return isRefusal(inner) || !intact ? UNDECRYPTABLE : inner
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((octet) => octet === 0x0a || octet === 0x0d || octet === 0x20 || octet === 0x09)
}
