/**
 * Trust: is this certificate someone we obey?
 *
 * This room loads the CA directory and the DN list, builds and validates paths (RFC 5280 section 6), consults CRLs and
 * answers a verdict. It never trusts anything that came with a message beyond using it as a candidate, never asks the
 * network, and never reads the system's CA bundle. It throws SsmError `configuration` and `no-trust` for data of ours that
 * cannot be used at all; whatever is wrong with one certificate is a verdict, with one file a warning.
 *
 * This file: the CA directory as one snapshot.
 */
import { readFileSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Certificate, parseCertificate } from '../crypto/certificate.js'
import { type Crl, MAX_CRL, parseCrl } from '../crypto/crl.js'
import { parsePem } from '../crypto/pem.js'
import { isSsmError, messageOf, SsmError, systemCode } from '../errors.js'
import { systemWords } from '../os/disk-error.js'
import type { PolicyFile } from './policy-files.js'
import { MAX_POLICY_FILE, parseNamespaces, parseSigningPolicy } from './signing-policy.js'

/** What was found. Immutable. */
export interface CaSnapshot {
  readonly path: string
  readonly certificates: readonly Certificate[]
  readonly crls: readonly Crl[]
  /** Signing policies, the damaged ones included. */
  readonly policies: readonly PolicyFile[]
  /** Names of the files of a certificate, by its fingerprint, without their endings. */
  readonly stems: ReadonlyMap<string, readonly string[]>
  /** The file of a certificate, by its fingerprint; of several the first. */
  readonly files: ReadonlyMap<string, string>
  /** One sentence for each file that was skipped and why. */
  readonly warnings: readonly string[]
}

/** Most entries of the directory that are looked at; IGTF has about 2 000 files. */
const MAX_FILES = 20_000
/** Largest file of certificates, bytes. */
const MAX_CERTIFICATE_FILE = 4 * 1024 * 1024
/** Largest CRL file: PEM is a third larger than DER. */
const MAX_CRL_FILE = Math.ceil(MAX_CRL * 1.5)
/** Most bytes of all files together. */
const MAX_TOTAL = 512 * 1024 * 1024
/** Most certificates and CRLs together. */
const MAX_OBJECTS = 10_000
/**
 * Files read before others get their turn. They are read synchronously: six trips to the thread pool for each of 400 small
 * files took 150 ms, the calls themselves take 20.
 */
const AT_ONCE = 16
/** Warnings kept; the rest is counted. */
const MAX_WARNINGS = 100

const HASHED_CERTIFICATE = /^[0-9a-f]{8}\.\d+$/i
const HASHED_CRL = /^[0-9a-f]{8}\.r\d+$/i
const POLICY = /^([^.].*)\.(signing_policy|namespaces)$/i
/** In a directory without hash links: what is certainly neither certificate nor CRL (IGTF's files, keys, texts). */
const OTHER_FILES = /^\.|\.(?:info|crl_url|key|cnf|conf|txt|md|html|srl|csr|lock)$|~$/i

/** Too many open files, a failing disk: may pass, and says nothing about the file. Everything else needs a person. */
const PASSING: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EIO', 'ENOMEM', 'ESTALE'])

/** Reads a CA directory. Throws SsmError `configuration` when it cannot be read, `no-trust` when it holds no certificate. */
export async function loadCaDirectory(path: string): Promise<CaSnapshot> {
  const files = chooseFiles(await listDirectory(path))
  const load = new Loading(path)
  for (const [index, name] of files.entries()) {
    load.file(name)
    if (index % AT_ONCE === AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve))
  }
  const snapshot = load.snapshot()
  if (snapshot.certificates.length > 0) return snapshot
  const why = snapshot.warnings[0] ?? 'no file HASH.0 or *.pem'
  throw new SsmError('no-trust', `the CA directory ${path} holds no usable certificate (${why}): is capath right?`)
}

