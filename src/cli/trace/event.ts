/** What is found out about one message, and by which names it goes. */

export interface TraceEvent {
  /** ms since the epoch. */
  readonly at: number
  /** It is so still: said last. */
  readonly lasts?: true
  /** `ssmsend.log`, `incoming`, `journal`, … */
  readonly where: string
  /** Safe to print. */
  readonly text: string
  /** The file or element, safe to print. */
  readonly path: string
}

/** Names by which one message goes: its id, the names of its elements. */
export class Names {
  readonly #names = new Set<string>()

  constructor(first: string) {
    this.#names.add(first)
  }

  get all(): readonly string[] {
    return [...this.#names]
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Answers whether it is new. Ids that many messages share, and words, say nothing. */
  add(name: string): boolean {
    if (name.length < SHORTEST || name.length > LONGEST || SHARED.has(name.toLowerCase())) return false
    if (this.#names.has(name) || this.#names.size >= MOST) return false
    this.#names.add(name)
    return true
  }

  /** Does a text name one of them, as a whole word? */
  isIn(text: string): boolean {
    for (const name of this.#names) if (holdsWord(text, name)) return true
    return false
  }
}

const SHORTEST = 4
const LONGEST = 1024
const MOST = 100
const SHARED = new Set(['noid', 'none', 'null', 'ping'])

const BEFORE = /[\w%@+=-]/u
const AFTER = /[\w/%@+=-]/u

/** `file.txt` is not in `file.txt.2`, nor in `a-file.txt`; it is in `reject/file.txt` and before the full stop of a sentence. */
function holdsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
    const [before = ' ', after = ' ', next = ' '] = [text[at - 1], text[at + word.length], text[at + word.length + 1]]
    if (!BEFORE.test(before) && !AFTER.test(after) && !(after === '.' && /\w/u.test(next))) return true
  }
  return false
}
