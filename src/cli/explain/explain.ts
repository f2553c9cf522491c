/**
 * What a reason, a code, a log line or a sentence means, and what to try. All of it stands in docs/operations.md too.
 */
import { nearest } from '../../config/finding.js'
import { parseJsonObject } from '../../os/json-object.js'
import { reasonOf, REASON_WORDS } from '../reason-of.js'
import { hasParts } from '../wildcard.js'
import { ROWS } from './rows.js'

export type ExplainedKind = 'reason' | 'code' | 'log' | 'sentence' | 'words'

export interface Explanation {
  readonly kind: ExplainedKind
  /** The word, or the line with `%s` for its values. */
  readonly name: string
  /** Of a log line. */
  readonly level?: string
  /** Of a code: how a program ends because of it. */
  readonly exit?: string
  readonly meaning: string
  readonly remedy: string
}

const code = (cell = ''): string => /^`([^`]+)`$/u.exec(cell)?.[1] ?? cell

/** How the cells of each table are read. */
const READERS: Readonly<Record<ExplainedKind, (cells: readonly string[]) => Explanation>> = {
  log: ([level = '', name, meaning = '', remedy = '']) => ({ kind: 'log', name: code(name), level, meaning, remedy }),
  sentence: ([name, meaning = '', remedy = '']) => ({ kind: 'sentence', name: code(name), meaning, remedy }),
  words: ([name, meaning = '']) => ({ kind: 'words', name: code(name), meaning, remedy: '' }),
  reason: ([name, meaning = '', remedy = '']) => ({ kind: 'reason', name: code(name), meaning, remedy }),
  code: ([name, exit = '', meaning = '', remedy = '']) => ({ kind: 'code', name: code(name), exit, meaning, remedy }),
}

/** Of one kind, in the order of the document. */
export function explanations(kind: ExplainedKind): readonly Explanation[] {
  return ROWS[kind].map(READERS[kind])
}

/** A reason and a code may have one name. */
export function explainWord(word: string): readonly Explanation[] {
  const kinds = ['reason', 'code'] as const
  return kinds.flatMap((kind) => explanations(kind).filter(({ name }) => name === word))
}

/** Longer lines are cut: no line of ours is. */
const LONGEST = 16_384
/** `2026-11-20 14:18:06,423 - NAME - LEVEL - `, and what a journal or a terminal may put before it. */
const HEAD = /^.*?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]+ - ([A-Z]+) - /u

/** A line of a log in any of its forms, or what a program said: what it means, and the reason in it. */
export function explainLine(line: string): readonly Explanation[] {
  const { level, message } = messageIn(line.slice(0, LONGEST).trim())
  const [best] = [...matching(message, level), ...sentences(message)].sort((a, b) => b.weight - a.weight)
  const reason =
    reasonOf(message.replace(/^Message rejected: /u, '')) ?? REASON_WORDS.find((word) => says(message, word))
  return [...(best === undefined ? [] : [best.explanation]), ...(reason === undefined ? [] : explainWord(reason))]
}

/** The nearest word there is. */
export function suggest(word: string): string | undefined {
  return nearest(word, REASON_WORDS)
}

interface Said {
  readonly level?: string
  readonly message: string
}

function messageIn(line: string): Said {
  const head = HEAD.exec(line)
  if (head !== null)
    return { message: line.slice(head[0].length), ...(head[1] === undefined ? {} : { level: head[1] }) }
  return fromJson(line) ?? { message: line.replace(/^(?:ssmctl [a-z -]+: )/u, '') }
}

function fromJson(line: string): Said | undefined {
  if (!line.startsWith('{')) return undefined
  const { message, level } = parseJsonObject(line) ?? {}
  if (typeof message !== 'string') return undefined
  return { message, ...(typeof level === 'string' ? { level } : {}) }
}

interface Match {
  readonly explanation: Explanation
  /** The more of the line are words of ours, the more certain. */
  readonly weight: number
}

function matching(message: string, level: string | undefined): readonly Match[] {
  return explanations('log').flatMap((explanation) => {
    const parts = explanation.name.split('%s')
    const weight = parts.join('').length
    // A line that is one value says nothing without its level.
    if (level === undefined ? weight === 0 : level !== explanation.level) return []
    return hasParts(message, parts) ? [{ explanation, weight }] : []
  })
}

/** Words in capitals stand for a value, as does the ellipsis. */
const VALUE = /\b(?:FILE|LINE|PATH|N)\b|…/gu

function sentences(message: string): readonly Match[] {
  return [...explanations('sentence'), ...explanations('words')].flatMap((explanation) => {
    // Two colons are in many lines; a file and the number of a line are not. A host and its port look alike.
    if (explanation.name.startsWith('FILE:N:') && !/^(?:\S*\/\S*|\S+\.(?:cfg|conf|ini)):\d+: /u.test(message)) return []
    const parts = explanation.name.split(VALUE)
    // Some are beginnings.
    return hasParts(message, parts) || hasParts(message, [...parts, ''])
      ? [{ explanation, weight: parts.join('').length }]
      : []
  })
}

/** Does it speak of this reason in its own words? */
function says(message: string, word: string): boolean {
  return explanations('reason').some(({ name, meaning }) => name === word && message.includes(meaning))
}
