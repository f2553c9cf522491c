/** `[monitoring]`: who may look from outside. */
import type { Option } from '../option.js'

export const MONITORING_OPTIONS: readonly Option[] = [
  {
    section: 'monitoring',
    key: 'listen',
    who: 'both',
    type: 'address',
    meaning:
      'Where a receiver, and a sender with --watch, show a status page and serve /metrics, /healthz and /readyz over HTTP, for reading only: 127.0.0.1:9464, for instance. Without a login: other addresses than those of this machine need names.',
  },
  {
    section: 'monitoring',
    key: 'names',
    who: 'both',
    type: 'addresses',
    meaning:
      'Host names by which others may ask, when listen is not an address of this machine alone. localhost and addresses may always be used.',
  },
  {
    section: 'monitoring',
    key: 'textfile',
    who: 'sender',
    type: 'path',
    meaning:
      'Metrics of the last run are written there, for the textfile collector of node_exporter: a name ending in .prom in its directory.',
  },
]
