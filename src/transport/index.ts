/** The table of transports: a new one is a folder and a line here. */
import { createStompTransport } from './stomp/index.js'

export const TRANSPORTS = {
  stomp: createStompTransport,
} as const
