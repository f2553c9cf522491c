/**
 * Our certificate and key while a program runs: read once at the start, read again on request. A new pair is taken up
 * only when it parses, matches, is in date and was read twice the same; otherwise the old one stays.
 */
import { createHash } from 'node:crypto'
import type { ReceiverConfig, SenderConfig } from '../config/config.js'
import { messageOf, SsmError, systemCode } from '../errors.js'
import { loadCertificates, loadKeyPair, type KeyPair } from '../crypto/keys.js'
import type { Logger } from '../observe/log.js'
import { systemClock, type Clock } from '../os/clock.js'

export interface HostPair {
  /** The one in force. */
  current(): KeyPair
  /** The one in force, and the one before it: messages may still be encrypted for that. */
  all(): readonly KeyPair[]
  /** Reads the files again. Never throws: says why the old pair stays. */
  reload(): Promise<void>
}

export interface HostPairOptions {
  readonly certificate: string
  readonly key: string
  readonly allowWeak: boolean
  readonly log: Logger
  readonly clock: Clock
}

/** Between two readings, ms: a renewal that writes two files is over by then, or is seen. */
const SECOND_LOOK = 500
/** Readings of one reload. A renewal that is not over after them is taken up by the next one. */
const LOOKS = 5

/** That of a program, by its configuration. Throws SsmError `configuration` when the pair is not good. */
export function createHostPairOf({ certificates }: SenderConfig | ReceiverConfig, log: Logger): HostPair {
  const allowWeak = certificates.allowWeak.includes('rsa1024')
  return createHostPair({ ...certificates, allowWeak, log, clock: systemClock })
}

/** Throws SsmError `configuration` when the pair is not good. */
export function createHostPair(options: HostPairOptions): HostPair {
  const { log, clock } = options
  const load = (): KeyPair =>
    loadKeyPair(options.certificate, options.key, { now: clock.now(), allowWeak: options.allowWeak })
  let pair = load()
  let before: KeyPair | undefined
  if (pair.keyReadableByOthers) {
    log.warning('The key %s can be read by other users: chmod 0400 it.', options.key)
  }
  return {
    current: () => pair,
    all: () => (before === undefined ? [pair] : [pair, before]),
    async reload() {
      try {
        const fresh = await lookTwice(load, pair, options)
        if (fresh === undefined) return
        before = pair
        pair = fresh
        log.info('The renewed host certificate is in use: %s', options.certificate)
      } catch (error) {
        log.error('The host certificate stays as it was read before: %s', { message: inWords(error) })
      }
    },
  }
}

/**
 * A pair that was read twice the same, or undefined when it is the one we have. While the two files are being replaced,
 * readings differ or do not match: then it looks again, and throws what is wrong with the last of them.
 */
async function lookTwice(
  load: () => KeyPair,
  current: KeyPair,
  { certificate, clock }: HostPairOptions,
): Promise<KeyPair | undefined> {
  let last: KeyPair | undefined
  let trouble: unknown = new SsmError('configuration', 'certificate and key are being changed all the time')
  for (let look = 0; look < LOOKS; look++) {
    if (look > 0) await clock.sleep(SECOND_LOOK)
    try {
      const now = load()
      if (digest(now) === digest(current)) return undefined
      if (last !== undefined && digest(now) === digest(last)) return now
      last = now
    } catch (error) {
      last = undefined
      trouble = error
      if (!isUnreadable(error)) continue
      // A key that only root may read is no trouble as long as the certificate beside it is the one we have.
      if (isStillThere(certificate, current)) return undefined
      break
    }
  }
  throw trouble
}

function isStillThere(file: string, { certificate }: KeyPair): boolean {
  try {
    return loadCertificates(file).some(({ fingerprint }) => fingerprint === certificate.fingerprint)
  } catch {
    // Then the trouble with the key is told, which is the same trouble.
    return false
  }
}

const isUnreadable = (error: unknown): boolean => error instanceof SsmError && systemCode(error.cause) === 'EACCES'

function inWords(error: unknown): string {
  const hint =
    'if this program was started as root and has become the owner of its spool, it cannot read a file that is root’s alone again: restart it after a renewal'
  return isUnreadable(error) ? `${messageOf(error)} (${hint})` : messageOf(error)
}

function digest({ certificatePem, keyPem }: KeyPair): string {
  return createHash('sha256').update(certificatePem).update('\0').update(keyPem).digest('hex')
}
