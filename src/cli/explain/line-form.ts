/** A line as somebody copies it: text or JSON, out of a file, the journal, syslog, or what `--check` prints. */
import { parseJsonObject } from '../../os/json-object.js'

/** What was said, without what stands before it. */
export interface Said {
  readonly level?: string
  /** Of a check: `concern: text`. */
  readonly finding?: true
  readonly message: string
}

/** `2026-11-20 14:18:06,423 - NAME - LEVEL - `, and what a journal or a terminal may put before it. */
const HEAD = /^.*?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]+ - ([A-Z]+) - /u
/** `Nov 20 14:18:06 host ssmsend[12]: `; a priority for the journal; the beginning of what a program says at a terminal. */
const BEFORE = /^(?:.{0,200}?\b(?:ssmsend|ssmreceive|ssmctl|node)\[\d+\]: )?(?:<\d>)?(?:ssmctl [a-z -]+: )?/u
const FINDING = /^\s*[✓!✗–] (?=\S)/u
/** How an object of ours begins, and one of `journalctl -o json`. */
const OBJECT = /\{"(?:time|level|__?[A-Z_]+|MESSAGE)":/u

/** Never fails: what has no form of ours is the message. */
export function saidIn(line: string): Said {
  const head = HEAD.exec(line)
  if (head !== null) {
    return { message: line.slice(head[0].length), ...(head[1] === undefined ? {} : { level: head[1] }) }
  }
  const object = fromJson(line)
  if (object !== undefined) return object
  const text = line.replace(BEFORE, '')
  return FINDING.test(text) ? { finding: true, message: text.replace(FINDING, '') } : { message: text }
}

function fromJson(line: string): Said | undefined {
  const at = OBJECT.exec(line)?.index
  if (at === undefined) return undefined
  const { message, level, about, text, MESSAGE: journal } = parseJsonObject(line.slice(at)) ?? {}
  if (typeof journal === 'string') return saidIn(journal)
  if (typeof about === 'string' && typeof text === 'string') return { finding: true, message: `${about}: ${text}` }
  if (typeof message !== 'string') return undefined
  return { message, ...(typeof level === 'string' ? { level } : {}) }
}
