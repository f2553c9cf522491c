/**
 * One line of the journal: what is about to be stored where, and by what a redelivery of it is recognised.
 *
 *   J1 TIME QUEUE CLASS SIGNER SIGNATURE CONTENT DIRECTORY STAGED CHECK
 *
 * Fields of fixed width but for the staged name, so that a million lines are read in seconds. The check finds torn lines
 * and what a power cut left (blocks of NUL bytes); it is no protection against somebody who may write there.
 */

/** Where it goes: `incoming`, `reject`, `held`. */
export type QueueCode = 'i' | 'r' | 'h'

/**
 * Where its key is kept. `s`: of a verified signer, in the table. `g`: garbage, `h`: held; each in a ring of its own, so
 * that nobody unknown can push out what matters.
 */
export type KeyClass = 's' | 'g' | 'h'

/** By what a message is recognised. Each part is 16 hex digits of a SHA-256. */
export interface MessageKey {
  readonly kind: KeyClass
  /** Of the signer's name: who has a share of the table. */
  readonly signer: string
  /** Of certificate and signature value. */
  readonly signature: string
  /** Of signer, id and content. */
  readonly content: string
}

/** What a line says. */
export interface Intent {
  readonly key: MessageKey
  readonly queue: QueueCode
  /** The name in `temporary`; its first 14 digits are the element's name. */
  readonly staged: string
  /** The intermediate directory it is to go into. */
  readonly directory: string
  /** ms since the epoch. */
  readonly time: number
}

const LINE =
  /^J1 ([0-9a-f]{12}) ([irh]) ([sgh]) ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{8}) ([0-9a-f]{14}\.[0-9]{1,10}\.ssm) ([0-9a-f]{8})$/
/** Longer ones are not ours. */
export const MAX_LINE = 256
/** Where signature and content stand in a line, as one string: for searching. */
export const pairText = (key: MessageKey): string => `${key.signature} ${key.content}`

/** FNV-1a over UTF-16 units, all of them ASCII here: 0.1 µs a line, against 1 µs of a digest. */
function checkOf(text: string): string {
  let sum = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) sum = Math.imul(sum ^ text.charCodeAt(index), 0x01000193)
  return (sum >>> 0).toString(16).padStart(8, '0')
}

/** With the line break. */
export function formatRecord({ key, queue, staged, directory, time }: Intent): string {
  const when = Math.max(0, Math.floor(time)).toString(16).padStart(12, '0')
  const text = `J1 ${when} ${queue} ${key.kind} ${key.signer} ${pairText(key)} ${directory} ${staged}`
  return `${text} ${checkOf(text)}\n`
}

/** undefined: torn, damaged, or not ours. */
export function parseRecord(line: string): Intent | undefined {
  const match = line.length > MAX_LINE ? null : LINE.exec(line)
  if (match === null) return undefined
  const [, time = '', queue, kind, signer = '', signature = '', content = '', directory = '', staged = '', check] =
    match
  if (check !== checkOf(line.slice(0, -9))) return undefined
  return {
    // The casts: the pattern lets no other letters pass.
    key: { kind: kind as KeyClass, signer, signature, content },
    queue: queue as QueueCode,
    staged,
    directory,
    time: Number.parseInt(time, 16),
  }
}

/** The element that an intent is about, when nothing stood in its way. */
export function elementOf({ directory, staged }: Pick<Intent, 'directory' | 'staged'>): string {
  return `${directory}/${staged.slice(0, 14)}`
}
