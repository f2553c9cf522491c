/** STOMP over TCP and TLS; `settings.ts` says what this room does and never does. */
export { createStompTransport } from './transport.js'
export type { Address, StompSettings } from './settings.js'
