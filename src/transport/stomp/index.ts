/** STOMP over TCP, TLS and WebSocket; `settings.ts` says what this room does and never does. */
export { createStompTransport } from './transport.js'
export { PROBE_STAGES, probeStomp, stagesTo, type ProbeStage, type ProbeStep, type Rehearsal } from './probe.js'
export { proxyOf } from './settings.js'
export type { Address, Scheme, StompSettings } from './settings.js'
