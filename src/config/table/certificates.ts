/** `[certificates]`: who we are, whom we believe, what is acceptable. */
import type { Option } from '../option.js'

export const CERTIFICATE_OPTIONS: readonly Option[] = [
  {
    section: 'certificates',
    key: 'certificate',
    who: 'both',
    type: 'path',
    required: true,
    sample: '/etc/grid-security/hostcert.pem',
    meaning: 'Our certificate (PEM). It signs what is sent, decrypts what is received and identifies us to the broker.',
  },
  {
    section: 'certificates',
    key: 'key',
    who: 'both',
    type: 'path',
    required: true,
    sample: '/etc/grid-security/hostkey.pem',
    meaning: 'The private key of certificate (PEM, not encrypted).',
  },
  {
    section: 'certificates',
    key: 'capath',
    who: 'both',
    type: 'path',
    required: true,
    sample: '/etc/grid-security/certificates',
    meaning: 'The directory of trusted CAs, with OpenSSL hash names: HASH.0 certificates, HASH.r0 revocation lists.',
  },
  {
    section: 'certificates',
    key: 'check_crls',
    who: 'receiver',
    type: 'boolean',
    required: true,
    sample: 'true',
    meaning: 'Require a current revocation list of every CA of the path (keep them fresh, for example with fetch-crl).',
  },
  {
    section: 'certificates',
    key: 'crl_policy',
    who: 'receiver',
    type: 'choice',
    choices: ['hold', 'require'],
    default: 'hold',
    meaning: 'When the list is missing or outdated: hold the message until it is fresh, or require: reject it.',
  },
  {
    section: 'certificates',
    key: 'server_cert',
    who: 'sender',
    type: 'paths',
    meaning:
      'The certificate of the final receiver (not ours, not that of the broker): messages are then encrypted for it. ' +
      'Several, separated by commas: each of them can read the messages.',
  },
  {
    section: 'certificates',
    key: 'verify_server_cert',
    who: 'sender',
    type: 'boolean',
    default: 'true',
    meaning: 'Check server_cert against capath before encrypting for it.',
  },
  {
    section: 'certificates',
    key: 'cipher',
    who: 'sender',
    type: 'choice',
    choices: ['aes128', 'aes192', 'aes256', 'aes128-gcm', 'aes256-gcm'],
    default: 'aes256',
    meaning: 'How messages are encrypted. Every receiver reads the first three (CBC mode); Python receivers not GCM.',
  },
  {
    section: 'certificates',
    key: 'key_transport',
    who: 'sender',
    type: 'choice',
    choices: ['pkcs1', 'oaep'],
    default: 'pkcs1',
    meaning:
      'How an RSA server_cert gets the key of a message: PKCS#1 v1.5, which every receiver reads, or OAEP, which ' +
      'Python receivers do not read.',
  },
  {
    section: 'certificates',
    key: 'signing_policy',
    who: 'both',
    type: 'choice',
    choices: ['auto', 'enforce', 'ignore'],
    default: 'auto',
    meaning:
      'May a CA speak for names that its file *.signing_policy or *.namespaces in capath does not grant? auto: no, where it has one; enforce: it must have one; ignore: yes.',
  },
  {
    section: 'certificates',
    key: 'allow_sha1',
    who: 'both',
    type: 'choices',
    choices: ['certificates', 'crls', 'messages'],
    meaning: 'Where signatures made with SHA-1 are accepted all the same.',
  },
  {
    section: 'certificates',
    key: 'allow_weak',
    who: 'both',
    type: 'choices',
    choices: ['rsa1024', '3des'],
    meaning: 'Which weak algorithms are accepted all the same.',
  },
]
