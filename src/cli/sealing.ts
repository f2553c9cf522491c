/**
 * Sealing with the host pair and the recipient's certificate that are in force at that moment.
 */
import type { SenderConfig } from '../config/config.js'
import type { Certificate } from '../crypto/certificate.js'
import type { KeyPair } from '../crypto/keys.js'
import { createSeal } from '../envelope/seal.js'
import { messageOf } from '../errors.js'
import type { Seal } from '../message.js'
import type { Log } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import type { HostPair } from './host-pair.js'
import { loadServerCert } from './recipient.js'

export interface Sealing {
  readonly seal: Seal
  /** Reads `server_cert` again. Never throws: says why the one that was read before stays. */
  reload(): Promise<void>
}

/** `recipient`: as it was read at the start. */
export function createSealing(
  { certificates, messaging }: SenderConfig,
  pair: HostPair,
  recipient: Certificate | undefined,
  log: Log,
): Sealing {
  const top = log.named('ssmsend')
  let current = recipient
  const create = ({ certificate, key }: KeyPair): Seal =>
    createSeal({
      certificate,
      key,
      cipher: certificates.cipher,
      binary: messaging.binary,
      clock: systemClock,
      ...(current === undefined ? {} : { recipient: current }),
    })
  const fresh = (now: KeyPair): Seal => {
    try {
      return create(now)
    } catch (error) {
      top.error('The host certificate stays as it was read before: %s', { message: messageOf(error) })
      return made.seal
    }
  }
  let made = { pair: pair.current(), recipient: current, seal: create(pair.current()) }
  return {
    seal(plain) {
      const now = pair.current()
      if (made.pair !== now || made.recipient !== current) made = { pair: now, recipient: current, seal: fresh(now) }
      return made.seal(plain)
    },
    async reload() {
      try {
        const read = await loadServerCert(certificates)
        if (read?.fingerprint === current?.fingerprint) return
        current = read
        if (read !== undefined) top.info('Messages will be encrypted using %s', read.subject.slash)
      } catch (error) {
        top.error('The server certificate stays as it was read before: %s', { message: messageOf(error) })
      }
    },
  }
}
