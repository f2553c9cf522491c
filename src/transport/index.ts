/** The table of transports: a new one is a folder beside this file and a line here. */
export {
  createStompTransport,
  probeStomp,
  proxyOf,
  stagesTo,
  type ProbeStep,
  type StompSettings,
} from './stomp/index.js'
export { createListenerTransport, type ListenerSettings, type ListenerTransport } from './listener/index.js'
export { createAmsTransport, type AmsSettings } from './ams/index.js'
