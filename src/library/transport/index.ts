/** `secure-stomp-messenger/transport`: carrying sealed messages to and from a broker, a service, or one another. */
export type {
  Delivery,
  Publisher,
  Receipt,
  Subscriber,
  PeerTrust,
  TlsMaterial,
  Transport,
  TransportDeps,
  Window,
} from '../../transport/port.js'
export type { Logger, Printable } from '../../observe/log.js'
export type {
  AuthorizePeer,
  ListenerSettings,
  ListenerTransport,
  PeerJudgement,
} from '../../transport/listener/index.js'
export type { AmsSettings } from '../../transport/ams/index.js'
export type { StompSettings } from '../../transport/stomp/index.js'
export { amsTransport, listenerTransport, stompTransport, type Chosen } from './transports.js'
export { loadTls, type TlsFiles } from './load-tls.js'
