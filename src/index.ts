/** The library for other programs: what producers of messages use. */
export { ERROR_KINDS, SsmError, isSsmError } from './errors.js'
export type { ErrorCode } from './errors.js'
export type { MessageId } from './message.js'
export { MessageDirectory, QueueSimple } from './spool/producers.js'
