/** STOMP over TCP, TLS and WebSocket; `settings.ts` says what this room does and never does. */
export { createStompTransport } from './transport.js'
export type { Address, Scheme, StompSettings } from './settings.js'
