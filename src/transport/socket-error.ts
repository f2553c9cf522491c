/**
 * Errors of sockets and TLS in words, with the code that each means: tables of data, each line seen or documented.
 */
import { SsmError, systemCode, messageOf, type ErrorCode } from '../errors.js'
import { WEAK_KEYS } from './strength.js'

interface SystemFailure {
  readonly code: ErrorCode
  readonly words: string
}

/** Errors of sockets, by their code. */
const SYSTEM: Readonly<Record<string, SystemFailure>> = {
  ECONNREFUSED: {
    code: 'unreachable',
    words: 'nothing listens on this port: is it the right one, and is the other end up?',
  },
  ENOTFOUND: {
    code: 'unreachable',
    words:
      'the host name is unknown: is it spelt right, and does /etc/resolv.conf lead to a name service that knows it?',
  },
  EAI_AGAIN: { code: 'unreachable', words: 'the name service does not answer: check /etc/resolv.conf' },
  ETIMEDOUT: { code: 'unreachable', words: 'no answer from the host' },
  EHOSTUNREACH: { code: 'unreachable', words: 'there is no route to the host: check network and firewall' },
  ENETUNREACH: { code: 'unreachable', words: 'there is no route to the network: check network and firewall' },
  ECONNRESET: { code: 'unreachable', words: 'the other end reset the connection' },
  EPIPE: { code: 'unreachable', words: 'the other end closed the connection' },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    code: 'not-the-protocol',
    words: 'the port does not speak TLS: use the broker’s TLS port, or use_ssl = false',
  },
  ERR_SSL_PACKET_LENGTH_TOO_LONG: {
    code: 'not-the-protocol',
    words: 'the port does not speak TLS: use the broker’s TLS port, or use_ssl = false',
  },
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: {
    code: 'connection-lost',
    words: 'a message is larger than a WebSocket may bring: raise [messaging] max_message_size, or use stomp+ssl',
  },
  ERR_SSL_DH_KEY_TOO_SMALL: {
    code: 'not-the-protocol',
    words: `the broker’s Diffie-Hellman group is too small: ask its operator for ECDHE or TLS 1.3; ${WEAK_KEYS} accepts 1024 bits`,
  },
  ERR_SSL_UNSUPPORTED_PROTOCOL: { code: 'not-the-protocol', words: 'the broker offers only TLS versions before 1.2' },
}

/** Stands for our DN. */
const OWN = '{own}'

/** TLS alerts by which a peer refuses our certificate (RFC 8446 section 6.2), as OpenSSL names them, and what to do. */
const ALERTS: readonly { readonly says: RegExp; readonly words: string; readonly remedy: string }[] = [
  {
    says: /UNKNOWN_CA/,
    words: 'the broker does not know the CA of our certificate',
    remedy: `ask its operator to accept ${OWN} and the CA that issued it`,
  },
  {
    says: /CERTIFICATE_EXPIRED/,
    words: 'the broker says that our certificate has expired',
    remedy: `renew ${OWN}, if it has; else ask its operator to look at the clock there`,
  },
  {
    says: /CERTIFICATE_REVOKED/,
    words: 'the broker says that our certificate is revoked',
    remedy: `ask the CA of ${OWN} for a new one`,
  },
  {
    says: /CERTIFICATE_REQUIRED/,
    words: 'the broker wants a client certificate',
    remedy: `ask its operator to accept ${OWN}`,
  },
  {
    says: /ACCESS_DENIED/,
    words: 'the broker does not let this certificate in',
    remedy: `ask its operator to add ${OWN}`,
  },
  {
    says: /(?:BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_UNKNOWN/,
    words: 'the broker does not accept our certificate',
    remedy: `ask its operator to accept ${OWN}`,
  },
  {
    says: /HANDSHAKE_FAILURE/,
    words: 'the broker and we have no TLS algorithm in common, or it wants another certificate',
    remedy: `ask its operator to accept ${OWN}`,
  },
]

/** Puts a socket's error into words. `own` is our DN, for the broker's operator. */
export function judgeSocketError(error: unknown, where: string, own: string | null): SsmError {
  const code = systemCode(error) ?? ''
  const alert = code.startsWith('ERR_SSL_') ? ALERTS.find(({ says }) => says.test(code)) : undefined
  if (alert !== undefined) {
    const ask = own === null ? '' : `: ${alert.remedy.replace(OWN, own)}`
    return new SsmError('login-refused', `${where}: ${alert.words}${ask} (TLS alert ${code})`, { cause: error })
  }
  const known = Object.hasOwn(SYSTEM, code) ? SYSTEM[code] : undefined
  if (known !== undefined) return new SsmError(known.code, `${where}: ${known.words}`, { cause: error })
  // A failure over several addresses of one name has no message of its own.
  const said = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error)
  return new SsmError('unreachable', `${where}: ${said || code}`, { cause: error })
}
