/**
 * What programs that produce messages use: `new QueueSimple('/var/spool/apel/outgoing').add(bytes)`.
 */
import type { MessageId } from '../message.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { createMessageDirectory } from './message-directory.js'
import type { Outgoing } from './simple-queue.js'
import { createSimpleQueue } from './simple-queue.js'

type Content = Uint8Array | string

function bytesOf(content: Content): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content, 'utf8') : content
}

/** A directory queue of single files (`path_type: dirq`). */
export class QueueSimple {
  readonly #queue: Outgoing

  constructor(path: string, options: { readonly granularity?: number } = {}) {
    this.#queue = createSimpleQueue({ path, disk: createDisk(), clock: systemClock, ...options })
  }

  /** Adds a message; text is stored as UTF-8. Durable when it resolves to the name of the element. Throws SsmError `disk`. */
  add(content: Content): Promise<MessageId> {
    return this.#queue.add(bytesOf(content))
  }
}

/** A directory of plain files (`path_type: directory`). */
export class MessageDirectory {
  readonly #directory: Outgoing

  constructor(path: string) {
    this.#directory = createMessageDirectory({ path, disk: createDisk(), clock: systemClock })
  }

  /** Adds a message; text is stored as UTF-8. Durable when it resolves to the name of the file. Throws SsmError `disk`. */
  add(content: Content): Promise<MessageId> {
    return this.#directory.add(bytesOf(content))
  }
}
