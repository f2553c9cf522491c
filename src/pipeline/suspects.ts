/**
 * Who ended the connection? Both common brokers answer an oversized SEND by an ERROR without receipt-id or a cut: then
 * every message in flight is suspect. Suspects are resent one at a time; the one that, alone in flight, ends the
 * connection three times while others pass, is the culprit.
 */
import type { MessageId } from '../message.js'

/** So many times alone in flight before a message is blamed. */
const ALONE_LIMIT = 3

interface Record {
  /** Connections that ended with this message alone in flight. */
  ended: number
  /** Has another message passed since the first of them? */
  othersPassed: boolean
}

export class Suspects {
  readonly #records = new Map<MessageId, Record>()

  /** It was in flight, with others, when the connection ended. */
  add(id: MessageId): void {
    if (!this.#records.has(id)) this.#records.set(id, { ended: 0, othersPassed: false })
  }

  has(id: MessageId): boolean {
    return this.#records.has(id)
  }

  /** All, the least suspicious first. */
  ids(): readonly MessageId[] {
    return [...this.#records].sort(([, a], [, b]) => a.ended - b.ended).map(([id]) => id)
  }

  /** Those that have not ended a connection alone: they go first; the others wait until everything else has had its turn. */
  fresh(): readonly MessageId[] {
    return [...this.#records].filter(([, { ended }]) => ended === 0).map(([id]) => id)
  }

  /** It ended the connection while alone. True: it is the culprit. */
  endedAlone(id: MessageId): boolean {
    this.add(id)
    const record = this.#records.get(id)
    if (record === undefined) return false
    record.ended += 1
    return record.ended >= ALONE_LIMIT && record.othersPassed
  }

  /** How often it was sent alone in vain. */
  attempts(id: MessageId): number {
    return this.#records.get(id)?.ended ?? 0
  }

  /** It passed, is gone, or was set aside. */
  clear(id: MessageId): void {
    this.#records.delete(id)
  }

  /** A message passed: it speaks against the others that ended connections. */
  passed(id: MessageId): void {
    this.clear(id)
    for (const record of this.#records.values()) if (record.ended > 0) record.othersPassed = true
  }
}
