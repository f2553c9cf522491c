/**
 * What a reason, a code, a log line or a sentence means, and what to try. All of it stands in docs/operations.md too.
 */
import { nearest } from '../../config/finding.js'
import { reasonOf, REASON_WORDS } from '../reason-of.js'
import { hasParts } from '../wildcard.js'
import { saidIn, type Said } from './line-form.js'
import { ROWS } from './rows.js'
import { TEXTS } from './texts.js'

/** `inside`: a piece of a line. `check`: a concern of `ssmctl check`. */
export type ExplainedKind = 'reason' | 'code' | 'log' | 'sentence' | 'inside' | 'check' | 'words'

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
const CHECKED = 'Below it, after →, or as the `remedy`, stands what to do. Nothing was changed by looking.'

/** How the cells of each table are read. */
const READERS: Readonly<Record<ExplainedKind, (cells: readonly string[]) => Explanation>> = {
  log: ([level = '', name, meaning = '', remedy = '']) => ({ kind: 'log', name: code(name), level, meaning, remedy }),
  sentence: ([name, meaning = '', remedy = '']) => ({ kind: 'sentence', name: code(name), meaning, remedy }),
  inside: ([name, meaning = '', remedy = '']) => ({ kind: 'inside', name: name ?? '', meaning, remedy }),
  check: ([name, meaning = '']) => ({ kind: 'check', name: name ?? '', meaning, remedy: CHECKED }),
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

/** A line of a log in any of its forms, or what a program said: what it means, what the pieces in it mean, and the reason. */
export function explainLine(line: string): readonly Explanation[] {
  const said = saidIn(line.slice(0, LONGEST).trim())
  const whole = best([...(said.finding ? findings(said.message) : matching(said)), ...sentences(said.message)])
  const piece = best(pieces(said.message))
  const reason =
    reasonOf(said.message.replace(/^Message rejected: /u, '')) ?? REASON_WORDS.find((word) => says(said.message, word))
  return [...whole, ...piece, ...(reason === undefined ? wordOf(said.message, whole, piece) : explainWord(reason))]
}

/** The nearest word there is. */
export function suggest(word: string): string | undefined {
  return nearest(word, REASON_WORDS)
}

interface Match {
  readonly explanation: Explanation
  /** The more of the line are words of ours, the more certain. */
  readonly weight: number
}

function best(matches: readonly Match[]): readonly Explanation[] {
  const [first] = [...matches].sort((a, b) => b.weight - a.weight)
  return first === undefined ? [] : [first.explanation]
}

function matching({ message, level }: Said): readonly Match[] {
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

/** Concerns of a check: `key: …`, `broker msg.example.org:61614: …`. */
function findings(message: string): readonly Match[] {
  return each('check').flatMap(({ explanation, name }) => {
    const parts = name.split(/ HOST(?::PORT)?/u)
    return hasParts(message, [
      parts.length === 1 ? `${name}: ` : (parts[0] ?? ''),
      ...parts.slice(1).map(() => ': '),
      '',
    ])
      ? [{ explanation: { ...explanation, name }, weight: name.length }]
      : []
  })
}

/** Each name of the rows that have several. */
function each(kind: 'inside' | 'check'): readonly { readonly explanation: Explanation; readonly name: string }[] {
  return explanations(kind).flatMap((explanation) =>
    [...explanation.name.matchAll(/`([^`]+)`/gu)].map(([, name = '']) => ({ explanation, name })),
  )
}

/** Anywhere in the line, … for anything. */
function isIn(message: string, text: string): boolean {
  return hasParts(message, ['', ...text.split('…'), ''])
}

function pieces(message: string): readonly Match[] {
  return each('inside').flatMap(({ explanation, name }) =>
    isIn(message, name) ? [{ explanation: { ...explanation, name }, weight: name.length }] : [],
  )
}

/** Lines about one message, and the reason that damage to its structure has there. */
const VERDICTS: readonly (readonly [string, string])[] = [
  ['Failed to verify message: ', 'malformed'],
  ['Failed to decrypt message: ', 'undecryptable'],
]

/** The reason or code that the source gives what the line says. A code is general: only for want of something better. */
function wordOf(message: string, whole: readonly Explanation[], piece: readonly Explanation[]): readonly Explanation[] {
  const found = TEXTS.flatMap(([kind, word, texts]) => {
    const weights = texts.filter((text) => isIn(message, text)).map((text) => text.replaceAll('…', '').length)
    return weights.length === 0 ? [] : [{ kind, word, weight: Math.max(...weights) }]
  })
  const most = Math.max(...found.map(({ weight }) => weight))
  const verdict = VERDICTS.find(([begins]) => message.includes(begins))
  const told = found.filter(({ weight }) => weight === most)
  const reasons = told.filter(({ kind }) => kind === 'reason').map(({ word }) => word)
  if (reasons.length > 0) return ofKind('reason', reasons)
  if (verdict !== undefined) return told.length > 0 ? ofKind('reason', [verdict[1]]) : []
  const isTold = piece.length > 0 || whole.some(({ kind }) => kind === 'sentence' || kind === 'words')
  return isTold
    ? []
    : ofKind(
        'code',
        told.map(({ word }) => word),
      )
}

function ofKind(kind: 'reason' | 'code', words: readonly string[]): readonly Explanation[] {
  return explanations(kind).filter(({ name }) => words.includes(name))
}

/** Does it speak of this reason in its own words? */
function says(message: string, word: string): boolean {
  return explanations('reason').some(({ name, meaning }) => name === word && message.includes(meaning))
}
