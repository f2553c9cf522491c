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

/** The fields before the staged name, at fixed places. */
const HEAD = /^J1 [0-9a-f]{12} [irh] [sgh] [0-9a-f]{16} [0-9a-f]{16} [0-9a-f]{16} [0-9a-f]{8} $/
const HEAD_LENGTH = 80
const STAGED = /^[0-9a-f]{14}\.[0-9]{1,10}\.ssm$/
const CHECK_LENGTH = 9
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

/** undefined: torn, damaged, or not ours. By places, because a million lines are read at a start. */
export function parseRecord(line: string): Intent | undefined {
  if (line.length < HEAD_LENGTH + CHECK_LENGTH || line.length > MAX_LINE) return undefined
  const end = line.length - CHECK_LENGTH
  if (line.slice(end) !== ` ${checkOf(line.slice(0, end))}` || !HEAD.test(line.slice(0, HEAD_LENGTH))) return undefined
  const staged = line.slice(HEAD_LENGTH, end)
  if (!STAGED.test(staged)) return undefined
  return {
    key: {
      // The casts, here and below: the pattern lets no other letters pass.
      kind: line.charAt(18) as KeyClass,
      signer: line.slice(20, 36),
      signature: line.slice(37, 53),
      content: line.slice(54, 70),
    },
    queue: line.charAt(16) as QueueCode,
    staged,
    directory: line.slice(71, 79),
    time: Number.parseInt(line.slice(3, 15), 16),
  }
}

/** The element that an intent is about, when nothing stood in its way. */
export function elementOf({ directory, staged }: Pick<Intent, 'directory' | 'staged'>): string {
  return `${directory}/${staged.slice(0, 14)}`
}
