/** `[messaging]` of a receiver: storing once, and what to do when there is no room. */
import type { Option } from '../option.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const MIB = 1024 * 1024
const TIB = MIB * MIB

export const STORING_OPTIONS: readonly Option[] = [
  {
    section: 'messaging',
    key: 'duplicate_window',
    who: 'receiver',
    type: 'duration',
    default: '24 h',
    min: 0,
    max: 366 * DAY,
    meaning:
      'A message of the same signer with the same generated id (of a dirq, or a UUID) and the same content within this time is one that was sent again, and is not stored again. 0: off.',
  },
  {
    section: 'messaging',
    key: 'replay',
    who: 'receiver',
    type: 'choice',
    choices: ['store', 'reject'],
    default: 'store',
    meaning:
      'What becomes of a signature that came before under another id: store it with a warning, or reject it. Equal records that were signed within one second have equal signatures.',
  },
  {
    section: 'messaging',
    key: 'journal_keep',
    who: 'receiver',
    type: 'keep',
    default: '7 d, 1000000',
    min: HOUR,
    max: 366 * DAY,
    meaning:
      'How long stored messages are remembered, and how many, so that they are recognised when they come again: an age, and a number behind a comma (1000000 without one; 40 bytes of memory each).',
  },
  {
    section: 'messaging',
    key: 'max_spool_messages',
    who: 'receiver',
    type: 'integer',
    default: '0',
    min: 0,
    max: 1_000_000_000,
    meaning:
      'Take no more messages while incoming and reject hold so many together; taken up again at nine tenths. 0: off.',
  },
  {
    section: 'messaging',
    key: 'min_free_space',
    who: 'receiver',
    type: 'size',
    default: '64 MiB',
    min: 0,
    max: TIB,
    meaning: 'Take no more messages while the file system of path has less room than this. 0: until it is full.',
  },
  {
    section: 'messaging',
    key: 'reject_keep',
    who: 'receiver',
    type: 'duration',
    min: HOUR,
    max: 3660 * DAY,
    meaning: 'Remove rejected messages that are older than this. Without it they are kept.',
  },
  {
    section: 'messaging',
    key: 'reject_max_bytes',
    who: 'receiver',
    type: 'size',
    default: '1 GiB',
    min: 0,
    max: TIB,
    meaning:
      'When rejected messages take more room than this on the disk, the oldest are removed: first those whose signer was not verified. 0: no limit.',
  },
]
