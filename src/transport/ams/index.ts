/** The ARGO Messaging Service over HTTP; `settings.ts` says what this room does and never does. */
export { createAmsTransport } from './transport.js'
export { isResourceName, type AmsSettings, type Credentials, type Endpoint, type PullSettings } from './settings.js'
