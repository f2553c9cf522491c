/**
 * What `ssmctl verify-cert` does: judges certificate files by a CA directory, one line each.
 */
import { readFile, stat } from 'node:fs/promises'
import { type Certificate, parseCertificate } from '../crypto/certificate.js'
import { parsePem } from '../crypto/pem.js'
import { isSsmError, messageOf, SsmError } from '../errors.js'
import { loadCaDirectory } from './ca-directory.js'
import type { Purpose } from './port.js'
import { createTrustStore, type TrustSettings } from './store.js'

export interface VerifyCertOptions extends Partial<TrustSettings> {
  readonly capath: string
  readonly crls: boolean
  /** ms since the epoch. */
  readonly at: number
  /** Files of further certificates that a path may use. */
  readonly untrusted?: readonly string[]
  readonly purpose?: Purpose
  /** Files to judge: the first certificate of each; others in it are candidates. */
  readonly files: readonly string[]
}

export interface VerifyCertReport {
  /** `FILE: OK DN`, `FILE: FAILED REASON: detail`: for standard output. Outside text: print it safely. */
  readonly lines: readonly string[]
  /** Warnings and what could not be judged: for standard error. */
  readonly errors: readonly string[]
  /** 0 all good, 1 one is not, 2 could not judge. */
  readonly exitCode: 0 | 1 | 2
}

/** Largest file, bytes. */
const MAX_FILE = 4 * 1024 * 1024

/** Judges files. Never throws for trouble with them or with the directory: exit code 2. */
export async function verifyCertificates(options: VerifyCertOptions): Promise<VerifyCertReport> {
  const { capath, crls, at, purpose = 'any', untrusted = [], files, ...given } = options
  const settings: TrustSettings = { allowSha1: false, allowWeak: false, crlPolicy: 'require', ...given }
  const lines: string[] = []
  const errors: string[] = []
  try {
    const snapshot = await loadCaDirectory(capath)
    errors.push(...snapshot.warnings)
    const store = createTrustStore(snapshot, settings)
    const extra: Certificate[] = []
    for (const file of untrusted) {
      // As in the CA directory: a damaged candidate is named, the others must do.
      const { certificates, damaged } = await readParsed(file)
      extra.push(...certificates)
      if (damaged !== undefined) errors.push(`${file} is skipped: ${damaged}`)
    }
    let failed = false
    for (const file of files) {
      const { certificates, damaged } = await readParsed(file)
      const [leaf, ...chain] = certificates
      if (leaf === undefined) {
        lines.push(`${file}: FAILED malformed: ${damaged ?? 'no certificate'}`)
        failed = true
        continue
      }
      const verdict = store.judge(leaf, { candidates: [...chain, ...extra], at, purpose, crls })
      const good = verdict.verdict === 'ok'
      lines.push(good ? `${file}: OK ${leaf.subject.slash}` : `${file}: FAILED ${verdict.reason}: ${verdict.detail}`)
      failed ||= !good
    }
    return { lines, errors, exitCode: failed ? 1 : 0 }
  } catch (error) {
    if (!isSsmError(error)) throw error
    return { lines, errors: [...errors, error.message], exitCode: 2 }
  }
}

/** What is damaged in a file is data; a file that cannot be read is an error. */
async function readParsed(file: string): Promise<{ certificates: Certificate[]; damaged?: string }> {
  const bytes = await readLimited(file)
  try {
    return { certificates: parseFile(bytes) }
  } catch (error) {
    if (!isSsmError(error)) throw error
    return { certificates: [], damaged: error.message }
  }
}

async function readLimited(file: string): Promise<Buffer> {
  try {
    const { size } = await stat(file)
    if (size > MAX_FILE) throw new SsmError('limit', `${file} is larger than ${MAX_FILE} bytes`)
    return await readFile(file)
  } catch (cause) {
    if (cause instanceof SsmError) throw cause
    throw new SsmError('usage', `${file} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

/** PEM, or one certificate as DER. */
function parseFile(bytes: Buffer): Certificate[] {
  if (bytes[0] === 0x30) return [parseCertificate(bytes)]
  return parsePem(bytes)
    .filter(({ label }) => label === 'CERTIFICATE' || label === 'X509 CERTIFICATE')
    .map(({ der }) => parseCertificate(der))
}
