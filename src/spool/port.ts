/**
 * The spool port: a directory that holds elements, one claimed by one process at a time.
 */
import type { MessageId } from '../message.js'

export interface PurgeLimits {
  /** Seconds after which an unfinished add is removed. 0 = never. Default 300. */
  readonly maxTemp?: number
  /** Seconds after which a lock is broken. 0 = never. Default 600. */
  readonly maxLock?: number
}

export interface PurgeReport {
  readonly temporary: number
  readonly locks: number
  readonly directories: number
}

/** An element locked for us. Disposing releases it unless it was removed; release after remove does nothing. */
export interface Claim<T> extends AsyncDisposable {
  readonly id: MessageId
  /** Bytes, as seen when it was claimed, where that is known: for windows. */
  readonly size?: number
  /** Throws SsmError `element-damaged` (not a regular file, too large), `lock-lost`, `disk`. */
  read(): Promise<T>
  /** Durable when it resolves. Throws `lock-lost` when somebody broke our lock: the element may be sent twice. */
  remove(): Promise<void>
  release(): Promise<void>
}

/** Called with the id that an element is about to have, before it is there: for whoever must not miss it. Must not throw. */
export type Naming = (id: MessageId) => void

export interface Spool<T> {
  /** Durable when it resolves. Returns the element's id. Throws SsmError `disk` with the path and what to try. */
  add(item: T): Promise<MessageId>
  /** Oldest first, best effort, streaming. Locked elements are among them. */
  ids(): AsyncIterable<MessageId>
  /** null: somebody else holds it, or it is gone. */
  claim(id: MessageId): Promise<Claim<T> | null>
  count(): Promise<number>
  purge(limits?: PurgeLimits): Promise<PurgeReport>
}
