/** `[messaging]`: what is carried from where to where. */
import type { Option } from '../option.js'

const DAY_MS = 86_400_000
const KIB = 1024
const GIB = KIB * KIB * KIB

export const MESSAGING_OPTIONS: readonly Option[] = [
  {
    section: 'messaging',
    key: 'destination',
    who: 'both',
    type: 'text',
    required: true,
    sample: '/queue/CHANGE-ME',
    placeholder: true,
    meaning:
      'The queue or topic, as the broker calls it, for example /queue/accounting. AMS: the name of the topic (sender) or subscription (receiver).',
  },
  {
    section: 'messaging',
    key: 'durable',
    who: 'receiver',
    type: 'text',
    meaning:
      'With a topic (/topic/…, /exchange/…): the name under which the broker keeps messages while this program is away. Keep it: under another name the broker begins anew, and still keeps messages for the old one.',
  },
  {
    section: 'messaging',
    key: 'path',
    who: 'sender',
    type: 'path',
    required: true,
    sample: '/var/spool/apel/outgoing',
    meaning: 'The directory from which messages are sent; each is removed once the broker has it.',
  },
  {
    section: 'messaging',
    key: 'path',
    who: 'receiver',
    type: 'path',
    required: true,
    sample: '/var/spool/apel',
    meaning: 'Accepted messages go into its folder incoming, refused ones into reject.',
  },
  {
    section: 'messaging',
    key: 'path_type',
    who: 'sender',
    type: 'choice',
    choices: ['dirq', 'directory'],
    default: 'dirq',
    sample: 'dirq',
    meaning:
      'dirq: a directory queue as python-dirq writes it. directory: plain files of any name; folders are ignored.',
  },
  {
    section: 'messaging',
    key: 'binary',
    who: 'both',
    type: 'boolean',
    default: 'false',
    meaning: 'May contents that are not UTF-8 be sent or stored? Only when the other end is this program, too.',
  },
  {
    section: 'messaging',
    key: 'window',
    who: 'sender',
    type: 'integer',
    // RabbitMQ confirms what it has stored every 25 ms, and a broker may be 50 ms away: 64 waited for it, with half as many a second.
    default: '256',
    amsDefault: '16',
    min: 1,
    max: 10_000,
    meaning: 'How many messages may be under way at once (and 32 MiB of them). AMS: how many requests.',
  },
  {
    section: 'messaging',
    key: 'window',
    who: 'receiver',
    type: 'integer',
    default: '64',
    min: 1,
    max: 10_000,
    meaning: 'How many messages may be under way at once (and 32 MiB of them).',
  },
  {
    section: 'messaging',
    key: 'max_message_size',
    who: 'sender',
    type: 'size',
    amsDefault: '1500000',
    min: KIB,
    max: GIB,
    meaning:
      "The most bytes of a sealed message; a larger one is set aside. Without it the broker's own limit decides. AMS: the bytes that it stores, a third more.",
  },
  {
    section: 'messaging',
    key: 'max_message_size',
    who: 'receiver',
    type: 'size',
    default: '128 MiB',
    min: KIB,
    max: GIB,
    meaning: 'The most bytes of a message as it comes from the broker; a larger one is rejected.',
  },
  {
    section: 'messaging',
    key: 'sent_keep',
    who: 'sender',
    type: 'duration',
    min: DAY_MS,
    max: 3660 * DAY_MS,
    meaning:
      'Keep a copy of each sent message in .ssm/sent, not encrypted, for so long; ssmctl spool resend sends them again. Without it there are none.',
  },
  {
    section: 'messaging',
    key: 'run_lock',
    who: 'both',
    type: 'boolean',
    default: 'true',
    meaning: 'Let one process at a time work on path.',
  },
]
