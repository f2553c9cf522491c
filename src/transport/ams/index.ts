/** The ARGO Messaging Service over HTTP; `settings.ts` says what this room does and never does. */
export { createAmsTransport } from './transport.js'
export { createAmsOperator, last, type AmsOperator, type Profile, type Topic } from './operator.js'
export { deliveryBody, empaidOf } from './delivery.js'
export { errorOf, valueOf, type Answer, type Refusal } from './refusals.js'
export type { Offsets, Pulled, Subscription } from './routes.js'
export {
  endpointText,
  isResourceName,
  type AmsSettings,
  type Credentials,
  type Endpoint,
  type PullSettings,
} from './settings.js'
