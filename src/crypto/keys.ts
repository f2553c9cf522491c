/**
 * Our own key pair and the recipient's certificate, from files that an operator wrote. Everything wrong with them is found
 * here, at start, as SsmError `configuration` in words that say what to do. Secrets never appear in an error.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { messageOf, SsmError } from '../errors.js'
import { readSmallFile, type SmallFile } from '../os/small-file.js'
import { type Certificate, parseCertificate } from './certificate.js'
import { parsePem, type PemBlock, toPem } from './pem.js'
import { refusedKey } from './signature.js'

/** Largest key or certificate file, bytes. A chain of ten certificates has 20 KiB. */
const MAX_FILE = 1024 * 1024
/** Most certificates in a file. */
const MAX_CHAIN = 16
/** A certificate must live at least that long (the Python program checks so too). */
const MIN_LEFT = 24 * 3_600_000

/** Our certificate with the rest of its file, and its key. */
export interface KeyPair {
  readonly certificate: Certificate
  /** Other certificates of the file, in its order. */
  readonly chain: readonly Certificate[]
  readonly key: KeyObject
  /** For TLS: certificate first, then the chain. */
  readonly certificatePem: string
  /** For TLS. Secret. */
  readonly keyPem: string
  /** Every user of the machine may read the key file. */
  readonly keyReadableByOthers: boolean
}

export interface KeyOptions {
  /** ms since the epoch: the time the dates are compared with. */
  readonly now: number
  /** Accept RSA keys of 1024 bits. */
  readonly allowWeak?: boolean
}

/** Reads and checks our pair. Throws SsmError `configuration`. */
export function loadKeyPair(certificateFile: string, keyFile: string, options: KeyOptions): KeyPair {
  const { bytes: keyText, worldReadable } = readSmall(keyFile, 'key')
  const { key, pem: keyPem } = readKey(keyText, keyFile)
  const refused = refusedKey(key, { allowWeak: options.allowWeak ?? false })
  if (refused !== undefined) throw wrong(`the key ${keyFile} ${refused}`)
  const certificates = loadCertificates(certificateFile)
  const publicKey = createPublicKey(key)
  const certificate = certificates.find((candidate) => hasKey(candidate, publicKey))
  if (certificate === undefined) {
    throw wrong(
      `the key ${keyFile} does not belong to the certificate ${certificateFile}: set both to files of one pair`,
    )
  }
  assertInDate(certificate, certificateFile, options.now)
  const chain = certificates.filter((other) => other !== certificate)
  return {
    certificate,
    chain,
    key,
    certificatePem: [certificate, ...chain].map(({ der }) => toPem('CERTIFICATE', der)).join(''),
    keyPem,
    keyReadableByOthers: worldReadable,
  }
}

/** Reads the certificate for which messages are encrypted (`server_cert`). Throws SsmError `configuration`. */
export function loadRecipient(file: string, options: KeyOptions): Certificate {
  const [certificate] = loadCertificates(file)
  if (certificate === undefined) throw wrong(`${file} holds no certificate`)
  assertInDate(certificate, file, options.now, 'ask the receiver’s operator for the renewed one')
  const refused = refusedKey(publicKeyOf(certificate, file), { allowWeak: options.allowWeak ?? false })
  if (refused !== undefined) throw wrong(`the certificate ${file} has a key that ${refused}`)
  return certificate
}

/** All certificates of a PEM file, at least one. Throws SsmError `configuration`. */
export function loadCertificates(file: string): Certificate[] {
  const { bytes: text } = readSmall(file, 'certificate')
  const blocks = parseBlocks(text, file).filter(({ label }) => CERTIFICATE_LABELS.has(label))
  if (blocks.length === 0) {
    const hint =
      text[0] === 0x30
        ? `: it seems to be DER: openssl x509 -inform DER -in ${file} -out NEW.pem`
        : ': is it the right file?'
    throw wrong(`${file} holds no PEM certificate (BEGIN CERTIFICATE)${hint}`)
  }
  if (blocks.length > MAX_CHAIN) throw wrong(`${file} holds more than ${MAX_CHAIN} certificates`)
  return blocks.map(({ der }) => {
    try {
      return parseCertificate(der)
    } catch (cause) {
      throw new SsmError('configuration', `a certificate of ${file} cannot be read: ${messageOf(cause)}`, { cause })
    }
  })
}

const CERTIFICATE_LABELS: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE'])
const KEY_LABELS: ReadonlySet<string> = new Set(['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'])

function readKey(text: Buffer, file: string): { key: KeyObject; pem: string } {
  const blocks = parseBlocks(text, file)
  const encrypted = (block: PemBlock): boolean =>
    block.label === 'ENCRYPTED PRIVATE KEY' || block.headers.some((line) => line.includes('ENCRYPTED'))
  const block = blocks.find((candidate) => KEY_LABELS.has(candidate.label) && !encrypted(candidate))
  if (block === undefined) {
    if (blocks.some(encrypted)) {
      throw wrong(
        `the key ${file} is protected by a passphrase, which nobody can type here; remove it: ` +
          `umask 077; openssl pkey -in ${file} -out NEW.key`,
      )
    }
    throw wrong(`${file} holds no PEM private key (BEGIN PRIVATE KEY): is it the right file?`)
  }
  const pem = toPem(block.label, block.der)
  try {
    return { key: createPrivateKey(pem), pem }
  } catch {
    // The cause is left out: errors of the key parser may quote what they read.
    throw wrong(`the private key ${file} cannot be read: is it damaged? openssl pkey -in ${file} -noout -check`)
  }
}

function parseBlocks(text: Buffer, file: string): PemBlock[] {
  try {
    return parsePem(text, { bytes: MAX_FILE, blocks: 100 })
  } catch (cause) {
    throw new SsmError('configuration', `${file} cannot be read as PEM: ${messageOf(cause)}`, { cause })
  }
}

function hasKey(certificate: Certificate, key: KeyObject): boolean {
  try {
    return certificate.publicKey.equals(key)
  } catch {
    // A CA certificate of the chain with a key that node cannot read is not ours.
    return false
  }
}

function publicKeyOf(certificate: Certificate, file: string): KeyObject {
  try {
    return certificate.publicKey
  } catch (cause) {
    throw new SsmError('configuration', `the public key of ${file} cannot be read`, { cause })
  }
}

function assertInDate(
  { notBefore, notAfter }: Certificate,
  file: string,
  now: number,
  remedy = 'ask its CA for a new one',
): void {
  const date = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z')
  if (now < notBefore) {
    throw wrong(
      `the certificate ${file} is valid only from ${date(notBefore)}: is the clock right? (it is ${date(now)})`,
    )
  }
  if (now > notAfter) throw wrong(`the certificate ${file} expired on ${date(notAfter)}: ${remedy}`)
  if (now + MIN_LEFT > notAfter) {
    throw wrong(`the certificate ${file} expires within 24 hours (${date(notAfter)}): ${remedy}`)
  }
}

function readSmall(file: string, what: string): SmallFile {
  // LoadCredential= of systemd.exec(5).
  const isCredential = file.startsWith('/run/credentials/')
  const remedy = isCredential ? 'systemd puts it there while the unit runs' : 'put it there, or name the right file'
  return readSmallFile(file, MAX_FILE, `The ${what} ${file} does not exist: ${remedy}.`)
}

function wrong(sentence: string): SsmError {
  return new SsmError('configuration', sentence)
}
