/**
 * Our certificate and key while a program runs: read once at the start, read again on request. A new pair is taken up
 * only when it parses, matches, is in date and was read twice the same; otherwise the old one stays.
 */
import { createHash } from 'node:crypto'
import { messageOf } from '../errors.js'
import { loadKeyPair, type KeyPair } from '../crypto/keys.js'
import type { Logger } from '../observe/log.js'
import type { Clock } from '../os/clock.js'

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

/** Between the two readings, ms: a renewal that writes two files is over by then, or is seen. */
const SECOND_LOOK = 500

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
        const first = load()
        if (digest(first) === digest(pair)) return
        await clock.sleep(SECOND_LOOK)
        if (digest(load()) !== digest(first)) return
        before = pair
        pair = first
        log.info('The renewed host certificate is in use: %s', options.certificate)
      } catch (error) {
        log.error('The host certificate stays as it was read before: %s', { message: messageOf(error) })
      }
    },
  }
}

function digest({ certificatePem, keyPem }: KeyPair): string {
  return createHash('sha256').update(certificatePem).update('\0').update(keyPem).digest('hex')
}
