/** `secure-stomp-messenger/envelope`: signing, encrypting, and judging what came. */
export { REASONS } from '../../message.js'
export type { Dn, Open, Opened, Plain, Reason, Seal, Sealed, SignatureIdentity } from '../../message.js'
export { loadOpen, type OpenFiles, type Opening } from './load-open.js'
export { loadSeal, type SealFiles } from './load-seal.js'
