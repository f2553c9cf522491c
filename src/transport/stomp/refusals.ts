/**
 * What brokers and TLS peers say when they refuse, and what it means for us: tables of data, each line seen or documented.
 */
import { SsmError, type ErrorCode } from '../../errors.js'

interface Refusal {
  /** Matches the ERROR frame's `message` header and body, joined by a line end. */
  readonly says: RegExp
  readonly code: ErrorCode
  /** What it means, and what to do. */
  readonly words: string
}

/** Stands for our DN, where it is known. */
const OWN = '{own}'

/** The first line that matches counts. */
const REFUSALS: readonly Refusal[] = [
  // RabbitMQ 3.10, seen: `Bad CONNECT` / `Access refused for user 'CN=h,O=Test,C=XX'`; ActiveMQ 5.17 below.
  {
    says: /Access refused for user '[^']*=|No user for client certificate/i,
    code: 'login-refused',
    words: `the broker does not know this certificate: ask its operator to add ${OWN}`,
  },
  // RabbitMQ 3.10, seen: `Bad CONNECT` / `Access refused for user 'x'`.
  {
    says: /Access refused for user|Authentication failed/i,
    code: 'login-refused',
    words: 'the broker does not know this login: check username and password, or ask its operator to add it',
  },
  // RabbitMQ 3.10, seen: `Bad CONNECT` / `Virtual host '…' access denied`.
  {
    says: /^Bad CONNECT/i,
    code: 'login-refused',
    words: 'the broker does not let us in: ask its operator',
  },
  // ActiveMQ 5.17, seen: `User name [x] or password is invalid.` For a certificate that is nobody's, `. No user for client
  // certificate: CN=…` follows, which the first line takes.
  {
    says: /User name \[.*\] or password is invalid/i,
    code: 'login-refused',
    words: 'the broker does not accept user name and password',
  },
  // RabbitMQ 3.10, seen for SEND and SUBSCRIBE, without receipt-id; RECEIPT for the SUBSCRIBE followed nevertheless.
  {
    says: /^access_refused|ACCESS_REFUSED/,
    code: 'destination-refused',
    words: 'the broker does not allow us this destination: ask its operator for the right',
  },
  // RabbitMQ 3.10, seen: `not_found` / `NOT_FOUND - no exchange 'none' in vhost '/'`.
  {
    says: /^not_found|NOT_FOUND/,
    code: 'destination-refused',
    words: 'the broker has no such destination: check [messaging] destination',
  },
  // RabbitMQ, documented: the queue exists with other properties, or belongs to one connection alone.
  {
    says: /PRECONDITION_FAILED - inequivalent arg|RESOURCE_LOCKED/,
    code: 'destination-refused',
    words: 'the destination exists in another form: ask the broker’s operator',
  },
  // ActiveMQ 5.17, seen: `User u is not authorized to write to: queue://…` (read from, create); for a SEND with its
  // receipt-id. It leaves the connection open.
  {
    says: /is not authorized to (?:read|write|create)/i,
    code: 'destination-refused',
    words: 'the broker does not allow us this destination: ask its operator for the right',
  },
  // RabbitMQ 3.10: `Invalid destination` / `'/foo/bar' is not a valid … destination`, `Unknown destination`.
  {
    says: /^(?:Invalid|Unknown|Missing) destination/i,
    code: 'destination-refused',
    words: 'the broker does not understand the destination: check [messaging] destination',
  },
  // ActiveMQ: java.lang.SecurityException before any destination is named.
  {
    says: /SecurityException/i,
    code: 'login-refused',
    words: 'the broker refuses us: ask its operator',
  },
  // ActiveMQ 5.17, seen with sendFailIfNoSpace: `Persistent store is Full, 100% of …` / `javax.jms.ResourceAllocationException`,
  // with the receipt-id of a SEND: it is not the message. Without that setting it blocks, and the receipt is late.
  {
    says: /ResourceAllocationException|store is Full|Usage Manager .* is Full/i,
    code: 'receipt-late',
    words: 'the broker has no room left: ask its operator',
  },
  // It names no message, and the connection ends. RabbitMQ 3.10, seen: `message size … is larger than configured max size`;
  // ActiveMQ 5.17, seen: `The maximum frame size was exceeded`, `The maximum data length was exceeded`.
  {
    says: /larger than configured max size|maximum (?:frame size|data length) was exceeded/i,
    code: 'connection-lost',
    words: 'a message on its way is larger than the broker accepts',
  },
  // RabbitMQ 3.10, seen: `Version mismatch` / `Supported versions are 1.0,1.1,1.2`.
  // ActiveMQ 5.17, seen: `Invalid Protocol version[3.0], supported versions are: [1.2, 1.1, 1.0]`.
  {
    says: /^Version mismatch|^Invalid Protocol version/i,
    code: 'not-the-protocol',
    words: 'the broker speaks none of STOMP 1.0, 1.1, 1.2',
  },
]

/**
 * Judges an ERROR frame. `otherwise` is the code when no line of the table fits: `message-refused` when the frame names
 * a receipt, else `connection-lost`. `own` is our DN when we showed a certificate, for the broker's operator.
 */
export function judgeError(title: string, text: string, otherwise: ErrorCode, own: string | null = null): SsmError {
  const said = `${title}\n${text}`.slice(0, 4096)
  const refusal = REFUSALS.find(({ says }) => says.test(said))
  const words = withoutTrace(text)
  // ActiveMQ says everything twice.
  const parts = words.endsWith(title) ? [words] : [title, words]
  const quoted = parts.filter((part) => part !== '').join(': ') || 'no reason'
  if (refusal === undefined) return new SsmError(otherwise, `the broker ended it with the error "${quoted}"`)
  return new SsmError(refusal.code, `${refusal.words.replace(OWN, own ?? 'it')} (it said "${quoted}")`)
}

/** The body of an ERROR for people: ActiveMQ sends a Java stack trace along, whose first line has the words. */
export function withoutTrace(text: string): string {
  return text
    .split(/\r?\n\tat /, 1)
    .join('')
    .trim()
}

/** How other protocols begin when they answer (or do not understand) CONNECT. */
const STRANGERS: readonly { readonly begins: RegExp; readonly words: string }[] = [
  { begins: /^HTTP\//, words: 'a web server' },
  { begins: /^\s*</, words: 'a web server' },
  { begins: /^AMQP/, words: 'an AMQP port' },
  { begins: /^SSH-/, words: 'an SSH server' },
  { begins: /^220[ -]/, words: 'a mail or FTP server' },
  { begins: /^\* OK/, words: 'a mail server' },
  // A TLS alert or handshake record: content type 21 or 22, version 3.x (RFC 8446 section 5.1).
  // eslint-disable-next-line no-control-regex
  { begins: /^[\x15\x16]\x03/, words: 'a TLS port: set use_ssl = true, or use the broker’s plain port' },
]

/** What answers with these first bytes, or null when nothing that we know. */
export function recogniseStranger(first: Uint8Array): string | null {
  const text = Buffer.from(first).toString('latin1')
  const known = STRANGERS.find(({ begins }) => begins.test(text))
  return known === undefined ? null : `it looks like ${known.words}`
}
