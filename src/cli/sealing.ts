/**
 * Sealing with the host pair and the recipients' certificates that are in force at that moment.
 */
import type { SenderConfig } from '../config/config.js'
import type { Certificate } from '../crypto/certificate.js'
import { prepareEncryption } from '../crypto/cms-enveloped.js'
import type { KeyPair } from '../crypto/keys.js'
import { createSeal } from '../envelope/seal.js'
import { messageOf } from '../errors.js'
import type { Seal } from '../message.js'
import type { Log } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import type { HostPair } from './host-pair.js'
import { loadServerCerts } from './recipient.js'

export interface Sealing {
  readonly seal: Seal
  /** Reads `server_cert` again. Never throws: says why the one that was read before stays. */
  reload(): Promise<void>
}

/** `recipients`: as they were read at the start. */
export function createSealing(
  { certificates, messaging }: SenderConfig,
  pair: HostPair,
  recipients: readonly Certificate[],
  log: Log,
): Sealing {
  const top = log.named('ssmsend')
  let current = recipients
  const create = ({ certificate, key }: KeyPair): Seal =>
    createSeal({
      certificate,
      key,
      recipients: current,
      cipher: certificates.cipher,
      keyTransport: certificates.keyTransport,
      binary: messaging.binary,
      clock: systemClock,
    })
  const fresh = (now: KeyPair): Seal => {
    try {
      return create(now)
    } catch (error) {
      top.error('The host certificate stays as it was read before: %s', { message: messageOf(error) })
      return made.seal
    }
  }
  let made = { pair: pair.current(), recipients: current, seal: create(pair.current()) }
  return {
    seal(plain) {
      const now = pair.current()
      if (made.pair !== now || made.recipients !== current) made = { pair: now, recipients: current, seal: fresh(now) }
      return made.seal(plain)
    },
    async reload() {
      try {
        const read = (await loadServerCerts(certificates)).map(({ certificate }) => certificate)
        if (read.every(({ fingerprint }, at) => fingerprint === current[at]?.fingerprint)) return
        await prepareEncryption(read, certificates.keyTransport)
        current = read
        for (const { subject } of read) top.info('Messages will be encrypted using %s', subject.slash)
      } catch (error) {
        top.error('The server certificate stays as it was read before: %s', { message: messageOf(error) })
      }
    },
  }
}
