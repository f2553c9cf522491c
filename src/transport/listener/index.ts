/**
 * The listener: a receiver that is itself a STOMP endpoint (1.0, 1.1, 1.2), so that senders need no broker. It takes SEND to
 * one destination and answers RECEIPT only when the message is durable; what a client does wrong ends that client alone.
 * It never tells a client why a message was rejected, never holds more than a fixed amount of bodies, and without TLS
 * never leaves the machine. Throws SsmError `configuration`, `unreachable` (address in use), `usage`, `aborted`.
 */
export { createListenerTransport } from './transport.js'
export type { ListenerSettings, ListenerTransport } from './transport.js'
export type { AuthorizePeer, PeerJudgement } from './door.js'
export { LISTENER_LIMITS } from './limits.js'
