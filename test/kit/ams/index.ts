export { startAms, createRandom, type Ams, type AmsOptions, type LoggedRequest, type ServerTls } from './server.js'
export { startAuthn, bindingName, bindingOf, type Authn, type AuthnOptions } from './authn.js'
export { anyFailure, type Fault, type FaultKind, type FaultRule } from './faults.js'
export type { RouteName } from './routes.js'
