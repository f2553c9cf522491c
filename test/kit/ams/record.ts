/**
 * What the server keeps of a message, and what a reader gets of it. Attributes are put into JSON *without escaping*, on
 * the way in and on the way out (specs: ams.md, section 9): a quotation mark or a control character in one makes a record
 * of no bytes, which no pull survives; a backslash loses a level of escaping each time.
 */
import { decodeObject, escapeMore, WrongShape } from './go-json.js'

export interface Message {
  readonly attributes: ReadonlyMap<string, string>
  /** As it was sent: neither checked nor decoded. */
  readonly data: string
}

export interface KeptMessage extends Message {
  readonly publishTime: string
}

const byBytes = ([a]: readonly [string, string], [b]: readonly [string, string]): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b))

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The attributes as indented JSON, unescaped; undefined when that is no JSON. */
function attributesText(attributes: ReadonlyMap<string, string>, margin: string): string | undefined {
  const lines = [...attributes].sort(byBytes).map(([key, value]) => `${margin}   "${key}": "${value}"`)
  const text = `{\n${lines.join(',\n')}\n${margin}}`
  return isJson(text) ? text : undefined
}

/** A message as indented JSON; undefined when its attributes spoil it. */
function messageText(id: string, message: KeptMessage, margin = ''): string | undefined {
  const fields = [`"messageId": "${id}"`]
  if (message.attributes.size > 0) {
    const attributes = attributesText(message.attributes, `${margin}   `)
    if (attributes === undefined) return undefined
    fields.push(`"attributes": ${attributes}`)
  }
  fields.push(`"data": ${JSON.stringify(message.data)}`)
  if (message.publishTime !== '') fields.push(`"publishTime": "${message.publishTime}"`)
  return escapeMore(`{\n${fields.map((field) => `${margin}   ${field}`).join(',\n')}\n${margin}}`)
}

/** The record that is kept; the empty text when the attributes spoil it. */
export function storedRecord(id: string, message: KeptMessage): string {
  return messageText(id, message) ?? ''
}

/** Reads a record again. Throws WrongShape for a spoilt one. */
export function readRecord(record: string): KeptMessage {
  const fields = decodeObject(record)
  return {
    attributes: fields.texts('attributes'),
    data: fields.text('data'),
    publishTime: fields.text('publishTime'),
  }
}

export interface Received {
  readonly ackId: string
  readonly id: string
  readonly message: KeptMessage
}

/** The answer to a pull. Throws WrongShape when attributes spoil it. */
export function receivedText(list: readonly Received[]): string {
  if (list.length === 0) return '{\n   "receivedMessages": []\n}'
  const margin = ' '.repeat(9)
  const items = list.map(({ ackId, id, message }) => {
    const text = messageText(id, message, margin)
    if (text === undefined) throw new WrongShape('attributes that are no JSON')
    return `      {\n${margin}"ackId": "${ackId}",\n${margin}"message": ${text}\n      }`
  })
  return `{\n   "receivedMessages": [\n${items.join(',\n')}\n   ]\n}`
}

/** UTC with up to nine decimals, trailing zeros cut. `nanos`: of the second. */
export function publishTimeText(ms: number, nanos: number): string {
  const fraction = String(nanos).padStart(9, '0').replace(/0+$/, '')
  return `${new Date(ms).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`
}

/**
 * What Kafka counts of a batch of one record: the JSON and 73 bytes of its own, so that 1 048 425 Base64 characters without
 * attributes are the largest under its default limit of 1 048 588 (measured on the running server).
 */
const BATCH_BYTES = 73
/** sarama's `MaxMessageBytes` as AMS sets it, and what it adds for a record. */
const PRODUCER_LIMIT = 1_500_000
const PRODUCER_BYTES = 36

export function isTooLarge(record: string, brokerLimit: number): boolean {
  const bytes = Buffer.byteLength(record)
  return bytes + BATCH_BYTES > brokerLimit || bytes + PRODUCER_BYTES > PRODUCER_LIMIT
}
