/**
 * Content encryption algorithms as a table (RFC 3565, RFC 5084, RFC 8551 section 2.7). A new cipher is a line.
 *
 * Large contents are worked on in pieces with a breath between them: nothing else of the program stands still for long.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { eachPiece } from './breath.js'
import type { Algorithm } from './cms.js'
import { DerReader, malformed, smallInteger, TAG } from './der.js'
import { integer, octetString, oid, sequence } from './der-write.js'

/** As the option `cipher` names them. */
export const CIPHER_NAMES = ['aes128', 'aes192', 'aes256', 'aes128-gcm', 'aes256-gcm'] as const
export type CipherName = (typeof CIPHER_NAMES)[number]

type CbcName = 'aes-128-cbc' | 'aes-192-cbc' | 'aes-256-cbc' | 'des-ede3-cbc'
type GcmName = 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm'

interface CipherEntry {
  readonly oid: string
  /** Node's name. */
  readonly node: CbcName | GcmName
  readonly keyLength: number
  /** Octets of the initialisation vector or nonce that we write; GCM ones of others may differ. */
  readonly ivLength: number
  /** Octets of a block, which padding fills. */
  readonly block: number
  /** Only `allow_weak` accepts it. */
  readonly weak?: true
}

function aesCbc(id: string, node: CbcName, keyLength: number): CipherEntry {
  return { oid: id, node, keyLength, ivLength: 16, block: 16 }
}

function aesGcm(id: string, node: GcmName, keyLength: number): CipherEntry {
  return { oid: id, node, keyLength, ivLength: 12, block: 1 }
}

/** Written, by the name of the option. */
const CIPHERS: Readonly<Record<CipherName, CipherEntry>> = {
  aes128: aesCbc('2.16.840.1.101.3.4.1.2', 'aes-128-cbc', 16),
  aes192: aesCbc('2.16.840.1.101.3.4.1.22', 'aes-192-cbc', 24),
  aes256: aesCbc('2.16.840.1.101.3.4.1.42', 'aes-256-cbc', 32),
  'aes128-gcm': aesGcm('2.16.840.1.101.3.4.1.6', 'aes-128-gcm', 16),
  'aes256-gcm': aesGcm('2.16.840.1.101.3.4.1.46', 'aes-256-gcm', 32),
}

/** Read besides. */
const READ_ONLY: readonly CipherEntry[] = [
  aesGcm('2.16.840.1.101.3.4.1.26', 'aes-192-gcm', 24),
  { oid: '1.2.840.113549.3.7', node: 'des-ede3-cbc', keyLength: 24, ivLength: 8, block: 8, weak: true },
]

const BY_OID: ReadonlyMap<string, CipherEntry> = new Map(
  [...Object.values(CIPHERS), ...READ_ONLY].map((entry) => [entry.oid, entry]),
)

/** Octets of the authentication tag we write; those read have 12 to 16 (RFC 5084 section 3.2). */
const TAG_LENGTH = 16
const MIN_TAG = 12
const DEFAULT_TAG = 12
/** Longest nonce that is read; twelve octets are usual. */
const MAX_NONCE = 64

/** Encrypted content, with the fresh key that did it and the AlgorithmIdentifier that says how. */
export interface Encrypted {
  readonly key: Buffer
  readonly algorithm: Buffer
  /** In pieces, one behind the other: who lays them out copies them anyway. */
  readonly content: readonly Buffer[]
  /** The authentication tag, of GCM. */
  readonly mac?: Buffer
}

/** Does this cipher authenticate what it encrypts? It then needs AuthEnvelopedData (RFC 5083). */
export function authenticates(name: CipherName): boolean {
  return isGcm(CIPHERS[name].node)
}

function isGcm(node: CipherEntry['node']): node is GcmName {
  return node.endsWith('-gcm')
}

/** Encrypts with a fresh random key and initialisation vector. */
export async function encryptContent(name: CipherName, plain: Buffer): Promise<Encrypted> {
  const { oid: id, node, keyLength, ivLength } = CIPHERS[name]
  const random = randomBytes(keyLength + ivLength)
  const key = random.subarray(0, keyLength)
  const iv = random.subarray(keyLength)
  if (!isGcm(node)) {
    const cipher = createCipheriv(node, key, iv)
    const content = await piecesOf(plain, cipher)
    return { key, algorithm: sequence(oid(id), octetString(iv)), content }
  }
  const cipher = createCipheriv(node, key, iv, { authTagLength: TAG_LENGTH })
  const content = await piecesOf(plain, cipher)
  const algorithm = sequence(oid(id), sequence(octetString(iv), integer(TAG_LENGTH)))
  return { key, algorithm, content, mac: cipher.getAuthTag() }
}

interface Pieces {
  update(piece: Buffer): Buffer
  final(): Buffer
}

