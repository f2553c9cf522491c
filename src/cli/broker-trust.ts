/**
 * Whom we take for the broker: the CAs of `capath`, of the system, both, or of one file. This is the transport's peer,
 * never a message's signer.
 */
import { readFile, stat } from 'node:fs/promises'
import type { BrokerConfig, CertificatesConfig } from '../config/config.js'
import { toPem } from '../crypto/pem.js'
import { SsmError, messageOf, systemCode } from '../errors.js'
import { systemClock } from '../os/clock.js'
import type { PeerTrust, TlsMaterial } from '../transport/port.js'
import type { HostPair } from './host-pair.js'

/** The distributions' bundles, the first that is there: Debian, EL and Fedora, SUSE, Alpine. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
/** Environment variables that other programs honour too. */
const VARIABLES = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE'] as const
const MAX_BUNDLE = 16 * 1024 * 1024

/** CAs are read again after this time, ms: a receiver with many connections must not read 200 files for each. */
const KEEP_CAS = 60_000

/** Where CAs are, and how weak a key may be. */
export type PeerCertificates = Pick<CertificatesConfig, 'capath' | 'allowWeak'>

/** Our side of TLS towards brokers, made anew at each connection. */
export function createTlsMaterial(
  broker: BrokerConfig,
  certificates: PeerCertificates,
  pair: HostPair,
  env: Readonly<Record<string, string | undefined>>,
): () => Promise<TlsMaterial> {
  const trust = createPeerTrust(broker, certificates, env)
  return async () => {
    const { certificatePem, keyPem } = pair.current()
    return { certificate: certificatePem, key: keyPem, ...(await trust()) }
  }
}

/** The same for whoever shows no certificate: no key is read. */
export function createPeerTrust(
  broker: BrokerConfig,
  { capath, allowWeak }: PeerCertificates,
  env: Readonly<Record<string, string | undefined>>,
): () => Promise<PeerTrust> {
  const weakKeys = allowWeak.includes('rsa1024')
  let kept: { readonly ca: Promise<string[]>; readonly at: number } | undefined
  return async () => {
    const now = systemClock.monotonic()
    if (kept === undefined || now - kept.at > KEEP_CAS) {
      const ca = broker.verify === 'false' ? Promise.resolve([]) : loadBrokerCas(broker.ca, capath, env)
      kept = { ca, at: now }
      ca.catch(() => (kept = undefined))
    }
    return { ca: await kept.ca, verify: broker.verify, weakKeys }
  }
}

async function loadBrokerCas(
  ca: BrokerConfig['ca'],
  capath: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string[]> {
  if (typeof ca === 'object') return [await readBundle(ca.file)]
  const directory = ca === 'system' ? [] : await loadDirectory(capath)
  const system = ca === 'capath' ? [] : await loadSystemCas(env)
  return [...directory, ...system]
}

async function loadDirectory(capath: string): Promise<string[]> {
  const { loadCaDirectory } = await import('../trust/ca-directory.js')
  const { certificates } = await loadCaDirectory(capath)
  return certificates.map(({ der }) => toPem('CERTIFICATE', der))
}

async function loadSystemCas(env: Readonly<Record<string, string | undefined>>): Promise<string[]> {
  for (const name of VARIABLES) {
    const file = env[name]
    if (file !== undefined && file !== '') return [await readBundle(file)]
  }
  for (const file of BUNDLES) {
    try {
      return [await readBundle(file)]
    } catch (error) {
      if (!(error instanceof SsmError && systemCode(error.cause) === 'ENOENT')) throw error
    }
  }
  const { rootCertificates } = await import('node:tls')
  return [...rootCertificates]
}

async function readBundle(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > MAX_BUNDLE) throw new SsmError('configuration', `the CA file ${file} is larger than ${MAX_BUNDLE} bytes`)
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof SsmError) throw cause
    throw new SsmError('configuration', `the CA file ${file} for the broker cannot be read: ${messageOf(cause)}`, {
      cause,
    })
  }
}
