/** `[logging]` and `[daemon]`: the process and what it says. */
import type { Option } from '../option.js'

export const PROCESS_OPTIONS: readonly Option[] = [
  {
    section: 'logging',
    key: 'logfile',
    who: 'both',
    type: 'path',
    required: true,
    sample: { sender: '/var/log/apel/ssmsend.log', receiver: '/var/log/apel/ssmreceive.log' },
    meaning: 'Lines are appended here.',
  },
  {
    section: 'logging',
    key: 'level',
    who: 'both',
    type: 'choice',
    choices: ['DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL'],
    synonyms: { warning: 'WARN' },
    required: true,
    sample: 'INFO',
    meaning: 'The least level that is logged. SIGHUP takes up a change, ssmctl log-level makes one for a while.',
  },
  {
    section: 'logging',
    key: 'console',
    who: 'both',
    type: 'boolean',
    required: true,
    sample: { sender: 'true', receiver: 'false' },
    meaning: 'Print the lines on standard output as well.',
  },
  {
    section: 'logging',
    key: 'format',
    who: 'both',
    type: 'choice',
    choices: ['ssm', 'json'],
    default: 'ssm',
    meaning:
      'ssm: "time - name - level - message". json: one object a line, with time, level, logger, message and fields.',
  },

  {
    section: 'daemon',
    key: 'pidfile',
    who: 'receiver',
    type: 'path',
    required: true,
    sample: '/var/run/apel/ssmreceive.pid',
    meaning: 'Where the receiver writes its process id.',
  },
  {
    section: 'daemon',
    key: 'detach',
    who: 'receiver',
    type: 'choice',
    choices: ['auto', 'yes', 'no'],
    synonyms: { true: 'yes', on: 'yes', '1': 'yes', false: 'no', off: 'no', '0': 'no' },
    default: 'auto',
    meaning:
      'Go into the background? auto: yes, except as process 1, under systemd with Type=notify, or with --foreground.',
  },
  {
    section: 'daemon',
    key: 'status_socket',
    who: 'both',
    type: 'path',
    meaning:
      'Where a receiver, and a sender with --watch, can be asked how it is (ssmctl status). Not set: PATH/.ssm/status.sock. Its directory must belong to the user of the program.',
  },
]