async function piecesOf(bytes: Buffer, cipher: Pieces): Promise<readonly Buffer[]> {
  const done: Buffer[] = []
  await eachPiece(bytes.length, (start, end) => {
    done.push(cipher.update(bytes.subarray(start, end)))
  })
  const last = cipher.final()
  if (last.length > 0) done.push(last)
  return done
}

async function inPieces(bytes: Buffer, cipher: Pieces): Promise<Buffer> {
  const done = await piecesOf(bytes, cipher)
  // Decrypting leaves nothing for the end: one piece needs no copy.
  const [only] = done
  return done.length === 1 && only !== undefined ? only : Buffer.concat(done)
}

/** What is encrypted, and what vouches for it. */
export interface SealedContent {
  readonly content: Buffer
  /** AuthEnvelopedData: the tag, and the attributes it covers too. */
  readonly mac?: Buffer
  readonly attributes?: Buffer
}

/** A content cipher of a message, its parameters read. */
export interface ContentCipher {
  readonly keyLength: number
  /** Only `allow_weak = 3des` accepts it. */
  readonly weak: boolean
  /**
   * Never throws for a wrong key: `intact` says whether the padding or the tag was right. A caller must not act on it
   * before it has looked at the plain text in the same way as always, or it becomes an oracle. What a wrong tag
   * disowns is not released: then `plain` is empty.
   */
  decrypt(key: Buffer, sealed: SealedContent): Promise<{ readonly plain: Buffer; readonly intact: boolean }>
}

/**
 * Throws SsmError `malformed` for a cipher that is not read or parameters that are damaged. `authenticated`: it stands in
 * an AuthEnvelopedData, where only GCM belongs, and GCM belongs nowhere else (RFC 5084 section 3).
 */
export function contentCipher(algorithm: Algorithm, authenticated: boolean, what: string): ContentCipher {
  const entry = BY_OID.get(algorithm.oid)
  if (entry === undefined || isGcm(entry.node) !== authenticated) {
    throw malformed(what, `is encrypted with the cipher ${algorithm.oid}, which is not accepted there`)
  }
  const { node, keyLength, weak = false } = entry
  if (isGcm(node)) return { keyLength, weak, decrypt: gcm(node, gcmParameters(algorithm, what)) }
  const { parameters } = algorithm
  if (parameters?.tag !== TAG.octetString || parameters.value.length !== entry.ivLength) {
    throw malformed(what, 'has a damaged initialisation vector')
  }
  return { keyLength, weak, decrypt: cbc(entry, parameters.value) }
}

function cbc({ node, block }: CipherEntry, iv: Buffer): ContentCipher['decrypt'] {
  return async (key, { content }) => {
    if (content.length === 0 || content.length % block !== 0) return { plain: Buffer.alloc(0), intact: false }
    const decipher = createDecipheriv(node, key, iv).setAutoPadding(false)
    return unpad(await inPieces(content, decipher), block)
  }
}

/** Padding of RFC 5652 section 6.3, looked at without branches on its octets; wrong padding leaves everything in place. */
function unpad(padded: Buffer, block: number): { readonly plain: Buffer; readonly intact: boolean } {
  const count = padded[padded.length - 1] ?? 0
  let wrong = Number(count === 0) | Number(count > block)
  for (let back = 1; back <= block; back++) {
    const octet = padded[padded.length - back] ?? 0
    wrong |= Number(back <= count) & Number(octet !== count)
  }
  const intact = wrong === 0
  return { plain: padded.subarray(0, padded.length - (intact ? count : 0)), intact }
}

interface GcmParameters {
  readonly nonce: Buffer
  readonly tagLength: number
}

/** GCMParameters (RFC 5084 section 3.2). */
function gcmParameters({ parameters }: Algorithm, what: string): GcmParameters {
  if (parameters?.tag !== TAG.sequence) throw malformed(what, 'has damaged parameters of GCM')
  const reader = new DerReader(parameters.value, what)
  const nonce = reader.next(TAG.octetString).value
  const length = reader.optional(TAG.integer)
  reader.finish()
  const tagLength = length === undefined ? DEFAULT_TAG : smallInteger(length.value, what)
  if (nonce.length === 0 || nonce.length > MAX_NONCE || tagLength < MIN_TAG || tagLength > TAG_LENGTH) {
    throw malformed(what, 'has parameters of GCM that are not accepted')
  }
  return { nonce, tagLength }
}

function gcm(node: GcmName, { nonce, tagLength }: GcmParameters): ContentCipher['decrypt'] {
  return async (key, { content, mac, attributes }) => {
    const nothing = { plain: Buffer.alloc(0), intact: false }
    if (mac?.length !== tagLength) return nothing
    const decipher = createDecipheriv(node, key, nonce, { authTagLength: tagLength })
    if (attributes !== undefined) decipher.setAAD(attributes)
    decipher.setAuthTag(mac)
    try {
      return { plain: await inPieces(content, decipher), intact: true }
    } catch {
      // The only thing that throws here is final(), for a tag that does not fit.
      return nothing
    }
  }
}