async function listDirectory(path: string): Promise<string[]> {
  let names: string[]
  try {
    names = await readdir(path)
  } catch (cause) {
    const code = systemCode(cause)
    const temporary = PASSING.has(code ?? '')
    const sentence = `the CA directory ${path} cannot be read: ${systemWords(cause)}; set capath to a readable directory`
    throw new SsmError(temporary ? 'no-trust' : 'configuration', sentence, { cause })
  }
  if (names.length > MAX_FILES) {
    throw new SsmError('configuration', `the CA directory ${path} has more than ${MAX_FILES} files: is capath right?`)
  }
  return names.sort()
}

/** As OpenSSL: where hash names are, only they count. Where none are, every file that may hold certificates or CRLs. */
function chooseFiles(names: readonly string[]): readonly string[] {
  const hashed = names.filter((name) => HASHED_CERTIFICATE.test(name) || HASHED_CRL.test(name))
  const policies = names.filter((name) => POLICY.test(name))
  if (hashed.some((name) => HASHED_CERTIFICATE.test(name))) return [...hashed, ...policies]
  return names.filter((name) => !OTHER_FILES.test(name))
}

/** A file's name without its ending; hash names in lower case. */
function stemOf(name: string): string {
  const stem = name.replace(/\.[^.]*$/, '')
  return /^[0-9a-f]{8}$/i.test(stem) ? stem.toLowerCase() : stem
}

/** One load under way: what is found so far. */
class Loading {
  readonly #path: string
  readonly #certificates = new Map<string, Certificate>()
  readonly #crls = new Map<string, Crl>()
  readonly #warnings: string[] = []
  readonly #policies = new Map<string, PolicyFile>()
  readonly #stems = new Map<string, string[]>()
  readonly #files = new Map<string, string>()
  /** Files by device and inode: hash links of two generations (MD5, SHA-1) lead to the same file. */
  readonly #seen = new Map<string, readonly string[]>()
  #bytes = 0

  constructor(path: string) {
    this.#path = path
  }

