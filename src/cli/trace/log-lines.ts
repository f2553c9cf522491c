/** What the lines of a log tell about one message. */
import { basename } from 'node:path'
import { PRINTABLE_LIMITS, printable } from '../../observe/printable.js'
import { parseJsonObject } from '../../os/json-object.js'
import type { Names, TraceEvent } from './event.js'

/** `2026-11-20 14:18:06,423 - NAME - LEVEL - message`, local time. */
const LINE = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d),(\d{3}) - [\w.]+ - ([A-Z]+) - (.*)$/su

interface LogLine {
  readonly at: number
  readonly level: string
  readonly message: string
}

export function parseLogLine(line: string): LogLine | undefined {
  if (line.startsWith('{')) return parseJsonLine(line)
  const match = LINE.exec(line)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0] = match.slice(1, 8).map(Number)
  const at = new Date(year, month - 1, day, hour, minute, second, ms).getTime()
  return { at, level: match[8] ?? '', message: match[9] ?? '' }
}

function parseJsonLine(line: string): LogLine | undefined {
  const { time, level, message } = parseJsonObject(line) ?? {}
  const at = typeof time === 'string' ? Date.parse(time) : NaN
  if (!Number.isFinite(at) || typeof level !== 'string' || typeof message !== 'string') return undefined
  return { at, level, message }
}

const RECEIVED = /^Received message\. ID = (.*?)(?:, Argo ID = .*)?$/su
/** What ends the judging of a message, and where it is then. */
const PLACED = /^Message (?:saved to (?:incoming|reject) queue as|held as) (\S+)/u
const STORED_BEFORE = /^Message (.*) was already stored as (\S+)\.$/su
/** Several names of one message, in one line. */
const NAMINGS = [
  /^Message (\S+) of reject, which came as (.*), is accepted: it is stored as (\S+)\.$/su,
  /^Putting back message (.*), set aside as (\S+), as (\S+)\.$/su,
  /^Adding again message (.*), sent on [\d-]{10}, as (\S+)\.$/su,
  /^Message (.*), set aside as (\S+), was put back as (\S+)\.$/su,
  /^Message (.*), sent on [\d-]{10}, was added again as (\S+)\.$/su,
]
/** Lines without a name that belong to the one message in hand. */
const ABOUT_IT =
  /^(?:Valid signer: |Decrypting message|Failed to (?:verify|decrypt) message: |Signer not in valid DNs list: |Message rejected: |Message (?:saved|held) )/u

/** Nothing is judged for so long, ms. */
const PAUSE = 60_000
const MOST_IN_HAND = 10_000

export interface LogLook {
  visit(line: string): void
}

/**
 * Collects the lines that name the message, and learns other names of it. A line about what was stored names the element
 * alone: it belongs to the message that was received before when no other one was in hand.
 */
export function createLogLook(path: string, names: Names, found: (event: TraceEvent) => void): LogLook {
  const where = printable(basename(path))
  let inHand = new Set<string>()
  let ended = 0
  let last = 0

  const add = ({ at, level, message }: LogLine): void => {
    const text = `${level} ${printable(message, PRINTABLE_LIMITS.sentence)}`
    found({ at, where, text, path: printable(path, 4096) })
  }

  /** Is the message in hand, and nothing else? */
  const isAlone = (): boolean => inHand.size === 1 && names.has([...inHand][0] ?? '')

  const forget = (): void => {
    inHand = new Set()
    ended = 0
  }

  function follow({ at, message }: LogLine): void {
    // Some end without a word (banned, one of thousands that are refused): a pause says that they did.
    if (at - last > PAUSE || inHand.size >= MOST_IN_HAND) forget()
    last = at
    const received = RECEIVED.exec(message)?.[1]
    if (received !== undefined) inHand.add(received)
    for (const naming of NAMINGS) {
      const [, ...all] = naming.exec(message) ?? []
      if (all.some((name) => names.has(name))) for (const name of all) if (name !== '?') names.add(name)
    }
    const before = STORED_BEFORE.exec(message)
    if (before !== null && names.has(before[1] ?? '') && before[2] !== '?') names.add(before[2] ?? '')
    if (before === null && !PLACED.test(message)) return
    ended += 1
    // Of several in hand nobody can tell which one ended; when as many ended, none is left.
    if (ended >= inHand.size) forget()
  }

  return {
    visit(line) {
      // Most lines of a large log are about others.
      const isNamed = names.isIn(line)
      const parsed = parseLogLine(line)
      if (parsed === undefined) return
      const isOurs = isNamed || (isAlone() && ABOUT_IT.test(parsed.message))
      if (isOurs) add(parsed)
      const placed = PLACED.exec(parsed.message)?.[1]
      if (placed !== undefined && isAlone()) names.add(placed)
      follow(parsed)
    },
  }
}
