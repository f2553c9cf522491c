/** `[broker]`: how to reach the other end. */
import type { Option } from '../option.js'

const HOUR_MS = 3_600_000
const YES_NO = { yes: 'true', on: 'true', '1': 'true', no: 'false', off: 'false', '0': 'false' } as const

export const BROKER_OPTIONS: readonly Option[] = [
  {
    section: 'broker',
    key: 'host',
    who: 'both',
    type: 'addresses',
    sample: 'CHANGE-ME.broker.example',
    placeholder: true,
    meaning:
      'The broker, or several, tried in turn: a.example.org, b.example.org:61614, [2001:db8::1]:61614. AMS: port 443 unless it is named here.',
  },
  {
    section: 'broker',
    key: 'port',
    who: 'both',
    type: 'integer',
    min: 1,
    max: 65_535,
    sample: '61614',
    meaning: 'The port of every host that does not name its own. AMS ignores it.',
  },
  {
    section: 'broker',
    key: 'url',
    who: 'both',
    type: 'urls',
    meaning:
      'Instead of host, port and use_ssl, one or several: stomp://HOST:PORT, stomp+ssl://HOST:PORT, or over WebSocket ws://HOST:PORT/PATH, wss://HOST:PORT/PATH (RabbitMQ: port 15674 or 15673, path /ws). AMS: https://HOST:PORT.',
  },
  {
    section: 'broker',
    key: 'listen',
    who: 'receiver',
    type: 'address',
    meaning:
      'HOST:PORT. Instead of host and port: senders connect directly to this program. Without TLS a loopback address only.',
  },
  {
    section: 'broker',
    key: 'use_ssl',
    who: 'both',
    type: 'boolean',
    default: 'true',
    sample: 'true',
    meaning: 'TLS, with the client certificate of [certificates]. AMS ignores it and always has TLS.',
  },
  {
    section: 'broker',
    key: 'verify',
    who: 'both',
    type: 'choice',
    choices: ['true', 'warn', 'false'],
    synonyms: YES_NO,
    default: 'true',
    meaning:
      "Is the broker's certificate checked (path and host name)? warn: connect in spite of a failed check and log it.",
  },
  {
    section: 'broker',
    key: 'ca',
    who: 'both',
    type: 'ca',
    default: 'both',
    amsDefault: 'system',
    meaning:
      "Which CAs vouch for the broker: capath, system, both, or a PEM file. Never used to judge a message's signer.",
  },
  {
    section: 'broker',
    key: 'username',
    who: 'both',
    type: 'text',
    meaning: 'Login for brokers that want one besides the client certificate.',
  },
  {
    section: 'broker',
    key: 'password',
    who: 'both',
    type: 'text',
    secret: true,
    meaning: 'The password of username. Better in a file of its own: password_file.',
  },
  {
    section: 'broker',
    key: 'password_file',
    who: 'both',
    type: 'path',
    meaning: 'A file whose first line is the password of username.',
  },
  {
    section: 'broker',
    key: 'heart_beat',
    who: 'both',
    type: 'duration',
    default: '30 s',
    min: 0,
    max: HOUR_MS,
    meaning: 'How often each end shows that it is alive; a silent connection is given up after two of these. 0: off.',
  },
  {
    section: 'broker',
    key: 'max_connections',
    who: 'receiver',
    type: 'integer',
    default: '100',
    min: 1,
    max: 10_000,
    meaning: 'With listen: how many senders may be connected at once.',
  },
]
