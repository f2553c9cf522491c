/** `[sender]` and `[receiver]`. */
import type { Option } from '../option.js'

export const PROGRAM_OPTIONS: readonly Option[] = [
  {
    section: 'sender',
    key: 'protocol',
    who: 'sender',
    type: 'text',
    default: 'STOMP',
    sample: 'STOMP',
    meaning: 'STOMP for message brokers and for a receiver that listens itself; AMS for the Argo Messaging Service.',
  },
  {
    section: 'receiver',
    key: 'protocol',
    who: 'receiver',
    type: 'text',
    default: 'STOMP',
    sample: 'STOMP',
    meaning: 'STOMP for message brokers and for listening; AMS for the Argo Messaging Service.',
  },
]