  file(name: string): void {
    const path = join(this.#path, name)
    try {
      // stat before open, because opening a named pipe would wait for ever. Symbolic links are followed: hash links are.
      const info = statSync(path)
      if (!info.isFile()) {
        if (POLICY.test(name)) this.#addPolicy(name, name, [], 'is not a regular file')
        if (!info.isDirectory() || HASHED_CERTIFICATE.test(name)) this.#warn(name, 'is not a regular file')
        return
      }
      const identity = `${info.dev}:${info.ino}`
      if (this.#isKnown(name, identity)) return
      const limit = POLICY.test(name)
        ? MAX_POLICY_FILE
        : HASHED_CERTIFICATE.test(name)
          ? MAX_CERTIFICATE_FILE
          : MAX_CRL_FILE
      if (info.size > limit) throw new SsmError('limit', `has ${info.size} bytes, more than the limit of ${limit}`)
      this.#bytes += info.size
      if (this.#bytes > MAX_TOTAL)
        throw new SsmError('limit', `exceeds the limit of ${MAX_TOTAL} bytes for the directory`)
      if (POLICY.test(name)) this.#takePolicy(name, identity, readFileSync(path))
      else this.#seen.set(identity, this.#take(name, readFileSync(path)))
    } catch (error) {
      const code = systemCode(error) ?? ''
      // A snapshot with holes would refuse messages for a trouble of ours.
      if (PASSING.has(code)) throw new SsmError('no-trust', `${path} cannot be read now: ${code}`, { cause: error })
      // Whatever is wrong with one file: it is named and the others must do.
      const trouble = error instanceof SsmError ? error.message : `cannot be read: ${code}`
      if (POLICY.test(name)) this.#addPolicy(name, name, [], trouble)
      this.#warn(name, trouble)
    }
  }

  /** Another name of a file that was read: certificates and policies are found by the names of their files too. */
  #isKnown(name: string, identity: string): boolean {
    const policy = this.#policies.get(identity)
    if (policy !== undefined) this.#policies.set(identity, { ...policy, stems: [...policy.stems, stemOf(name)] })
    const before = this.#seen.get(identity)
    for (const fingerprint of before ?? []) this.#name(fingerprint, name)
    return policy !== undefined || before !== undefined
  }

  #name(fingerprint: string, name: string): void {
    if (!this.#files.has(fingerprint)) this.#files.set(fingerprint, name)
    this.#stems.set(fingerprint, [...(this.#stems.get(fingerprint) ?? []), stemOf(name)])
  }

  #takePolicy(name: string, identity: string, bytes: Buffer): void {
    const parse = /\.namespaces$/i.test(name) ? parseNamespaces : parseSigningPolicy
    try {
      this.#addPolicy(name, identity, parse(bytes.toString('utf8')))
    } catch (error) {
      if (!isSsmError(error, 'malformed')) throw error
      this.#addPolicy(name, identity, [], error.message)
      this.#warn(name, error.message)
    }
  }

  /** A damaged one is kept as such: what its CA signed must not pass for it. */
  #addPolicy(name: string, identity: string, rules: PolicyFile['rules'], damaged?: string): void {
    const kind = /\.namespaces$/i.test(name) ? 'namespaces' : 'signing_policy'
    const file = { kind, stems: [stemOf(name)], path: join(this.#path, name), rules } as const
    this.#policies.set(identity, damaged === undefined ? file : { ...file, damaged })
  }

  /** PEM with any number of blocks, or one certificate or CRL as DER. Gives the certificates' fingerprints. */
  #take(name: string, bytes: Buffer): readonly string[] {
    const fingerprints: string[] = []
    const blocks = parsePem(bytes, { bytes: MAX_CRL_FILE })
    if (blocks.length === 0 && bytes[0] === 0x30) {
      const label = HASHED_CRL.test(name) || /\.crl$/i.test(name) ? 'X509 CRL' : 'CERTIFICATE'
      this.#add(name, label, bytes, fingerprints)
      return fingerprints
    }
    let found = 0
    for (const { label, der } of blocks) if (this.#add(name, label, der, fingerprints)) found++
    if (found === 0) this.#warn(name, 'holds neither a certificate nor a CRL')
    return fingerprints
  }

  /** Adds one; a broken one is named and the file's others are kept. False: not our matter. */
  #add(name: string, label: string, der: Buffer, fingerprints: string[]): boolean {
    if (this.#certificates.size + this.#crls.size >= MAX_OBJECTS) {
      throw new SsmError('limit', `is beyond the limit of ${MAX_OBJECTS} certificates and CRLs`)
    }
    try {
      if (label === 'CERTIFICATE' || label === 'X509 CERTIFICATE') {
        const certificate = parseCertificate(der)
        this.#certificates.set(certificate.fingerprint, certificate)
        fingerprints.push(certificate.fingerprint)
        this.#name(certificate.fingerprint, name)
      } else if (label === 'X509 CRL') {
        const crl = parseCrl(der)
        this.#crls.set(crl.fingerprint, crl)
      } else return false
    } catch (error) {
      this.#warn(name, messageOf(error))
    }
    return true
  }

  #warn(name: string, trouble: string): void {
    this.#warnings.push(`${join(this.#path, name)} is skipped: ${trouble}`)
  }

  snapshot(): CaSnapshot {
    const more = this.#warnings.length - MAX_WARNINGS
    const warnings = this.#warnings.slice(0, MAX_WARNINGS)
    if (more > 0) warnings.push(`${more} more files of ${this.#path} are skipped`)
    return {
      path: this.#path,
      certificates: [...this.#certificates.values()],
      crls: [...this.#crls.values()],
      policies: [...this.#policies.values()],
      stems: this.#stems,
      files: this.#files,
      warnings,
    }
  }
}
