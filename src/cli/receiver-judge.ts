/** How a receiver judges: by its configuration, with its own pair, and what it trusts. */
import type { ReceiverConfig } from '../config/config.js'
import { unwrapHere, type Unwrap } from '../crypto/key-transport.js'
import { createOpen } from '../envelope/open.js'
import type { Open } from '../message.js'
import type { Logger } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import { createJudge } from '../pipeline/judge.js'
import type { HostPair } from './host-pair.js'
import type { ReceiverTrust } from './receiver-trust.js'

/** Opens with what is trusted at that moment; a bug of ours becomes a verdict. */
export function createReceiverJudge(
  { certificates, messaging }: ReceiverConfig,
  pair: HostPair,
  trust: ReceiverTrust,
  log: Logger,
  unwrap: Unwrap = unwrapHere,
): Open {
  const open = createOpen({
    unwrap,
    trust: () => trust.store,
    dns: () => trust.dns,
    crls: certificates.checkCrls,
    binary: messaging.binary,
    decryption: () => {
      log.info('Decrypting message.')
      return pair.all()
    },
    maxMessageSize: messaging.maxMessageSize,
    allowSha1: certificates.allowSha1.includes('messages'),
    allowWeak: certificates.allowWeak.includes('rsa1024'),
    allow3des: certificates.allowWeak.includes('3des'),
    clock: systemClock,
  })
  return createJudge({ open, log })
}
