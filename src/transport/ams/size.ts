/**
 * What the service stores of a message, and what it would spoil. It does not check either itself: a message that is too
 * large for the broker behind it gets the same 500 as a fault of that broker.
 */
import { SsmError } from '../../errors.js'
import type { MessageId } from '../../message.js'

/** Bytes of the stored JSON besides data and attributes: id, time, punctuation (163 seen, with an id of one digit). */
const FRAME = 163 + 12
/** `   "attributes": {\n      "empaid": ""\n   },\n` */
const ATTRIBUTE = 44
/** The default of the broker behind the service (Kafka's message.max.bytes): 1 048 425 characters of data alone. */
export const DEFAULT_BROKER_LIMIT = 1_048_588

/** Bytes that the service stores for a body of so many bytes under this id, ids of the service up to 13 digits. */
export function storedSize(bodyBytes: number, empaid: string): number {
  // The server's language writes each of these as \u003c and the like.
  const escaped = empaid.match(/[<>&\u2028\u2029]/gu)?.length ?? 0
  return Math.ceil(bodyBytes / 3) * 4 + Buffer.byteLength(empaid) + 5 * escaped + ATTRIBUTE + FRAME
}

/**
 * The id as an attribute. The server writes attributes into JSON without escaping: a quote or a control character makes a
 * record that nobody can read any more, and a backslash loses levels. Those are percent-encoded, and `%` with them.
 */
export function attributeOf(id: MessageId): string {
  // eslint-disable-next-line no-control-regex -- they are what this is about
  if (!/["\\\x00-\x1f\x7f\p{Cs}]/u.test(id)) return id
  // eslint-disable-next-line no-control-regex
  return id.replaceAll(/\p{Cs}/gu, '\ufffd').replaceAll(/["\\%\x00-\x1f\x7f]/gu, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })
}

/** Throws SsmError `cannot-seal`: this message can never go. */
export function assertSize(bytes: number, limit: number): void {
  if (bytes <= limit) return
  throw new SsmError(
    'cannot-seal',
    `it would take ${bytes} bytes at the service, more than max_message_size (${limit}): send less at a time`,
  )
}
