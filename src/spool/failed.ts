/**
 * `.ssm/failed`: elements that cannot be sent, each with the reason, for a person to look at. Nothing is thrown away.
 */
import type { MessageId } from '../message.js'
import { SsmError, isSsmError } from '../errors.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import type { DirectorySync } from '../os/durable.js'
import { openOwnDirectory } from './own-directory.js'
import type { Claim } from './port.js'
import type { Fields } from './schema.js'
import type { SchemaQueue } from './schema-queue.js'
import type { Outgoing } from './simple-queue.js'
import { createSchemaQueue } from './schema-queue.js'

/** `time` is ISO 8601 in UTC; `attempts` a decimal number. Body is absent when it could not be read. */
export const FAILED_SCHEMA = {
  body: 'binary?',
  error: 'string',
  id: 'string',
  attempts: 'string?',
  time: 'string?',
} as const

export interface FailedOptions {
  /** The spool whose elements fail. */
  readonly path: string
  readonly disk: Disk
  readonly clock: Clock
  readonly sync?: DirectorySync
}

export interface Failed {
  /** What lies there, for listing, counting, purging. */
  readonly queue: SchemaQueue<typeof FAILED_SCHEMA>
  /**
   * Copies the element with the reason, durably, then removes it from its spool. What cannot be read is noted without
   * content (the spool's claim moves it to `.ssm/damaged`). Throws SsmError `disk`, `lock-lost`.
   */
  setAside(claim: Claim<Uint8Array>, error: string, attempts?: number): Promise<MessageId>
  /**
   * Puts one back into a spool, under a new id: there first, then removed here. null: somebody else has it, or it is gone.
   * `naming` is told right before it is there. Throws SsmError `element-damaged` for one whose content could not be read when it was set aside.
   */
  putBack(id: MessageId, spool: Pick<Outgoing, 'add'>, naming?: (put: PutBack) => void): Promise<PutBack | null>
}

export interface PutBack {
  /** What it was called when it was set aside. */
  readonly was: string
  readonly id: MessageId
}

/** Makes `<path>/.ssm`. Throws SsmError `configuration` when that is not ours. */
export function createFailed(options: FailedOptions): Failed {
  const { disk, clock } = options
  const path = openOwnDirectory(disk, options.path, 'failed')
  const sync = options.sync === undefined ? {} : { sync: options.sync }
  const queue = createSchemaQueue({ path, disk, clock, schema: FAILED_SCHEMA, ...sync })
  return {
    queue,
    async setAside(claim, error, attempts = 1) {
      const time = new Date(clock.now()).toISOString()
      const item: Fields<typeof FAILED_SCHEMA> = { error, id: claim.id, attempts: String(attempts), time }
      const body = await readIfPossible(claim)
      const name = await queue.add(body === undefined ? item : { ...item, body })
      await claim.remove()
      return name
    },
    async putBack(id, spool, naming) {
      const claim = await queue.claim(id)
      if (claim === null) return null
      try {
        const { body, id: was } = await claim.read()
        if (body === undefined) {
          throw new SsmError('element-damaged', `${id} has no content: it could not be read when it was set aside`)
        }
        const added = await spool.add(body, (fresh) => naming?.({ was, id: fresh }))
        await claim.remove()
        return { was, id: added }
      } finally {
        await claim.release()
      }
    },
  }
}

async function readIfPossible(claim: Claim<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    return await claim.read()
  } catch (error) {
    if (isSsmError(error, 'element-damaged')) return undefined
    throw error
  }
}
